"""Where a database stands, as text and as JSON (`erm status`)."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from erm_alembic.planning.half_done import OBSTACLES
from erm_alembic.render.json import plain_value, result_document
from erm_alembic.render.runs import moment, override_lines, run_headline
from erm_alembic.render.safe import Paint, clip, one_line, plain
from erm_alembic.render.words import counted, revisions, target_line

if TYPE_CHECKING:
    from erm_alembic.planning.model import HalfDoneRevision
    from erm_alembic.planning.reports import Status

__all__ = ["half_done_facts", "half_done_lines", "status_json", "status_text"]

SHORT = 100


def status_text(status: Status, *, arguments: tuple[str, ...] = (), paint: Paint = plain) -> str:
    """Where a database stands: current and head revisions, what is pending, the last run, what is half done.

    Args:
        status: the facts.
        arguments: what was typed and belongs into the next command too, such as `-x`.
        paint: gives colour; none by default.
    """
    pending = counted(len(status.pending), "revision") if status.pending else "none: the database is at its heads"
    if status.unknown and not status.pending:
        pending = "cannot be told"
    lines = [
        target_line(status.environment, status.database_url, status.server_version, paint),
        f"Current  {revisions(status.current, 'none: no revision is recorded')}",
        f"Heads    {revisions(status.heads, 'none: the project has no revisions')}",
        f"Pending  {paint(pending, 'warn' if status.pending or status.unknown else 'good')}",
    ]
    if status.unknown:
        names = revisions(status.unknown, "")
        lines.append(f"Unknown  {paint(names, 'bad')}  (recorded in the database, but no file has this revision)")
        restore = _command("erm", "history", "restore", status.unknown[0], "--env", status.environment)
        lines.append(f"         {restore}   writes a lost file back")
    if status.deployed_as:
        names = one_line(", ".join(status.deployed_as))
        lines.append(f"Deployed {paint(f'as {names}', 'bad')}: apply needs --accept-environment under this --env")
    lines.append(_last_run(status, paint))
    if status.last_run is not None:
        lines += [f"       {line}" for line in override_lines(status.last_run, paint)]
    for index in status.invalid_indexes:
        lines.append(f"Invalid  {paint(one_line(str(index)), 'bad')}")
    for half in status.half_done:
        if status.run_state == "running":  # which goes on with it by itself
            lines += ["", *half_done_facts(half, paint)]
        else:
            lines += ["", *half_done_lines(half, (status.environment, *arguments), paint)]
    return "\n".join(lines) + "\n"


def _last_run(status: Status, paint: Paint) -> str:
    run = status.last_run
    if run is None:
        return "Last     none in the ledger"
    if status.run_state == "running":
        since = f"run {run.id} is running since {moment(run.started_at)}"
        who = f"{one_line(run.mode)} of {one_line(run.environment)} by {one_line(run.who)}"
        return f"Running  {paint(since, 'warn')}, pid {run.backend_pid}, on host {one_line(run.host)}: {who}"
    if status.run_state == "died" and status.last_sign is not None:
        ending = (f"ended without a word after {moment(status.last_sign)}", "bad")
        return f"Last     {run_headline(run, paint, ending)}"
    return f"Last     {run_headline(run, paint)}"


def half_done_lines(half: HalfDoneRevision, typed: tuple[str, ...], paint: Paint = plain) -> list[str]:
    """What is half done, what stays, what comes next, and what to type.

    Args:
        half: the revision.
        typed: the profile, and what else was typed and belongs into the commands.
        paint: gives colour; none by default.
    """
    commands = [_command("erm", "repair", half.revision, "--env", *typed)]
    purposes = ["shows what can be done"]
    if half.obstacle is None and half.direction == "upgrade":
        commands.insert(0, _command("erm", "migrate", "--env", *typed))
        purposes = ["goes on there", "shows what else can be done"]
    width = max(map(len, commands))
    shown = [f"  {command:<{width}}   {does}" for command, does in zip(commands, purposes, strict=True)]
    return [*half_done_facts(half, paint), *shown]


def half_done_facts(half: HalfDoneRevision, paint: Paint = plain) -> list[str]:
    """What is half done, what stays, and what comes next.

    Args:
        half: the revision.
        paint: gives colour; none by default.
    """
    since = f"since {moment(half.since)}, run {half.run_id}"
    headline = (
        f"Revision {one_line(half.revision)} is {'half done' if half.direction == 'upgrade' else 'half rolled back'}"
    )
    lines = [
        f"{paint(headline, 'warn')} ({since}): {counted(half.committed, 'statement')} committed  {one_line(half.path)}"
    ]
    if half.last_sql is not None:
        lines.append(_statement("last", half.last_line, half.last_sql))
    if half.interrupted is not None:
        lines.append(_statement("cut off", None, half.interrupted))
    if half.obstacle is not None:
        return [*lines, f"  {paint('cannot go on:', 'bad')} {OBSTACLES[half.obstacle]}"]
    if half.next_sql is not None:
        return [*lines, _statement("next", half.next_line, half.next_sql)]
    after = "the statements that are done" if half.last_line is None else f"line {half.last_line}"
    return [*lines, f"  {'next':<8} after {after}"]


def _statement(label: str, line: int | None, sql: str) -> str:
    place = "-" if line is None else str(line)
    return f"  {label:<8} {place:>5}  {clip(one_line(sql), SHORT)}"


def _command(*words: str) -> str:
    return shlex.join(one_line(word) for word in words)


def status_json(status: Status) -> str:
    """Where a database stands as one JSON object; keys are added, never renamed."""
    document: dict[str, Any] = {
        "environment": status.environment,
        "database": {"url": status.database_url, "server_version": status.server_version},
        "current": list(status.current),
        "heads": list(status.heads),
        "pending": list(status.pending),
        "unknown": list(status.unknown),
        "last_run": plain_value(status.last_run),
        "run_state": status.run_state,
        "last_sign": plain_value(status.last_sign),
        "half_done": plain_value(status.half_done),
        "invalid_indexes": plain_value(status.invalid_indexes),
        "deployed_as": list(status.deployed_as),
    }
    return result_document(document)
