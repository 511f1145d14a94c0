"""What would run, or what ran: each revision with its statements, and whether it can be taken back."""

from __future__ import annotations

from itertools import groupby

from erm_alembic.planning.model import Outcome, Plan, Statement, Step, StepOutcome
from erm_alembic.postgres.text.passwords import without_passwords
from erm_alembic.render.html.markup import Child, Element, element
from erm_alembic.render.html.words import anchor, at_least, between, file_of, numbered
from erm_alembic.render.places import Places
from erm_alembic.render.rehearsal import MOST_NAMES, effect_of, proof_words
from erm_alembic.render.summary import is_open
from erm_alembic.render.words import counted, duration

__all__ = ["is_undoable", "steps_section", "way_back"]

# So many revisions stand open; of more, one opens what one wants to read.
OPEN, WITH_STATEMENTS = 8, 500
ENDINGS = {"done": ("done", "good"), "failed": ("failed", "bad"), "not-run": ("not run", "quiet")}


def steps_section(plan: Plan, outcome: Outcome | None, places: Places) -> Element | None:
    """The revisions in their order; nothing where nothing is pending.

    Args:
        plan: the plan.
        outcome: how its run ended, or None.
        places: where files stand.
    """
    if not plan.steps:
        return None
    ended = {} if outcome is None else {step.revision: step for step in outcome.steps}
    shown = [
        _step(step, number, len(plan.steps), ended.get(step.revision), places)
        for number, step in enumerate(plan.steps, start=1)
    ]
    return element("div", shown)


def way_back(step: Step) -> str:
    """Whether a revision can be taken back, in words.

    Args:
        step: the revision.
    """
    if step.downgrade == "irreversible":
        return f"irreversible: {step.irreversible_reason or 'no reason given'}"
    return proof_words(step) or f"downgrade {step.downgrade}"


def is_undoable(step: Step) -> bool:
    """Whether nothing that is known speaks against taking a revision back without loss.

    Args:
        step: the revision.
    """
    proof = step.proof
    if step.downgrade != "ok":
        return False
    return proof is None or (proof.round_trip == "same" and proof.data not in ("lossy", "impossible"))


def _step(step: Step, number: int, of: int, ended: StepOutcome | None, places: Places) -> Element:
    chips: list[Child] = [_ending(ended)] if ended is not None else []
    chips.append(element("span", way_back(step), class_="mark quiet" if is_undoable(step) else "mark warn"))
    if not step.transactional:
        chips.append(element("span", "not in one transaction", class_="mark warn"))
    if step.predicted is not None:
        takes = step.predicted
        lasting = at_least(takes.low_ms) if is_open(step) else between(takes.low_ms, takes.high_ms)
        chips.append(element("span", f"takes {lasting}", class_="mark quiet"))
    head = element(
        "h3",
        element("span", f"{number}", class_="number"),
        element("code", step.revision),
        " ",
        element("span", step.message),
    )
    facts = [
        element("p", _file(step, places), class_="said"),
        element("p", chips, class_="chips"),
    ]
    if ended is not None and ended.error:
        facts.append(element("pre", ended.error, class_="error"))
    if step.rendered == "partial":
        reason = step.reason or "not every statement could be recorded"
        facts.append(element("p", element("strong", "Not complete: "), reason, class_="warned"))
    facts += _proof(step)
    return element("article", head, facts, _statements(step, number, of, places), id=f"r{number}", class_="step")


def _file(step: Step, places: Places) -> Element:
    name, shown = element("code", file_of(step, None, places)), places.address(step.path) if step.path else None
    return name if shown is None else element("a", name, href=shown)


def _ending(ended: StepOutcome) -> Element:
    word, kind = ENDINGS[ended.outcome]
    took = f" in {duration(ended.duration_ms)}" if ended.outcome != "not-run" else ""
    return element("span", f"{word}{took}", class_=f"mark {kind}")


def _proof(step: Step) -> list[Element]:
    if step.proof is None:
        return []
    # The first few stand in the words on the way back.
    lost = step.proof.lost[MOST_NAMES:] if step.proof.round_trip == "same" else step.proof.lost
    told = [*(f"The way down loses {name}." for name in lost), *step.proof.differences]
    told += [step.proof.reason] if step.proof.reason else []
    notes = [element("li", each) for each in (*told, *step.proof.notes)]
    return [element("ul", notes, class_="notes")] if notes else []


def _statements(step: Step, number: int, of: int, places: Places) -> Element | None:
    if not step.statements:
        return element("p", "It sends no statement.", class_="said") if step.rendered == "full" else None
    if number > WITH_STATEMENTS:
        return element("p", f"{counted(len(step.statements), 'statement')}, not shown here.", class_="said")
    shown = []
    for (_, _), same in groupby(numbered(step), key=lambda each: (each[1].sql, each[1].line)):
        places_of = [*same]
        place, statement = places_of[0]
        shown.append(_statement(statement, anchor(number, place), len(places_of), step, places))
    return element(
        "details",
        element("summary", counted(len(step.statements), "statement")),
        element("ol", shown, class_="statements"),
        open=of <= OPEN,
    )


def _statement(statement: Statement, name: str, times: int, step: Step, places: Places) -> Element:
    marks = [
        *(["done already"] if statement.done else []),
        *(["outside a transaction"] if statement.autocommit else []),
        *([f"{statement.parameter_sets} parameter sets"] if statement.parameter_sets > 1 else []),
        *(["only reads"] if statement.read else []),
        *(["raw cursor"] if statement.raw else []),
        *([f"{times:,} times"] if times > 1 else []),
    ]
    file = file_of(step, statement, places)
    where = f"line {statement.line}" if statement.line is not None else "no line"
    shown = places.address(statement.path or step.path, statement.line)
    title = file if statement.line is None else f"{file}:{statement.line}"
    place = element("a", where, href=shown or f"#{name}", title=title)
    effect = effect_of(statement)
    blocks = "nothing" if statement.estimate is None else statement.estimate.blocks
    return element(
        "li",
        element("div", place, [element("span", mark, class_="mark quiet") for mark in marks], class_="place"),
        element("pre", element("code", without_passwords(statement.sql).strip())),
        element("p", effect, class_=f"effect {blocks}") if effect else None,
        _locks(statement),
        id=name,
    )


def _locks(statement: Statement) -> Element | None:
    observed = statement.observed
    if observed is None or not observed.locks:
        return None
    items = [
        element("li", element("code", lock.mode.removesuffix("Lock")), " on ", element("code", lock.relation))
        for lock in observed.locks
    ]
    return element(
        "details", element("summary", f"{counted(len(items), 'lock')} taken"), element("ul", items), class_="small"
    )
