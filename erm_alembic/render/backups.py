"""Backups as text and as JSON: what was taken, which there are, and what came back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from erm_alembic.config.redaction import redact
from erm_alembic.config.sizes import about
from erm_alembic.render.json import plain_value, result_document
from erm_alembic.render.runs import moment
from erm_alembic.render.safe import Paint, clip, one_line, plain
from erm_alembic.render.words import counted, duration

if TYPE_CHECKING:
    from erm_alembic.ledger.backups import Backup, LostObject
    from erm_alembic.planning.backups import PlannedBackup
    from erm_alembic.planning.model import Plan

__all__ = [
    "backup_json",
    "backup_lines",
    "backup_text",
    "backup_words",
    "backups_json",
    "backups_text",
    "planned_lines",
]

MOST = 8


def backup_lines(backup: Backup, paint: Paint = plain) -> list[str]:
    """A backup in a few lines.

    Args:
        backup: the backup.
        paint: gives colour; none by default.
    """
    size = "" if backup.bytes is None else f", {about(backup.bytes)}"
    took = duration(round((backup.ended - backup.started).total_seconds() * 1000))
    extent = "all tables" if backup.tables is None else _names(backup.tables)
    words = {"command": "its command vouches for it", "damaged": "DAMAGED: it does not count as a backup"}
    how = words.get(backup.verified, f"verified: {backup.verified}")
    lines = [
        f"{paint(one_line(backup.id), 'strong')}  {one_line(backup.method)}{size}, {took}, {how}",
        f"  of {one_line(backup.database)} ({one_line(backup.environment)}), {moment(backup.started)}, {extent}",
        f"  at {one_line(redact(backup.place))}",
    ]
    if backup.heads:
        lines.append(f"  revisions {', '.join(map(one_line, backup.heads))}")
    if backup.run_id is not None:
        lines.append(f"  taken for run {backup.run_id}")
    return lines + [f"  holds {_risk(each)}" for each in backup.at_risk[:MOST]]


def backup_text(backup: Backup, paint: Paint = plain) -> str:
    """One backup that was taken, or looked at."""
    return "\n".join(backup_lines(backup, paint)) + "\n"


def backup_json(backup: Backup) -> str:
    """The same as one JSON object."""
    return result_document({"backup": plain_value(backup)})


def backups_text(listed: Sequence[Any], environment: str, paint: Paint = plain) -> str:
    """The backups of an environment, the newest first.

    Args:
        listed: each with whether it is there.
        environment: the profile.
        paint: gives colour; none by default.

    Example:
        >>> backups_text((), "prod")
        'There is no backup of prod yet.\\n'
    """
    if not listed:
        return f"There is no backup of {one_line(environment)} yet.\n"
    blocks = []
    for each in listed:
        lines = backup_lines(each.backup, paint)
        if each.backup.removed is not None:
            lines.append(f"  {paint('removed', 'dim')} {moment(each.backup.removed)}: newer ones were to be kept")
        elif not each.is_there:
            lines.append(f"  {paint('not on this machine', 'warn')}: it was taken on {one_line(each.backup.host)}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def backups_json(listed: Sequence[Any]) -> str:
    """The same as one JSON object."""
    return result_document({"backups": [{**plain_value(each.backup), "is_there": each.is_there} for each in listed]})


def planned_lines(plan: Plan, paint: Paint = plain) -> list[str]:
    """What a plan says of backups.

    Args:
        plan: the plan.
        paint: gives colour; none by default.
    """
    planned = plan.backup
    if planned is None:
        return []
    lines = _demanded(planned, paint)
    for held in planned.held:
        what = ", ".join(_risk(each) for each in held.holds[:MOST])
        lines += [
            f"Backup   {one_line(held.id)} of {moment(held.started)} holds what applying {one_line(held.revision)} "
            f"lost: {what}",
            "         bring it back afterwards: "
            + (f"from {one_line(redact(held.place))}" if held.command is None else one_line(held.command)),
        ]
    return lines


def backup_words(planned: PlannedBackup | None) -> tuple[str, str] | None:
    """The backup that a run must have first, in a word and a sentence; None where it need not have one.

    Args:
        planned: what the plan says of backups.

    Example:
        >>> from erm_alembic.planning.backups import PlannedBackup
        >>> backup_words(PlannedBackup(True, "every", "pg_dump", estimated_bytes=2048))
        ('is taken first', 'pg_dump, all tables, up to 2.0 kB')
    """
    if planned is None or not planned.demanded:
        return None
    if planned.fresh is not None:
        return "is there", f"{one_line(planned.fresh)} is fresh enough"
    if planned.method == "none":
        return "is not taken", "backup.method is none"
    extent = "all tables" if planned.tables is None else _names(planned.tables)
    size = "" if planned.estimated_bytes is None else f", up to {about(planned.estimated_bytes)}"
    return "is taken first", f"{one_line(planned.method)}, {extent}{size}"


def _demanded(planned: PlannedBackup, paint: Paint) -> list[str]:
    words = backup_words(planned)
    if words is None:
        return []
    word, more = words
    lines = [f"Backup   {paint(word, 'warn') if word == 'is not taken' else word}: {more}"]
    lines += [f"         {paint(one_line(note), 'warn')}" for note in planned.notes]
    if planned.at_risk:
        lines.append(f"         at risk: {', '.join(_risk(each) for each in planned.at_risk[:MOST])}")
    if planned.command is not None:
        lines.append(f"         bring back what this loses: {one_line(planned.command)}")
    return lines


def _risk(risk: LostObject) -> str:
    name = risk.table if risk.table is not None else f"`{risk.object} ...`"
    return clip(one_line(name + (f".{risk.column}" if risk.column is not None else "")), 100)


def _names(tables: Sequence[str]) -> str:
    shown = ", ".join(clip(one_line(each), 60) for each in tables[:3])
    return f"{counted(len(tables), 'table')}: {shown}{' ...' if len(tables) > 3 else ''}"
