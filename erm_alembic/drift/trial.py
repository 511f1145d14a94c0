"""A way out of drift, tried before anybody is handed it: on scratch copies of both schemas, without rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import psycopg2

from erm_alembic.config.redaction import first_line
from erm_alembic.drift.database import said_by
from erm_alembic.drift.fix.statements import is_remark
from erm_alembic.drift.position import Position
from erm_alembic.drift.scope import schema_of
from erm_alembic.drift.versions import as_of_major
from erm_alembic.errors import ErmError, Refused
from erm_alembic.postgres.snapshot import (
    Difference,
    ObjectKey,
    Snapshot,
    belongs_to_environment,
    differences,
    take_snapshot,
)
from erm_alembic.postgres.snapshot.dependents import read_dependents
from erm_alembic.shadow.opened import Shadow, ShadowDatabase
from erm_alembic.target import Target
from erm_alembic.wording import first_few

__all__ = ["Grounds", "Trial", "not_proven", "refuse_remarks"]

# A job may make them as time goes on, but statements do make and drop them.
COUNTED = "partition"
ANOTHER_TENANT = "erm_another_tenant"
LONGEST_STATEMENT = 160
MOST_LEFT = 5
Signature = tuple[str, str, str]
Scripts = Sequence[tuple[str, Sequence[str]]]


@dataclass(frozen=True)
class Trial:
    """What came of it.

    Args:
        failed: what the server refused, with its words; None where every statement passed.
        left: what differs after it and should not, as kind and object.
        unknown: why it could not be tried; None where it was.
    """

    failed: str | None = None
    left: tuple[str, ...] = ()
    unknown: str | None = None

    @property
    def holds(self) -> bool:
        """Whether it was tried and does what it is for."""
        return self.failed is None and not self.left and self.unknown is None

    def __str__(self) -> str:
        """Why it does not hold, on one line."""
        if self.unknown is not None:
            return f"it could not be tried: {self.unknown}"
        if self.failed is not None:
            return f"tried on a copy of the schema, it fails: {self.failed}"
        return f"tried on a copy of the schema, it leaves a difference: {first_few(self.left, MOST_LEFT)}"


@dataclass(frozen=True)
class Grounds:
    """Where ways out of one database's drift are tried.

    Args:
        target: the database.
        shadow: its shadow; a server is started when something is tried.
        position: where it stands in its history.
        schema: where env.py has names without a schema go, unquoted: that of the session as env.py set it up.
    """

    target: Target
    shadow: Shadow
    position: Position
    schema: str | None = None

    def tenant(self) -> str | None:
        """The schema, unquoted, that env.py chooses for the history to run in, its version table too; None for none.

        Raises:
            TargetError: the database cannot be read.
        """
        if self.schema is None:
            return None
        with self.target.reading("erm drift") as cursor:
            cursor.execute("SELECT pg_catalog.current_schema(), pg_catalog.quote_ident(%s)", [self.schema])
            usual, quoted = cursor.fetchone() or (None, "")
        return self.schema if usual != self.schema and schema_of(self.position.version_table) == quoted else None

    def dependents_found(self) -> Mapping[ObjectKey, frozenset[ObjectKey]]:
        """What depends on what in the database itself.

        Raises:
            TargetError: it cannot be read.
        """
        with self.target.reading("erm drift") as cursor:
            return read_dependents(cursor)

    def dependents_expected(self) -> Mapping[ObjectKey, frozenset[ObjectKey]]:
        """What depends on what in what the history makes.

        Raises:
            ShadowUnavailable: that cannot be had.
        """
        with (
            self.shadow.at(self.position.current) as database,
            contextlib.closing(database.connect()) as connection,
            connection.cursor() as cursor,
        ):
            return read_dependents(cursor)

    def try_revert(
        self, lines: Sequence[str], taken: Collection[Difference], expected: Snapshot, found: Snapshot
    ) -> Trial:
        """Take drift back on a copy of the live schema, and once more.

        Args:
            lines: the statements, and remarks.
            taken: the differences that they are about; the others may stay.
            expected: what shall be there afterwards.
            found: what the database has.
        """
        # As the script has it.
        statements = ["SET LOCAL check_function_bodies = off", *lines]
        scripts = (("", statements), ("run a second time, ", statements))
        return self._try(lambda: self._go(self.shadow.from_live(), scripts, (found, expected), taken))

    def try_adoption(
        self,
        upgrade: Sequence[str],
        downgrade: Sequence[str],
        taken: Collection[Difference],
        expected: Snapshot,
        found: Snapshot,
        tenant: str | None = None,
    ) -> Trial:
        """Take drift over: where it is there already, where it is not, and back again.

        Args:
            upgrade: the statements of the way up, and remarks.
            downgrade: those of the way down.
            taken: the differences that they are about, as `differences(found, expected)` tells them.
            expected: what the history makes.
            found: what the database has.
            tenant: the schema that the names without one stand for; then it must hold in one of another name too.
        """
        path, renamed, named_back = _for_tenant(tenant)
        there = (("upgrade(), where the change is there already: ", [*path, *upgrade]),)
        elsewhere = (("upgrade(), where the change is not there: ", [*renamed, *upgrade, *named_back]),)
        back = (("upgrade(): ", [*path, *upgrade]), ("downgrade(): ", [*path, *downgrade]))

        def all_three() -> Trial:
            trial = self._go(self.shadow.from_live(), there, (found, found), taken)
            for scripts, wanted in ((elsewhere, found), (back, expected)):
                if trial.holds:
                    place = self.shadow.at(self.position.current)
                    trial = self._go(place, scripts, (expected, wanted), taken)
            return trial

        return self._try(all_three)

    def _try(self, attempt: Callable[[], Trial]) -> Trial:
        try:
            return attempt()
        except ErmError as error:
            return Trial(unknown=said_by(error))
        except psycopg2.Error as error:
            return Trial(unknown=first_line(error))

    def _go(
        self,
        place: contextlib.AbstractContextManager[ShadowDatabase],
        scripts: Scripts,
        way: tuple[Snapshot, Snapshot],
        taken: Collection[Difference],
    ) -> Trial:
        """Run scripts in a scratch database, and compare what they make with what they shall make."""
        start, wanted = way
        with place as database, contextlib.closing(database.connect()) as connection:
            before = self._look(connection)
            for title, lines in scripts:
                for statement in lines:
                    if is_remark(statement):
                        continue
                    try:
                        with connection.cursor() as cursor:
                            cursor.execute(statement)
                    except psycopg2.Error as error:
                        words = " ".join(statement.split())
                        cut = f"{words[:LONGEST_STATEMENT]}..." if len(words) > LONGEST_STATEMENT else words
                        return Trial(failed=f"{title}{first_line(error)} ({cut}){self._elsewhere()}")
                connection.commit()
            after = self._look(connection)
        # A copy may differ from what it was made of in what no dump carries, and not every difference is taken.
        subjects = {_signature(each) for each in taken}
        spared = {_signature(each) for each in _told(start, before)}
        spared |= {_signature(each) for each in _told(wanted, start)} - subjects
        visible = {_signature(each) for each in _told(wanted, before)} & subjects
        left = [
            f"{each.kind} {each.object}"
            for each in _told(wanted, after)
            if (signature := _signature(each)) not in spared
            and (not belongs_to_environment(each.kind) or each.kind == COUNTED or signature in visible)
        ]
        return Trial(left=tuple(dict.fromkeys(left)))

    def _look(self, connection: psycopg2.extensions.connection) -> Snapshot:
        with connection.cursor() as cursor:
            left_out = (self.position.ledger_schema,), (self.position.version_table,)
            snapshot = take_snapshot(cursor, *left_out)
        connection.rollback()
        if self.shadow.exact_major:
            return snapshot
        return as_of_major(snapshot, min(self.target.major, self.shadow.major))

    def _elsewhere(self) -> str:
        if self.shadow.exact_major:
            return ""
        return f"; the copy is on PostgreSQL {self.shadow.major}, the target is PostgreSQL {self.target.server_version}"


def _for_tenant(tenant: str | None) -> tuple[list[str], list[str], list[str]]:
    """What sets the search_path, what makes a tenant another one, and what makes it the same again."""
    if tenant is None:
        return [], [], []
    doubled = tenant.replace('"', '""')
    name = f'"{doubled}"'
    path = "SET LOCAL search_path = "
    renamed = [f"ALTER SCHEMA {name} RENAME TO {ANOTHER_TENANT}", f"{path}{ANOTHER_TENANT}"]
    return [f"{path}{name}"], renamed, [f"ALTER SCHEMA {ANOTHER_TENANT} RENAME TO {name}"]


def _told(wanted: Snapshot, have: Snapshot) -> tuple[Difference, ...]:
    # No statement changes the order of columns; a copy without rows has empty materialised views.
    told = differences(wanted, have, column_order=False, filling=False)
    return tuple(each for each in told if not _of_database(each))


def _of_database(difference: Difference) -> bool:
    """Whether it belongs to the database as a whole, which a scratch database cannot show."""
    return difference.kind == "database-setting" or (
        difference.kind == "grant" and difference.object.startswith("database to ")
    )


def _signature(difference: Difference) -> Signature:
    return difference.kind, difference.object, difference.property


def refuse_remarks(lines: Sequence[str]) -> None:
    """Refuse to write a revision that does nothing.

    Args:
        lines: its statements, and remarks.

    Raises:
        Refused: there is no statement in it.
    """
    if all(map(is_remark, lines)):
        raise Refused(
            "No statement takes over what differs: " + " ".join(line.removeprefix("-- ") for line in lines),
            effect="No revision was written.",
            cure="Write the revision by hand, or leave it out with `drift.ignore`.",
        )


def not_proven(trial: Trial) -> Refused:
    """The refusal to write a revision of which a trial did not show that it does what it is for.

    Args:
        trial: what came of it.
    """
    return Refused(
        f"The revision that would take the drift over does not hold: {trial}",
        effect="No revision was written.",
        cure=(
            "Write it by hand, with what `erm drift --fix revert` shows as a beginning."
            if trial.unknown is None
            else "Give erm a shadow (`erm doctor` tells what it lacks), or write the revision by hand."
        ),
    )
