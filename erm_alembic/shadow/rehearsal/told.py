"""What the child tells of a rehearsal: values that travel as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from erm_alembic.planning.rehearsal import FailedRevision, FailureOnRows, Observed, ObservedLock, Proof

__all__ = ["Rehearsed", "SeenStatement", "failure_from_json", "rehearsed_from_json", "to_json"]


@dataclass(frozen=True)
class SeenStatement:
    """One statement as the shadow ran it.

    Args:
        sql: the text, with its placeholders.
        line: the line that sent it; None when that stands in another file.
        file: the SQL script that it stands in; None when it comes from the revision file.
        autocommit: whether it ran outside a transaction.
        observed: what it did; None when that could not be seen.
    """

    sql: str
    line: int | None
    file: str | None
    autocommit: bool
    observed: Observed | None


@dataclass(frozen=True)
class Rehearsed:
    """One revision as the shadow ran it.

    Args:
        revision: its id.
        statements: what it sent.
        proof: whether it can be taken back; None where that was not to be proven.
    """

    revision: str
    statements: tuple[SeenStatement, ...] = ()
    proof: Proof | None = None


def to_json(value: Rehearsed | FailedRevision) -> dict[str, Any]:
    """A value as what JSON has."""
    return asdict(value)


def rehearsed_from_json(told: Mapping[str, Any]) -> Rehearsed:
    """What `to_json` wrote of a revision.

    Example:
        >>> rehearsed = Rehearsed("3a1f", (SeenStatement("SELECT 1", 3, None, False, Observed(rows=1)),))
        >>> rehearsed_from_json(to_json(rehearsed)) == rehearsed
        True
    """
    return Rehearsed(
        told["revision"],
        tuple(_statement(each) for each in told["statements"]),
        None if told["proof"] is None else _proof(told["proof"]),
    )


def failure_from_json(told: Mapping[str, Any]) -> FailedRevision:
    """What `to_json` wrote of a revision that failed."""
    return FailedRevision(**told)


def _proof(told: Mapping[str, Any]) -> Proof:
    on_rows = told.get("fails_on_rows")
    return Proof(**{**_tuples(told), "fails_on_rows": None if on_rows is None else FailureOnRows(**on_rows)})


def _statement(told: Mapping[str, Any]) -> SeenStatement:
    return SeenStatement(**{**told, "observed": None if told["observed"] is None else _observed(told["observed"])})


def _observed(told: Mapping[str, Any]) -> Observed:
    locks = tuple(ObservedLock(**lock) for lock in told["locks"])
    return Observed(**{**_tuples(told), "locks": locks})


def _tuples(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
