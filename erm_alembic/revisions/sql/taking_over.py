"""Which of the imported migrations another tool has run on a database, proven to be one chain of revisions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from erm_alembic.errors import Refused
from erm_alembic.postgres.foreign_history import ForeignHistory, ForeignRow, read_foreign_history
from erm_alembic.revisions.sql.layouts import GO_ERM_TABLE, SourceDirectory, SourceMigration

__all__ = ["Applied", "TakenOver", "taken_over"]

NOTHING_CHANGED = "Nothing was changed."
DIGESTS = {32: "md5", 40: "sha1", 64: "sha256"}


@dataclass(frozen=True)
class Applied:
    """One migration that the other tool has run.

    Args:
        migration: the migration.
        at: when, where the tool's table says so.
    """

    migration: SourceMigration
    at: datetime | None = None


@dataclass(frozen=True)
class TakenOver:
    """What the other tool has run.

    Args:
        table: its table, as `schema.name`; None when the database has none.
        applied: the migrations that it ran, in order.
        notes: what to know about them.
    """

    table: str | None
    applied: tuple[Applied, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def revision(self) -> str | None:
        """The revision that the database stands at; None at none."""
        return self.applied[-1].migration.version if self.applied else None


def taken_over(source: SourceDirectory, cursor: Any, table: str | None = None) -> TakenOver:
    """Read what the other tool remembers, and match it with its files.

    Args:
        source: its directory.
        cursor: a plain psycopg2 cursor.
        table: its table, with or without the schema, where it is not called as usual.

    Raises:
        Refused: the last migration failed half-way, a version has no file, or they were not run in order.
        UsageError: it is not certain which table is meant.
    """
    history = read_foreign_history(cursor, table or source.layout.table)
    if history is None and table is None and source.layout.name == "golang-migrate":
        # The Go `erm` runs files with golang-migrate's names too.
        history = read_foreign_history(cursor, GO_ERM_TABLE)
    return TakenOver(None) if history is None else _matched(source, history)


def _matched(source: SourceDirectory, history: ForeignHistory) -> TakenOver:
    tool = source.layout.name
    failed = next((row for row in history.rows if row.failed), None)
    if failed is not None:
        raise Refused(
            f"{history.table} says that version {failed.version} did not come to its end (dirty).",
            effect=f"{NOTHING_CHANGED} What of it the database has is unknown.",
            cure=f"Bring the database to a whole version by hand, tell {tool} "
            f"({'`migrate force VERSION`' if tool == 'golang-migrate' else 'correct the row'}), then import again.",
        )
    rows = {_found(source, history, row).version: row for row in history.rows}
    if tool == "golang-migrate" and not history.table.endswith(f".{GO_ERM_TABLE}"):
        if "dirty" not in history.columns or len(rows) > 1:
            raise Refused(
                f"{history.table} is not golang-migrate's: that one has one row, with `version` and `dirty`.",
                effect=NOTHING_CHANGED,
                cure="Name its table with --table SCHEMA.NAME, or say whose scripts these are with --from.",
            )
        last = next(iter(rows), None)
        done = [each for each in source.migrations if last is not None and int(each.version) <= int(last)]
        return TakenOver(history.table, tuple(map(Applied, done)))
    done = [each for each in source.migrations if each.version in rows]
    _refuse_out_of_order(source, done, history.table)
    applied = tuple(Applied(each, rows[each.version].applied_at) for each in done)
    return TakenOver(history.table, applied, _edited(done, rows))


def _found(source: SourceDirectory, history: ForeignHistory, row: ForeignRow) -> SourceMigration:
    """The migration of a row: by its version as text or as a number, or by the file's name."""
    for migration in source.migrations:
        if row.version in (migration.version, migration.up.name, migration.up.stem):
            return migration
    numbered = [each for each in source.migrations if each.version.isdecimal() and row.version.isdecimal()]
    same_number = [each for each in numbered if int(each.version) == int(row.version)]
    if len(same_number) == 1:
        return same_number[0]
    raise Refused(
        f"{history.table} has version {row.version}, of which there is no script in the directory.",
        effect=NOTHING_CHANGED,
        cure="Check out the commit that was deployed, or put the script back; then import again.",
    )


def _refuse_out_of_order(source: SourceDirectory, done: list[SourceMigration], table: str) -> None:
    """Revisions are a chain: a database cannot have a later one without those before it."""
    skipped = next((each for each, ran in zip(source.migrations, done, strict=False) if each != ran), None)
    if skipped is not None:
        later = next(each for each in done if source.migrations.index(each) > source.migrations.index(skipped))
        raise Refused(
            f"{table} has version {later.version} but not {skipped.version}, which comes before it.",
            effect=f"{NOTHING_CHANGED} Revisions are a chain: one cannot be there without those before it.",
            cure=f"Let the other tool run {skipped.up.name} first, or give it a number after {done[-1].version}.",
        )


def _edited(done: list[SourceMigration], rows: dict[str, ForeignRow]) -> tuple[str, ...]:
    """Files that are no longer what was run, where the checksums are of a kind that is known."""
    compared = {each: _same_checksum(each, rows[each.version].checksum) for each in done}
    known = [same for same in compared.values() if same is not None]
    if not known:
        return ()
    if not any(known):
        return ("the checksums of the table are of an unknown kind; they were not compared",)
    return tuple(
        f"{each.up.name} was edited after it was run: its checksum is another one"
        for each, same in compared.items()
        if same is False
    )


def _same_checksum(migration: SourceMigration, checksum: str | None) -> bool | None:
    text = (checksum or "").lower().removeprefix("sha256:").removeprefix("\\x")
    if len(text) not in DIGESTS or set(text) - set("0123456789abcdef"):
        return None if not text else False
    content = migration.up.read_bytes()
    pair = content + migration.down.read_bytes() if migration.has_down else content
    digest = DIGESTS[len(text)]
    forms = (content, content.strip(), content.replace(b"\r\n", b"\n"), pair)
    return any(hashlib.new(digest, form, usedforsecurity=False).hexdigest() == text for form in forms)
