"""A plan, and how it ended, as text: what an engineer reads in ten seconds before typing the next command."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import replace
from itertools import groupby

from erm_alembic.findings import NOT_KEPT_RULE, Finding, blocking
from erm_alembic.planning.model import DataLoss, Outcome, Plan
from erm_alembic.render.backups import planned_lines
from erm_alembic.render.break_glass import DATA_LOSS, DATA_LOSS_FLAG, OVER_AGAIN, objecting, override_section, pass_once
from erm_alembic.render.findings import finding_lines, finding_report, ignored_lines
from erm_alembic.render.outcome import done_meanwhile, outcome_lines
from erm_alembic.render.presentation import Presentation, Typed
from erm_alembic.render.rehearsal import rehearsal_lines
from erm_alembic.render.safe import Paint, clip, no_command, one_line, plain
from erm_alembic.render.steps import step_lines
from erm_alembic.render.summary import NOBODY, Summary, undo_words
from erm_alembic.render.words import counted, revisions, target_line

__all__ = ["Typed", "next_command", "render_text", "report", "run_command"]

SHORT = 100
HALF_DONE = "half-done-revision"
# How many findings of one rule, and how many differences, are read in ten seconds.
MOST_OF = {"error": 10, "warning": 5, "info": 5}
MOST_DRIFT = 12


NOTHING_TYPED = Typed()


def next_command(plan: Plan, mode: str, arguments: tuple[str, ...] = ()) -> str:
    """What to type to do something with the plan's environment.

    Args:
        plan: the plan.
        mode: `plan`, `apply` or `rollback`.
        arguments: what else was typed and is to be typed again, such as `--to` and its revision.

    Example:
        >>> next_command(Plan("prod", "", "", "upgrade", (), (), ()), "apply")
        'erm migrate --env prod'
    """
    words = ["erm", "migrate", *(() if mode == "apply" else ("--mode", mode)), "--env", plan.environment, *arguments]
    return shlex.join([one_line(word) for word in words])


def run_command(plan: Plan, typed: Typed) -> str:
    """What to type to run a plan to which nothing objects.

    Args:
        plan: the plan.
        typed: what was typed and is to be typed again.
    """
    kept = "--plan" in typed.arguments
    flag = ("--allow-data-loss",) if not kept and any(loss.rows != 0 for loss in plan.data_loss) else ()
    return next_command(plan, plan.mode, (*typed.arguments, *flag))


def _target(plan: Plan, paint: Paint) -> str:
    return target_line(plan.environment, plan.database_url, plan.server_version, paint)


def _header(plan: Plan, paint: Paint) -> list[str]:
    return [
        _target(plan, paint),
        f"Current  {revisions(plan.current, 'none: no revision is recorded')}",
        f"Heads    {revisions(plan.heads, 'none: the project has no revisions')}",
        *rehearsal_lines(plan),
        *_summary(plan, paint),
        *planned_lines(plan, paint),
    ]


def _summary(plan: Plan, paint: Paint) -> list[str]:
    """Whom the plan blocks, for how long, and whether there is a way back: the rest is for who wants to know more."""
    found = Summary.of(plan)
    lines = []
    if found.blocks is not None:
        lines.append(f"Blocks   {paint(one_line(found.blocks), 'good' if found.blocks == NOBODY else 'warn')}")
    if found.takes is not None:
        lines.append(f"Takes    {one_line(found.takes)}")
    if found.undo is not None:
        able = all(undo_words(step) is None for step in plan.steps)
        lines.append(f"Undo     {paint(one_line(found.undo), 'dim' if able else 'warn')}")
    return lines


def _why(plan: Plan) -> str:
    return one_line(plan.cannot_run or "")


def _nothing_pending(plan: Plan) -> str:
    if plan.direction == "upgrade":
        return "Nothing to apply: the database is at its target."
    return "Nothing to roll back: " + ("the database is at its target." if plan.current else "no revision is applied.")


def _pending(plan: Plan, statements: bool, verbose: bool, paint: Paint) -> list[str]:
    going_down = plan.direction == "downgrade"
    if not plan.steps and plan.cannot_run is not None:
        return ["", f"What there is to {'roll back' if going_down else 'apply'} cannot be told: {_why(plan)}."]
    if plan.up_to_date:
        return [
            "",
            _nothing_pending(plan),
        ]
    title = f"{counted(len(plan.steps), 'revision')} to {'roll back' if going_down else 'apply'}:"
    return ["", title, *step_lines(plan.steps, statements=statements, verbose=verbose, paint=paint)]


def _findings(plan: Plan, verbose: bool, paint: Paint) -> list[str]:
    lines = ["", "Findings:"] if plan.findings else []
    shown, hidden = _worth_reading(plan.findings, verbose)
    for (rule, *_), same in groupby(shown, key=lambda each: (each.rule, each.severity, each.help, each.overridden)):
        *several, last = same  # what they all say to do stands below the last of them
        lines += [line for each in several for line in finding_lines(replace(each, help=""), paint)]
        lines += finding_lines(last, paint)
        if hidden[rule] and last is next(each for each in reversed(shown) if each.rule == rule):
            lines.append(f"    ... and {hidden[rule]:,} more of {one_line(rule)}: -v shows all")
    return [*lines, *(["", *ignored_lines(plan.ignored)] if plan.ignored else [])]


def _worth_reading(findings: tuple[Finding, ...], verbose: bool) -> tuple[list[Finding], Counter[str]]:
    """The first few findings of each rule, all of them with `verbose`; and how many there are besides, by rule."""
    seen: Counter[tuple[str, str]] = Counter()
    hidden: Counter[str] = Counter()
    shown = []
    for each in findings:
        seen[each.rule, each.severity] += 1
        if verbose or seen[each.rule, each.severity] <= MOST_OF[each.severity]:
            shown.append(each)
        else:
            hidden[each.rule] += 1
    return shown, hidden


def _drift(plan: Plan, verbose: bool, paint: Paint) -> list[str]:
    lines = ["", "Drift:"] if plan.drift else []
    for item in plan.drift if verbose else plan.drift[:MOST_DRIFT]:
        path = f"  {one_line(item.path)}" if item.path else ""
        path += "  (a pending revision takes it over)" if item.adopted else ""
        lines += [
            f"  {paint(one_line(item.kind), 'warn')} {one_line(item.object)}  (seen in {item.source}){path}",
            f"    expected: {one_line(item.expected)}",
            f"    found:    {one_line(item.found)}",
        ]
    if not verbose and len(plan.drift) > MOST_DRIFT:
        command = shlex.join([one_line(word) for word in ("erm", "drift", "--env", plan.environment)])
        lines.append(f"  ... and {len(plan.drift) - MOST_DRIFT:,} more: -v, or {command}, shows all")
    if plan.left_out:
        left = counted(sum(each.count for each in plan.left_out), "difference")
        items = ", ".join(f"{one_line(each.item)} ({each.count})" for each in plan.left_out)
        lines += ["", f"Of drift, {left} {'is' if left.startswith('1 ') else 'are'} left out: {items}."]
    return lines


def _loss(loss: DataLoss) -> str:
    unit = "value" if loss.kind in ("column", "rewrite") else "row"
    amount = "unknown" if loss.rows is None else counted(loss.rows, unit)
    now = "" if loss.now is None else f" (now {clip(one_line(loss.now), SHORT)})"
    where = f"line {loss.line} of {one_line(loss.revision)}" if loss.line is not None else one_line(loss.revision)
    return f"  {loss.kind} {clip(one_line(loss.object), SHORT)}{now}: {amount}  ({where})"


def _data_loss(plan: Plan) -> list[str]:
    """What is there to be lost, where the findings do not say it already."""
    if any(finding.rule == DATA_LOSS for finding in plan.findings):
        return []
    losses = [loss for loss in plan.data_loss if loss.rows != 0]
    return ["", "Data that would be lost:", *map(_loss, losses)] if losses else []


def _looked_again(plan: Plan, typed: Typed) -> str:
    """What to type to look at the same plan again."""
    if "--out" in typed.arguments:
        kept = pass_once(replace(plan, findings=()))
        return next_command(plan, _looking(plan), (*typed.looking, *typed.arguments, *kept))
    check = ("--check",) if plan.direction == "downgrade" else ()
    return next_command(plan, _looking(plan), (*check, *typed.looking, *typed.arguments))


def _looking(plan: Plan) -> str:
    return "rollback" if plan.direction == "downgrade" else "plan"


def _blocked(plan: Plan, typed: Typed, paint: Paint) -> list[str]:
    """Why the plan would be refused, and what to type to look again."""
    again = _looked_again(plan, typed)
    errors = sum(finding.severity == "error" for finding in plan.findings)
    if not errors:
        return [paint(f"Blocked: {plan.mode} cannot run this plan: {_why(plan)}.", "bad"), f"Do that, then: {again}"]
    verdict = paint(f"Blocked by {counted(errors, 'error')}: {plan.mode} would refuse this plan.", "bad")
    return [verdict, f"Do what the help lines say, then: {again}", *_way_out(plan, typed)]


def _way_out(plan: Plan, typed: Typed) -> list[str]:
    """What lets everything pass that objects, in one command; or why nothing does."""
    if plan.cannot_run is not None:
        return [f"No override lets it pass: {_why(plan)}."]
    if "--plan" in typed.arguments:
        return [f"An approved plan lets nothing more pass ({objecting(plan)}): plan again, with --override."]
    if any(finding.rule == NOT_KEPT_RULE for finding in blocking(plan.findings)):
        return []  # it is no rule of erm.yaml; its help line has the option
    if over_again := OVER_AGAIN & {finding.rule for finding in blocking(plan.findings)}:
        rules = ", ".join(sorted(over_again))
        return [f"No command that lets {rules} pass is shown: apply would run again what has run."]
    kept = "--out" in typed.arguments  # it is planned again then, to be kept with what may pass
    words = (*typed.looking, *typed.arguments) if kept else typed.arguments
    command = next_command(plan, _looking(plan) if kept else plan.mode, (*words, *pass_once(plan)))
    words = pass_once(plan)
    reason = ", with your reason on record" if "--reason" in words else ""
    if not reason and DATA_LOSS_FLAG in words:
        reason = "; with --reason TEXT the ledger keeps why"
    return [f"Or let it pass this once ({objecting(plan)}){reason}:", f"  {command}"]


def _refused(plan: Plan, typed: Typed) -> list[str]:
    return ["", "Do what the help lines say.", *_way_out(plan, typed)]


def _verdict(plan: Plan, typed: Typed, paint: Paint) -> list[str]:
    """The last word on a plan that was only computed, and what to type next."""
    exempted = (
        [f"safety.downgrades_since exempts {counted(plan.exempted, 'revision')} without a downgrade."]
        if plan.exempted
        else []
    )
    if plan.blocked:
        return ["", *exempted, *_blocked(plan, typed, paint)]
    if plan.up_to_date:
        return ["", *exempted, paint("Nothing objects.", "good")]
    return [
        "",
        *exempted,
        paint("Nothing objects. Nothing was changed.", "good"),
        f"To run it: {run_command(plan, typed)}",
    ]


def render_text(
    plan: Plan,
    outcome: Outcome | None = None,
    *,
    verbose: bool = False,
    typed: Typed = NOTHING_TYPED,
    watched: bool = False,
    paint: Paint = plain,
) -> str:
    """The plan as text, followed by how it ended.

    Args:
        plan: the plan.
        outcome: how its apply or rollback ended; None shows the verdict and what to type next instead.
            With the outcome of a run, the plan itself is left out unless `verbose`.
        verbose: show whole statements rather than their start.
        typed: what was typed and belongs into the next command too.
        watched: whether the target and the steps that are done were told above already, while they ran.
        paint: gives colour; none by default.

    Example:
        >>> plan = Plan("dev", "postgresql://localhost/app", "15.18", "upgrade", (), (), ())
        >>> render_text(plan).splitlines()[-1]
        'Nothing objects.'
    """
    if outcome is not None and outcome.result != "refused" and not verbose:
        # What was pending is told by its outcome, a line a revision.
        watched = watched and bool(outcome.steps)
        if done_meanwhile(plan, outcome):  # with what was half done when it was planned
            plan = replace(plan, findings=tuple(each for each in plan.findings if each.rule != HALF_DONE))
        done = [
            *([] if watched else [_target(plan, paint)]),
            *_findings(plan, verbose, paint),
            *override_section(plan, paint),
            "",
            *outcome_lines(plan, outcome, paint, watched=watched),
        ]
        return "\n".join(map(no_command, done)) + "\n"
    lines = [
        *_header(plan, paint),
        *_pending(plan, outcome is None or verbose, verbose, paint),
        *_drift(plan, verbose, paint),
        *_findings(plan, verbose, paint),
        *override_section(plan, paint),
        *_data_loss(plan),
        *(_verdict(plan, typed, paint) if outcome is None else ["", *outcome_lines(plan, outcome, paint)]),
        *(_refused(plan, typed) if outcome is not None and outcome.result == "refused" else ()),
    ]
    return "\n".join(map(no_command, lines)) + "\n"


def report(plan: Plan | None, findings: tuple[Finding, ...], outcome: Outcome | None, how: Presentation) -> str:
    """A plan for a terminal, or findings by themselves.

    Args:
        plan: the plan, or None.
        findings: what the checks say.
        outcome: how its apply or rollback ended, or None.
        how: how to show it.
    """
    if plan is None:
        return "".join(f"{line}\n" for finding in findings for line in finding_report(finding, how.paint))
    return render_text(plan, outcome, verbose=how.verbose, typed=how.typed, watched=how.watched, paint=how.paint)
