"""Where what would be run now differs from what was approved: each difference with both sides, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from erm_alembic.planning.approved_plan import ApprovedPlan
from erm_alembic.planning.terms import StatementTerms, StepTerms, Terms

__all__ = ["Divergence", "Progress", "differing", "divergences", "shown_sql", "sure_statements"]

CONTEXT = 30
LONGEST = 100


@dataclass(frozen=True)
class Divergence:
    """One difference.

    Args:
        what: what differs.
        approved: what the plan has.
        found: what is there.
        of_schema: whether it is the database's schema, of which `erm drift` can tell more.
        of_role: whether it is the role that sends the statements, which a setting can make the same for every login.
    """

    what: str
    approved: str
    found: str
    of_schema: bool = False
    of_role: bool = False

    def __str__(self) -> str:
        return f"{self.what}\n  approved: {self.approved}\n  found:    {self.found}"


@dataclass(frozen=True)
class Progress:
    """How far runs of the same plan have come.

    Args:
        done: how many of its steps are done.
        half_done: whether the step after them is half done, by such a run.
        catalog: the fingerprint that the ledger has of the schema then; None where none could be read.
        without: the tables that are not in that fingerprint: a statement on them was under way.
    """

    done: int = 0
    half_done: bool = False
    catalog: str | None = None
    without: tuple[str, ...] = ()


def divergences(approved: ApprovedPlan, found: Terms, progress: Progress | None) -> tuple[Divergence, ...]:
    """Every difference between an approved plan and what would be run now.

    Args:
        approved: the plan.
        found: what was planned now, for the same request.
        progress: how far runs of this plan have come; None where none has begun.
    """
    terms = approved.terms
    done = progress.done if progress else 0
    half_done = terms.steps[done].revision if progress and progress.half_done else None
    return (
        *_target(terms, found),
        *_role(terms, found),
        *(() if done else _current(terms, found)),
        *_pending(terms.steps[done:], found.steps),
        *_steps(approved, found, half_done),
        *_catalog(terms, found, progress),
    )


def _target(terms: Terms, found: Terms) -> Iterator[Divergence]:
    if terms.environment != found.environment:
        yield Divergence("The environment is another one.", terms.environment, found.environment)
    if _identity(terms) != _identity(found):
        yield Divergence("The database is another one.", _database(terms), _database(found))
    if terms.version_table != found.version_table:
        yield Divergence("The version table is another one.", terms.version_table or "-", found.version_table or "-")
    elif terms.schema != found.schema:
        yield Divergence(
            "Names without a schema go to another schema.", terms.schema or "nowhere", found.schema or "nowhere"
        )


def _role(terms: Terms, found: Terms) -> Iterator[Divergence]:
    if terms.role != found.role:
        what = "Another role sends the statements, and owns what they make."
        yield Divergence(what, terms.role or "-", found.role or "-", of_role=True)


def _identity(terms: Terms) -> tuple[object, ...]:
    if terms.system is not None:
        return terms.system, terms.oid
    return None, terms.oid, terms.database, terms.place


def _database(terms: Terms) -> str:
    cluster = "a cluster whose identifier may not be read" if terms.system is None else f"cluster {terms.system}"
    return f"{terms.database} (number {terms.oid} of {cluster}), {terms.address}"


def _current(terms: Terms, found: Terms) -> Iterator[Divergence]:
    if sorted(terms.current) != sorted(found.current):
        yield Divergence("The database records other revisions.", _names(terms.current), _names(found.current))


def _pending(steps: Sequence[StepTerms], found: Sequence[StepTerms]) -> Iterator[Divergence]:
    wanted, there = [step.revision for step in steps], [step.revision for step in found]
    if wanted != there:
        yield Divergence("Other revisions are pending.", _names(wanted), _names(there))


def _names(revisions: Sequence[str]) -> str:
    return ", ".join(revisions) or "none"


def _steps(approved: ApprovedPlan, found: Terms, half_done: str | None) -> Iterator[Divergence]:
    for step in found.steps:
        wanted = approved.steps.get(step.revision)
        if wanted is None:
            continue
        if wanted.source_hash != step.source_hash:
            yield Divergence(
                f"{step.path}: revision {step.revision} was edited.",
                f"SHA-256 {wanted.source_hash[:16]}",
                f"SHA-256 {step.source_hash[:16]}",
            )
        elif step.revision != half_done:  # which is compared while it goes on: it does not send all of it again
            yield from _statements(wanted, step, approved.partial.get(step.revision))


def _statements(wanted: StepTerms, found: StepTerms, certain: int | None) -> Iterator[Divergence]:
    if certain is None and found.rendered != wanted.rendered:
        yield Divergence(
            f"{found.path}: not all statements of revision {found.revision} can be known any more.",
            "all of them",
            "some: it depends on what the database answers",
        )
        return
    sure = sure_statements(wanted, certain)
    there = [statement for statement in found.statements if not statement.read]
    pair = differing(sure, there if certain is None else there[: len(sure)])
    if pair is not None:
        one, other = pair
        yield Divergence(
            f"{found.place(other or one)}: revision {found.revision} sends another statement.", *shown_sql(one, other)
        )


def sure_statements(step: StepTerms, certain: int | None) -> list[StatementTerms]:
    """The statements of an approved step that must be sent as they were approved; what is only read is not compared.

    Args:
        step: the step.
        certain: how many of its statements were approved; None for all.
    """
    return [statement for statement in step.statements[:certain] if not statement.read]


def differing(
    approved: Sequence[StatementTerms], found: Sequence[StatementTerms]
) -> tuple[StatementTerms | None, StatementTerms | None] | None:
    """The first two statements that are not the same; None for one that is missing, and None where all are equal."""
    for one, other in zip_longest(approved, found):
        if one is None or other is None or not _same(one, other):
            return one, other
    return None


def _same(approved: StatementTerms, found: StatementTerms) -> bool:
    around = (approved.autocommit, approved.parameter_sets) == (found.autocommit, found.parameter_sets)
    return around and approved.allows(found)


def shown_sql(approved: StatementTerms | None, found: StatementTerms | None) -> tuple[str, str]:
    """Two statements for people, on one line each, from a little before where they begin to differ.

    Args:
        approved: what was approved; None for nothing.
        found: what is there instead.
    """
    one, other = _on_a_line(approved), _on_a_line(found)
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    start = 0 if start < LONGEST - CONTEXT else start - CONTEXT
    return _clipped(one, start, approved), _clipped(other, start, found)


def _on_a_line(statement: StatementTerms | None) -> str:
    return "" if statement is None else " ".join(statement.sql.split())


def _clipped(text: str, start: int, statement: StatementTerms | None) -> str:
    if statement is None:
        return "no statement"
    shown = f"{'...' if start else ''}{text[start : start + LONGEST]}{'...' if len(text) > start + LONGEST else ''}"
    marks = [
        *(["outside a transaction"] if statement.autocommit else []),
        *([f"{statement.parameter_sets} parameter sets"] if statement.parameter_sets else []),
        *([f"what *** hides has the number {statement.sealed[:8]}"] if statement.sealed else []),
    ]
    return f"{shown}  [{', '.join(marks)}]" if marks else shown


def _catalog(terms: Terms, found: Terms, progress: Progress | None) -> Iterator[Divergence]:
    """The schema, unless a statement was under way: then it is looked at without what that one was working on."""
    if progress is not None and (progress.without or not found.steps):
        return
    expected = terms.catalog if progress is None else progress.catalog
    if found.catalog is None or expected != found.catalog:
        since = "it was planned" if progress is None else "the run of this plan that was cut off"
        yield Divergence(
            f"The database's schema was changed by something else since {since}.",
            f"fingerprint {_short(expected)}",
            f"fingerprint {_short(found.catalog)}",
            of_schema=True,
        )


def _short(fingerprint: str | None) -> str:
    return fingerprint or "none: it could not be read"
