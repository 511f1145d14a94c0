"""The first screen: whether anything objects, what would run, who is blocked, and whether there is a way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from erm_alembic.config.redaction import redact
from erm_alembic.findings import blocking
from erm_alembic.planning.model import DataLoss, Outcome, Plan
from erm_alembic.render.backups import backup_words
from erm_alembic.render.html.markup import Child, Element, element
from erm_alembic.render.html.steps import is_undoable
from erm_alembic.render.html.words import BLOCKS, at_least, between, reach
from erm_alembic.render.outcome import headline
from erm_alembic.render.summary import blocking_estimate, is_open, undo_words
from erm_alembic.render.words import counted, duration, revisions
from erm_alembic.wording import first_few

__all__ = ["Verdict", "facts_of", "verdict_of", "verdict_section"]

Role = Literal["good", "warn", "bad"]
SIGNS: dict[Role, str] = {
    "good": "M5 12.5l4.5 4.5L19 7.5",
    "warn": "M12 6v7.5M12 17.5v.5",
    "bad": "M7 7l10 10M17 7L7 17",
}


@dataclass(frozen=True)
class Verdict:
    """The word on a plan, or on its run.

    Args:
        role: good news or bad.
        what: in a few words.
        more: what it comes from, and what it means.
    """

    role: Role
    what: str
    more: str = ""


def verdict_of(plan: Plan, outcome: Outcome | None) -> Verdict:
    """The word on a plan, or on how its run ended.

    Args:
        plan: the plan.
        outcome: how its run ended, or None.

    Example:
        >>> verdict_of(Plan("dev", "", "", "upgrade", (), (), ()), None).what
        'Nothing to apply'
    """
    objections = blocking(plan.findings)
    if outcome is not None and outcome.result != "refused":
        first, role = headline(plan, outcome)
        what, _, more = first.partition(": ")
        where = revisions(outcome.current, "base")
        known = "The database is now at" if outcome.current_known else "When it was last asked, the database was at"
        said = f"{more[:1].upper()}{more[1:]} {known} {where}." if more else f"{known} {where}."
        return Verdict("good" if role == "good" else "bad", what.rstrip("."), said)
    if plan.blocked:
        word = "Refused" if outcome is not None else "Blocked"
        if objections:
            rules = ", ".join(dict.fromkeys(each.rule for each in objections))
            tail = " Nothing was changed." if outcome is not None else ""
            return Verdict("bad", f"{word} by {counted(len(objections), 'finding')}", f"What objects: {rules}.{tail}")
        why = plan.cannot_run or ""
        return Verdict("bad", word, f"{why[:1].upper()}{why[1:]}.")
    warnings = sum(each.severity == "warning" for each in plan.findings)
    beside = f" {counted(warnings, 'warning')} to read." if warnings else ""
    if plan.up_to_date:
        verb = "apply" if plan.direction == "upgrade" else "roll back"
        return Verdict("good", f"Nothing to {verb}", f"The database is at its target.{beside}")
    verb = "applied" if plan.direction == "upgrade" else "rolled back"
    would = f"{counted(len(plan.steps), 'revision')} would be {verb}; nothing was changed."
    return Verdict("warn" if warnings else "good", "Nothing objects", f"{would}{beside}")


def verdict_section(verdict: Verdict) -> Element:
    """The verdict as the first thing that is seen.

    Args:
        verdict: the word.
    """
    sign = element(
        "svg",
        element("circle", cx=12, cy=12, r=12),
        element("path", d=SIGNS[verdict.role]),
        class_="sign",
        width=36,
        height=36,
        viewBox="0 0 24 24",
        aria_hidden="true",
    )
    return element(
        "div",
        sign,
        element("div", element("h2", verdict.what, id="verdict"), element("p", verdict.more)),
        class_=f"verdict {verdict.role}",
    )


def facts_of(plan: Plan, outcome: Outcome | None) -> Element:
    """The answers that one looks for first, as a list of terms.

    Args:
        plan: the plan.
        outcome: how its run ended, or None.
    """
    facts = [_what(plan, outcome)]
    if plan.steps:
        facts += [_blocked(plan), _took(outcome) if _ran(outcome) else _takes(plan), _back(plan)]
        facts += _backup(plan, outcome)
    facts.append(_current(plan, outcome))
    return element("dl", facts, class_="facts")


def _current(plan: Plan, outcome: Outcome | None) -> Element:
    current = plan.current if outcome is None else outcome.current
    heads = f"head: {first_few(plan.heads, 2)}" if plan.heads else "the project has no revisions"
    return _fact("Current revision", first_few(current, 2) if current else "none", heads)


def _ran(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.result not in ("refused", "nothing-to-do")


def _fact(term: str, value: str, more: Child = None, kind: str = "") -> Element:
    return element(
        "div",
        element("dt", term),
        element("dd", element("strong", value), element("span", more) if more else None),
        class_=f"fact {kind}".strip(),
    )


def _what(plan: Plan, outcome: Outcome | None) -> Element:
    if _ran(outcome) and outcome is not None:
        done = sum(step.outcome == "done" for step in outcome.steps)
        verb = "Applied" if plan.direction == "upgrade" else "Rolled back"
        return _fact(verb, f"{done} of {counted(len(plan.steps), 'revision')}", _statements(plan))
    term = "To apply" if plan.direction == "upgrade" else "To roll back"
    return _fact(term, counted(len(plan.steps), "revision"), _statements(plan) if plan.steps else None)


def _statements(plan: Plan) -> str:
    return counted(sum(len(step.statements) for step in plan.steps), "statement")


def _blocked(plan: Plan) -> Element:
    if not any(each.estimate for step in plan.steps for each in step.statements):
        return _fact("Blocks", "not known", "not rehearsed", "warn")
    found = [(step, each) for step in plan.steps if (each := blocking_estimate(step)) is not None]
    unsure = any(map(is_open, plan.steps))
    if not found and unsure:
        return _fact("Blocks", "not known", "not all of it was rehearsed", "warn")
    if not found:
        return _fact("Blocks", "nobody", "no table that is there", "good")
    step, worst = max(found, key=lambda pair: (reach(pair[1])[0], is_open(pair[0]), reach(pair[1])))
    long = worst.high_ms is None or worst.high_ms >= 1000 or is_open(step)
    lasting = at_least(worst.low_ms) if is_open(step) else between(worst.low_ms, worst.high_ms)
    told = f"{lasting}, {first_few(worst.relations, 1)}"
    return _fact("Blocks", BLOCKS[worst.blocks], told, "warn" if long else "")


def _takes(plan: Plan) -> Element:
    predicted = [None if is_open(step) else step.predicted for step in plan.steps]
    known = [each for each in predicted if each is not None]
    if len(known) < len(predicted) or not known:
        return _fact("Takes", "not known", "not all of it was rehearsed" if known else "not rehearsed")
    highs = [each.high_ms for each in known]
    high = None if any(each is None for each in highs) else sum(each or 0 for each in highs)
    return _fact("Takes", between(sum(each.low_ms for each in known), high), "waiting for locks left out")


def _took(outcome: Outcome | None) -> Element:
    assert outcome is not None
    run = f"run {outcome.run_id} in the ledger" if outcome.run_id is not None else None
    return _fact("Took", duration(outcome.duration_ms), run)


def _back(plan: Plan) -> Element:
    if plan.direction == "downgrade":
        return _losses([loss for loss in plan.data_loss if loss.rows != 0])
    stuck = [step for step in plan.steps if undo_words(step) is not None]
    lossy = [step for step in plan.steps if step not in stuck and not is_undoable(step)]
    if stuck:
        able = len(plan.steps) - len(stuck)
        return _fact("Way back", "not for all" if able else "no", f"{able} of {len(plan.steps)}", "warn")
    if lossy:
        return _fact("Way back", "with loss", f"{len(plan.steps) - len(lossy)} of {len(plan.steps)} without", "warn")
    proven = all(step.proof is not None for step in plan.steps)
    return _fact(
        "Way back", "yes", "proven by running it" if proven else "not all of it tried", "good" if proven else ""
    )


def _backup(plan: Plan, outcome: Outcome | None) -> list[Element]:
    if outcome is not None and outcome.backup is not None:
        return [_fact("Backup", outcome.backup.id, redact(outcome.backup.place), "good")]
    words = backup_words(plan.backup)
    return [] if words is None else [_fact("Backup", *words, "warn" if words[0] == "is not taken" else "")]


def _losses(lost: list[DataLoss]) -> Element:
    if not lost:
        return _fact("Loses", "nothing", "no rows, no values", "good")
    known = [loss.rows for loss in lost if loss.rows is not None]
    unsure = "" if len(known) == len(lost) else "at least "
    amount = f"{unsure}{sum(known):,}" if known else "an unknown number of"
    return _fact("Loses", f"{amount} rows or values", f"of {first_few([loss.object for loss in lost], 1)}", "warn")
