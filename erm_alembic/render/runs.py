"""The ledger's runs, as text and as JSON (`erm history`)."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING

from erm_alembic.config.redaction import redact
from erm_alembic.render.json import plain_value, result_document
from erm_alembic.render.safe import Paint, block, one_line, plain
from erm_alembic.render.words import counted, duration

if TYPE_CHECKING:
    from erm_alembic.ledger.hooks import HookRecord
    from erm_alembic.ledger.model import History, RevisionRecord, RunRecord
    from erm_alembic.ledger.smoke import SmokeRun

__all__ = ["history_json", "history_text", "moment", "override_lines", "run_headline"]


def moment(when: datetime) -> str:
    """A time in UTC, so that two people in two places read the same."""
    moment = when if when.tzinfo is None else when.astimezone(UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S") + (" UTC" if when.tzinfo is not None else "")


def _ending(run: RunRecord) -> tuple[str, str]:
    """How a run ended, and the role of its colour; a run without an end was cut off."""
    if run.outcome is None:
        return "did not end", "warn"
    return one_line(run.outcome), "good" if run.outcome in ("done", "nothing-to-do") else "bad"


def run_headline(run: RunRecord, paint: Paint, ending: tuple[str, str] | None = None) -> str:
    """A run on one line.

    Args:
        run: the run.
        paint: gives colour.
        ending: how it ended and the role of its colour, where more is known of that than the ledger has.
    """
    word, role = ending or _ending(run)
    return f"run {run.id}  {moment(run.started_at)}  {one_line(run.mode)} {paint(word, role)}  {_by_whom(run)}"


def _by_whom(run: RunRecord | SmokeRun) -> str:
    who = f"{one_line(run.who)}@{one_line(run.host)}"
    commit = f", commit {one_line(run.git_commit)[:12]}" if run.git_commit else ""
    return f"{one_line(run.environment)}, {who}, erm {one_line(run.erm_version)}{commit}"


def _smoke_lines(run: SmokeRun, paint: Paint) -> list[str]:
    where = f" on {one_line(run.replica)}" if run.replica else ""
    word = paint(one_line(run.outcome), "good" if run.outcome == "passed" else "bad")
    counts = [f"{run.passed} passed", *([f"{run.failed} failed"] if run.failed else [])]
    counts += [f"{run.skipped} skipped"] if run.skipped else []
    counts += [f"{counted(run.escapes, 'escape')} refused"] if run.escapes else []
    took = duration(round((run.finished_at - run.started_at).total_seconds() * 1000))
    return [
        f"smoke {run.id}  {moment(run.started_at)}  smoke tests{where} {word}  {_by_whom(run)}",
        f"  {', '.join(counts)}  ({took})",
    ]


def _revision_line(record: RevisionRecord) -> str:
    arrow = "down" if record.direction == "downgrade" else "up"
    took = duration(record.duration_ms) if record.duration_ms is not None else "did not end"
    facts = f"{took}, {counted(record.statements or 0, 'statement')}"
    ending = one_line(record.outcome or "did not end")
    line = f"  {arrow:<4}  {one_line(record.revision)}  {one_line(record.message or '')}".rstrip()
    return f"{line}  ({ending}, {facts})"


def override_lines(run: RunRecord, paint: Paint) -> list[str]:
    """The rules that were let pass in a run, or what a repair did and why, a line each."""
    word = "reason" if run.mode in ("repair", "restore") else "overridden"
    return [f"  {paint(word, 'warn')}  {one_line(redact(override))}" for override in run.overrides]


def _plan_lines(run: RunRecord) -> list[str]:
    """The approved plan that a run carried out."""
    if run.approved is None:
        return []
    signed = f", signed by {one_line(run.approved.signed_by)}" if run.approved.signed_by else ""
    return [f"  plan  {one_line(run.approved.digest)}{signed}"]


def _backup_lines(run: RunRecord) -> list[str]:
    """The backups that stood behind a run."""
    return [
        f"  backup  {one_line(each.id)}  {one_line(each.method)}, {one_line(each.place)}"
        + ("" if each.taken else "  (there already)")
        for each in run.backups
    ]


def _hook_lines(hook: HookRecord) -> list[str]:
    about = f" {one_line(hook.revision)}" if hook.revision else ""
    status = "" if hook.exit_status in (None, 0) else f" {hook.exit_status}"
    facts = f"({one_line(hook.outcome)}{status}, {duration(hook.duration_ms)})"
    output = block(redact(hook.output).rstrip()) if hook.output.strip() else []
    return [f"  hook  {one_line(hook.event)}{about}  {one_line(redact(hook.command))}  {facts}"] + [
        f"        | {line}".rstrip() for line in output
    ]


def _run_lines(run: RunRecord, verbose: bool, paint: Paint) -> list[str]:
    lines = [run_headline(run, paint), *_plan_lines(run), *_backup_lines(run), *override_lines(run, paint)]
    for record in run.revisions:
        lines.append(_revision_line(record))
        if record.error:
            lines.append(f"        {one_line(redact(record.error))}")
    if run.error and not any(record.error for record in run.revisions):
        lines += [f"  {line}" for line in block(redact(run.error))]
    for hook in run.hooks if verbose else ():
        lines += _hook_lines(hook)
    return lines


def history_text(found: History, *, verbose: bool = False, paint: Paint = plain) -> str:
    """What the ledger says was run, latest first.

    Args:
        found: the runs, and the smoke tests.
        verbose: show the team's own commands too, with what they wrote.
        paint: gives colour; none by default.

    Example:
        >>> from erm_alembic.ledger.model import History
        >>> history_text(History())
        'The ledger has no run of this database yet.\\n'
    """
    told = [(run.started_at, _run_lines(run, verbose, paint)) for run in found.runs]
    told += [(run.started_at, _smoke_lines(run, paint)) for run in found.smoke]
    if not told:
        return "The ledger has no run of this database yet.\n"
    told.sort(key=itemgetter(0), reverse=True)
    return "\n\n".join("\n".join(lines) for _, lines in told) + "\n"


def history_json(found: History) -> str:
    """What the ledger says was run, as one JSON object."""
    return result_document({"runs": plain_value(found.runs), "smoke": plain_value(found.smoke)})
