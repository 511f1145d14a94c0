"""Where a database stands, and the ledger's runs, as text and as JSON (`erm status`, `erm history`)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from erm_alembic.config.redaction import redact
from erm_alembic.render.json import SCHEMA_VERSION, dump, plain_value
from erm_alembic.render.safe import Paint, one_line, plain
from erm_alembic.render.words import counted, duration, revisions

if TYPE_CHECKING:
    from erm_alembic.ledger.model import RevisionRecord, RunRecord

__all__ = ["StatusFacts", "history_json", "history_text", "status_json", "status_text"]


class StatusFacts(Protocol):
    """What `erm_alembic.status` returns; render/ stands below it and knows its shape."""

    @property
    def environment(self) -> str: ...
    @property
    def database_url(self) -> str: ...
    @property
    def server_version(self) -> str: ...
    @property
    def current(self) -> tuple[str, ...]: ...
    @property
    def heads(self) -> tuple[str, ...]: ...
    @property
    def pending(self) -> tuple[str, ...]: ...
    @property
    def unknown(self) -> tuple[str, ...]: ...
    @property
    def last_run(self) -> RunRecord | None: ...


def _moment(when: datetime) -> str:
    """A time in UTC, so that two people in two places read the same."""
    moment = when if when.tzinfo is None else when.astimezone(UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S") + (" UTC" if when.tzinfo is not None else "")


def _ending(run: RunRecord) -> tuple[str, str]:
    """How a run ended, and the role of its colour; a run without an end was cut off."""
    if run.outcome is None:
        return "did not end", "warn"
    return one_line(run.outcome), "good" if run.outcome in ("done", "nothing-to-do") else "bad"


def _run_headline(run: RunRecord, paint: Paint) -> str:
    word, role = _ending(run)
    who = f"{one_line(run.who)}@{one_line(run.host)}"
    commit = f", commit {one_line(run.git_commit)[:12]}" if run.git_commit else ""
    return (
        f"run {run.id}  {_moment(run.started_at)}  {one_line(run.mode)} {paint(word, role)}  "
        f"{one_line(run.environment)}, {who}, erm {one_line(run.erm_version)}{commit}"
    )


def _revision_line(record: RevisionRecord) -> str:
    arrow = "down" if record.direction == "downgrade" else "up"
    took = duration(record.duration_ms) if record.duration_ms is not None else "did not end"
    facts = f"{took}, {counted(record.statements or 0, 'statement')}"
    ending = one_line(record.outcome or "did not end")
    line = f"  {arrow:<4}  {one_line(record.revision)}  {one_line(record.message or '')}".rstrip()
    return f"{line}  ({ending}, {facts})"


def _run_lines(run: RunRecord, paint: Paint) -> list[str]:
    lines = [_run_headline(run, paint)]
    lines += [f"  {paint('overridden', 'warn')}  {one_line(redact(override))}" for override in run.overrides]
    for record in run.revisions:
        lines.append(_revision_line(record))
        if record.error:
            lines.append(f"        {one_line(redact(record.error))}")
    if run.error and not any(record.error for record in run.revisions):
        lines.append(f"  {one_line(redact(run.error))}")
    return lines


def history_text(runs: tuple[RunRecord, ...], *, paint: Paint = plain) -> str:
    """The ledger's runs, in the order given.

    Args:
        runs: the runs.
        paint: gives colour; none by default.

    Example:
        >>> history_text(())
        'The ledger has no run of this database yet.\\n'
    """
    if not runs:
        return "The ledger has no run of this database yet.\n"
    return "\n\n".join("\n".join(_run_lines(run, paint)) for run in runs) + "\n"


def history_json(runs: tuple[RunRecord, ...]) -> str:
    """The ledger's runs as one JSON object."""
    return dump({"schema_version": SCHEMA_VERSION, "runs": plain_value(runs)})


def status_text(status: StatusFacts, *, paint: Paint = plain) -> str:
    """Where a database stands: current and head revisions, what is pending, how the last run ended.

    Args:
        status: the facts.
        paint: gives colour; none by default.
    """
    url = f"{one_line(status.database_url)}  (PostgreSQL {status.server_version})"
    target = f"{one_line(status.environment)}  {url}"
    pending = counted(len(status.pending), "revision") if status.pending else "none: the database is at its heads"
    if status.unknown and not status.pending:
        pending = "cannot be told"
    lines = [
        f"Target   {paint(target, 'strong')}",
        f"Current  {revisions(status.current, 'none: no revision is recorded')}",
        f"Heads    {revisions(status.heads, 'none: the project has no revisions')}",
        f"Pending  {paint(pending, 'warn' if status.pending or status.unknown else 'good')}",
    ]
    if status.unknown:
        names = revisions(status.unknown, "")
        lines.append(f"Unknown  {paint(names, 'bad')}  (recorded in the database, but no file has this revision)")
        lines.append(f"         erm history restore {one_line(status.unknown[0])}   writes a lost file back")
    last = "none in the ledger" if status.last_run is None else _run_headline(status.last_run, paint)
    return "\n".join([*lines, f"Last     {last}"]) + "\n"


def status_json(status: StatusFacts) -> str:
    """Where a database stands as one JSON object."""
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "environment": status.environment,
        "database": {"url": status.database_url, "server_version": status.server_version},
        "current": list(status.current),
        "heads": list(status.heads),
        "pending": list(status.pending),
        "unknown": list(status.unknown),
        "last_run": plain_value(status.last_run),
    }
    return dump(document)
