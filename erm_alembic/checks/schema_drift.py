"""schema-drift: the database is not what its recorded revisions make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.drift.severity import severity_of
from erm_alembic.findings import Finding
from erm_alembic.planning.model import Drift
from erm_alembic.shadow.rehearsal.when import DEVELOPMENT
from erm_alembic.wording import first_few

__all__ = ["CHECK"]

RULE = "schema-drift"
SHOWN = 3


def _check(context: CheckContext) -> Iterator[Finding]:
    found = [drift for drift in context.drift if drift.source == "database"]
    settings = None if context.settings is None else context.settings.drift
    adopted = [drift for drift in found if drift.adopted]
    others = [drift for drift in found if not drift.adopted]
    graded = [(severity_of(drift.kind, settings), drift) for drift in others]
    if context.settings is not None and context.settings.environment == DEVELOPMENT:
        # Apply does not look there, and a plan is not to refuse what apply would do.
        told = [drift for level, drift in graded if level != "off"]
        graded = []
        if told:
            yield Finding(
                RULE,
                "warning",
                f"The database is not what its revisions make: {_named(told)}. Apply and rollback do not look at that "
                f"in {DEVELOPMENT}.",
                _ways_out(context),
            )
    if errors := [drift for level, drift in graded if level == "error"]:
        yield Finding(
            RULE,
            "error",
            f"The database is not what its revisions make: {_named(errors)}. A pending revision may fail on it, or do "
            "something else than it did everywhere else.",
            _ways_out(context),
        )
    if warnings := [drift for level, drift in graded if level == "warning"]:
        yield Finding(
            RULE, "warning", f"The database is not what its revisions make: {_named(warnings)}.", _ways_out(context)
        )
    if adopted:
        yield Finding(
            RULE,
            "warning",
            f"The database is already as a pending revision makes it: {_named(adopted)}. That revision passes only "
            "if it takes that for done.",
            "Read the revision: `IF NOT EXISTS` and the like let it pass here too; one that `erm drift --fix adopt` "
            "wrote has them.",
        )
    yield from _unknown(context)


def _unknown(context: CheckContext) -> Iterator[Finding]:
    """Not to know is no reason to stop a deployment, and none to say that all is well."""
    for comparison in context.plan.comparisons if context.plan is not None else ():
        if comparison.source == "database" and comparison.verdict == "unknown":
            yield Finding(
                RULE,
                "warning",
                f"Whether the database is what its revisions make is not known: {comparison.reason}",
                f"`erm drift --source database{context.env_option}` tells more.",
            )


def _named(drift: Sequence[Drift]) -> str:
    """The first few of them, and how many there are."""
    objects = list(dict.fromkeys((each.kind, each.object) for each in drift))
    return first_few([f"{kind} {name}" for kind, name in objects], SHOWN)


def _ways_out(context: CheckContext) -> str:
    env = context.env_option
    return (
        f"`erm drift{env}` shows each difference; `erm drift --fix revert{env}` writes SQL that takes them back, "
        f"`erm drift --fix adopt{env}` a revision that takes them over. What is meant to differ belongs into "
        "drift.ignore of erm.yaml."
    )


CHECK = Check(RULE, "error", _check, graded=True)
