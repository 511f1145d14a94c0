"""What is half done and the ways out of it, and how a repair ended, as text and as JSON (`erm repair`)."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from erm_alembic.config.redaction import redact
from erm_alembic.postgres.text.literals import without_literals
from erm_alembic.postgres.text.passwords import without_passwords
from erm_alembic.render.json import plain_value, result_document
from erm_alembic.render.outcome import effect_and_cure
from erm_alembic.render.safe import Paint, block, clip, one_line, plain
from erm_alembic.render.status import half_done_facts
from erm_alembic.render.words import counted, duration, revisions, target_line

if TYPE_CHECKING:
    from erm_alembic.ledger.progress import DoneStatement
    from erm_alembic.planning.damages import Damage, Exit, Mended
    from erm_alembic.planning.model import DataLoss, Statement
    from erm_alembic.planning.reports import HalfDoneReport, Repaired
    from erm_alembic.planning.ways import Action, Way, Ways

__all__ = [
    "damage_text",
    "mended_json",
    "mended_text",
    "repaired_json",
    "repaired_text",
    "report_json",
    "report_text",
    "way_text",
]

SHORT = 100
PURPOSES: dict[tuple[Action, str], str] = {
    ("resume", "upgrade"): "apply goes on with it",
    ("resume", "downgrade"): "rollback goes on with it",
    ("mark-done", "upgrade"): "it was finished by hand: records it as applied, and sends nothing of it",
    ("mark-done", "downgrade"): "it was finished by hand: records it as rolled back, and sends nothing of it",
    ("take-back", "upgrade"): "runs its downgrade(), and passes over what is not there",
    ("take-back", "downgrade"): "runs its upgrade()",
    (
        "forget",
        "upgrade",
    ): "it was undone by hand: removes the ledger's notes, and the next apply runs it from its start",
    ("forget", "downgrade"): "it was undone by hand: removes the ledger's notes, and it counts as applied",
}
DONE: dict[Action, str] = {
    "resume": "is finished",
    "mark-done": "is marked as done",
    "take-back": "is taken back",
    "forget": "has no notes in the ledger any more",
}


def report_text(
    report: HalfDoneReport,
    *,
    damages: tuple[Damage, ...] = (),
    verbose: bool = False,
    arguments: tuple[str, ...] = (),
    paint: Paint = plain,
) -> str:
    """What is half done, and what each way out of it would do.

    Args:
        report: the facts.
        damages: what else is damaged.
        verbose: show whole statements rather than their start.
        arguments: what was typed and belongs into the next command too, such as `-x`.
        paint: gives colour; none by default.
    """
    lines = [target_line(report.environment, report.database_url, report.server_version, paint)]
    for damage in damages:
        lines += ["", *_damage(damage, (report.environment, *arguments), paint)]
    if not report.revisions:
        return "\n".join([*lines, "", paint("No revision is half done.", "good")]) + "\n"
    for ways in report.revisions:
        lines += ["", *_heading(ways, paint), "", "  Done, and committed:"]
        lines += [f"  {line}" for line in _committed(ways.found.statements)]
        for way in ways.ways:
            lines += ["", *_way(ways, way, (report.environment, *arguments), verbose, paint)]
    return "\n".join(lines) + "\n"


def damage_text(damage: Damage, exit_: Exit, environment: str, paint: Paint = plain) -> str:
    """One damage, and the one way out that is to be gone.

    Args:
        damage: the damage.
        exit_: the way.
        environment: the profile.
        paint: gives colour; none by default.
    """
    return "\n".join([*_told(damage, paint), f"  --do {exit_.name}  {one_line(exit_.does)}"]) + "\n"


def _told(damage: Damage, paint: Paint) -> list[str]:
    first, *rest = block(redact(damage.found))
    return [f"{paint(damage.kind, 'bad')}  {first}", *(f"  {line}" for line in (*rest, *block(damage.follows)))]


def _damage(damage: Damage, typed: tuple[str, ...], paint: Paint) -> list[str]:
    lines = _told(damage, paint)
    for each in damage.exits:
        words = ["erm", "repair", damage.object, "--do", each.name]
        words += [word for need in each.needs for word in (f"--{need}", "REV" if need == "to" else "TEXT")]
        command = shlex.join(map(one_line, [*words, "--env", *typed]))
        lines += [f"  {paint(command, 'strong')}", f"      {one_line(each.does)}"]
    return lines


def mended_text(mended: Mended, paint: Paint = plain) -> str:
    """What was done about a damage.

    Args:
        mended: what was done.
        paint: gives colour; none by default.
    """
    run = "" if mended.run_id is None else f" (run {mended.run_id})"
    return paint(f"{one_line(redact(mended.done))}{run}", "good") + "\n"


def mended_json(mended: Mended) -> str:
    """What was done about a damage as one JSON object.

    Args:
        mended: what was done.
    """
    return result_document(
        {
            "action": mended.exit.name,
            "damage": plain_value(mended.damage),
            "done": redact(mended.done),
            "run": mended.run_id,
        }
    )


def way_text(ways: Ways, way: Way, words: tuple[str, ...], *, verbose: bool = False, paint: Paint = plain) -> str:
    """One way alone: what is shown before it is gone.

    Args:
        ways: the half-done revision.
        way: the way.
        words: the profile, and what else was typed and belongs into the command.
        verbose: show whole statements rather than their start.
        paint: gives colour; none by default.
    """
    lines = [*_heading(ways, paint), "", *_way(ways, way, words, verbose, paint)]
    return "\n".join(lines) + "\n"


def _heading(ways: Ways, paint: Paint) -> list[str]:
    if not ways.superseded:
        return half_done_facts(ways.half_done, paint)
    half = ways.half_done
    since = "recorded it" if half.direction == "upgrade" else "taken it back"
    return [
        f"Revision {one_line(half.revision)} was half done by run {half.run_id}, and Alembic has {since} since: "
        "only the ledger's notes are left, and the next run forgets them."
    ]


def _committed(statements: tuple[DoneStatement, ...]) -> list[str]:
    shown = [(each.line, each.sql) for each in statements if each.state == "done"]
    return [_statement(line, sql) for line, sql in shown] or ["          nothing"]


def _statement(line: int | None, sql: str) -> str:
    return f"  {'-' if line is None else line:>5}  {clip(one_line(sql), SHORT)}"


def _way(ways: Ways, way: Way, typed: tuple[str, ...], verbose: bool, paint: Paint) -> list[str]:
    half = ways.half_done
    if way.closed is not None:
        return [f"  {paint(f'--{way.action}', 'dim')} is closed: {one_line(way.closed)}."]
    words = ["erm", "repair", half.revision, f"--{way.action}", "--env", *typed]
    words += ["--reason", "TEXT"] if way.action in ("mark-done", "forget") else []
    words += ["--allow-data-loss"] if any(loss.rows != 0 for loss in way.data_loss) else []
    lines = [
        f"  {paint(shlex.join(one_line(word) for word in words), 'strong')}",
        f"    {PURPOSES[way.action, half.direction]}{':' if way.statements else '.'}",
    ]
    for statement in way.statements:
        lines += _to_send(statement, verbose)
    if way.action == "mark-done":
        lines += _assumed(ways.way("resume"), verbose)
    if way.step is not None and way.step.rendered == "partial":
        lines.append(f"    {paint('not complete:', 'warn')} {one_line(way.step.reason or '')}")
    lines += [f"    {paint('loses', 'bad')} {_loss(loss)}" for loss in way.data_loss if loss.rows != 0]
    return lines


def _assumed(resume: Way, verbose: bool) -> list[str]:
    """What is left of the revision, for whoever says that it was done by hand."""
    if not resume.statements:
        return []
    partial = resume.step is not None and resume.step.rendered == "partial"
    lines = [f"    Assumed to be done{', as far as it is known' if partial else ''}:"]
    for statement in resume.statements:
        lines += _to_send(statement, verbose)
    return lines


def _to_send(statement: Statement, verbose: bool) -> list[str]:
    if not verbose:
        return [f"  {_statement(statement.line, without_literals(statement.sql))}"]
    first, *rest = block(without_passwords(statement.sql).strip())
    place = "-" if statement.line is None else str(statement.line)
    return [f"    {place:>5}  {first}", *(f"{'':>11}{line}".rstrip() for line in rest)]


def _loss(loss: DataLoss) -> str:
    unit = "value" if loss.kind == "column" else "row"
    amount = f"an unknown number of {unit}s" if loss.rows is None else counted(loss.rows, unit)
    return f"{amount} of {loss.kind} {clip(one_line(loss.object), SHORT)}"


def repaired_text(repaired: Repaired, *, paint: Paint = plain) -> str:
    """How a repair ended.

    Args:
        repaired: the facts.
        paint: gives colour; none by default.
    """
    outcome, revision = repaired.outcome, one_line(repaired.half_done.revision)
    took = f"in {duration(outcome.duration_ms)}, run {outcome.run_id} in the ledger"
    if outcome.result == "done":
        lines = [paint(f"Done: revision {revision} {DONE[repaired.action]} ({took}).", "good")]
    else:
        word = "Interrupted" if outcome.result == "interrupted" else "Failed"
        lines = [paint(f"{word}: revision {revision} is half done yet ({took}).", "bad")]
        lines += [f"  {line}" for line in block(redact(outcome.error or ""))]
    lines += [f"  passed over  {one_line(redact(each))}" for each in repaired.passed_over]
    lines += effect_and_cure(outcome, paint)
    where = revisions(outcome.current, "base: no revision is recorded")
    return "\n".join([*lines, f"The database is now at {where}."]) + "\n"


def report_json(report: HalfDoneReport, damages: tuple[Damage, ...] = ()) -> str:
    """What is half done or damaged as one JSON object; keys are added, never renamed."""
    return result_document(
        {
            "environment": report.environment,
            "database": {"url": report.database_url, "server_version": report.server_version},
            "half_done": [_ways_document(ways) for ways in report.revisions],
            "damages": plain_value(damages),
        }
    )


def repaired_json(repaired: Repaired) -> str:
    """How a repair ended as one JSON object."""
    return result_document(
        {
            "action": repaired.action,
            "half_done": plain_value(repaired.half_done),
            "passed_over": list(repaired.passed_over),
            "outcome": plain_value(repaired.outcome),
        }
    )


def _ways_document(ways: Ways) -> dict[str, Any]:
    members: dict[str, Any] = plain_value(ways.half_done)
    return {
        **members,
        "current": list(ways.current),
        "superseded": ways.superseded,
        "statements": [_done_document(each) for each in ways.found.statements],
        "ways": [
            {
                "action": way.action,
                "closed": way.closed,
                "statements": plain_value(way.statements),
                "partial": way.step.reason if way.step is not None else None,
                "data_loss": plain_value(way.data_loss),
            }
            for way in ways.ways
        ],
    }


def _done_document(statement: DoneStatement) -> dict[str, Any]:
    kept = ("line", "sql", "tag", "state", "rowcount", "at")
    return {name: plain_value(getattr(statement, name)) for name in kept}
