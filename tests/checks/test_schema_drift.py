"""schema-drift: the database is not what its recorded revisions make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.schema_drift import CHECK
from erm_alembic.config.settings import DriftSettings
from erm_alembic.findings import Finding
from erm_alembic.planning.comparison import Comparison
from erm_alembic.planning.model import Drift
from tests.checks.building import settings
from tests.render.plans import EMPTY


def _drift(kind: str, name: str, *, adopted: bool = False) -> Drift:
    return Drift(kind, name, "database", "absent", "there", adopted=adopted)


def _run(
    *drift: Drift, severity: Mapping[str, Any] | None = None, rules: Mapping[str, str] | None = None
) -> tuple[Finding, ...]:
    configured = replace(settings(), drift=DriftSettings(severity=severity or {}))
    return run_checks(CheckContext(plan=replace(EMPTY, drift=drift), settings=configured), rules or {}, (CHECK,))


def test_what_a_history_makes_blocks_and_what_an_environment_has_warns() -> None:
    """An index by hand is an error, a grant a warning; each is one finding, however many objects it is about."""
    error, warning = _run(_drift("index", "public.a_idx"), _drift("grant", "public.a"), _drift("index", "public.b_idx"))
    assert (error.severity, warning.severity) == ("error", "warning")
    assert error.message == (
        "The database is not what its revisions make: index public.a_idx, index public.b_idx. A pending revision may "
        "fail on it, or do something else than it did everywhere else."
    )
    assert "grant public.a" in warning.message
    assert "`erm drift --fix adopt" in error.help and "`erm drift --fix revert" in error.help


def test_a_long_list_is_cut() -> None:
    """Three objects are named, and the rest counted."""
    (finding,) = _run(*(_drift("table", f"public.t{number}") for number in range(5)))
    assert "table public.t0, table public.t1, table public.t2 and 2 more." in finding.message


def test_severities_are_set_by_kind_and_lowered_by_the_rule() -> None:
    """drift.severity says it for a kind; safety.rules makes errors warnings, and warnings no errors."""
    found = (_drift("index", "public.a_idx"), _drift("grant", "public.a"))
    assert [each.severity for each in _run(*found, severity={"index": "off", "grant": "error"})] == ["error"]
    assert [each.severity for each in _run(*found, rules={"schema-drift": "warning"})] == ["warning", "warning"]
    assert [each.severity for each in _run(*found, rules={"schema-drift": "error"})] == ["error", "warning"]
    assert _run(*found, rules={"schema-drift": "off"}) == ()


def test_what_a_pending_revision_takes_over_only_warns() -> None:
    """The hot fix and the revision that carries it meet: apply may go on."""
    (finding,) = _run(_drift("index", "public.a_idx", adopted=True))
    assert finding.severity == "warning"
    assert finding.message.startswith("The database is already as a pending revision makes it: index public.a_idx.")


def test_a_comparison_that_could_not_be_made_warns_with_its_reason() -> None:
    """Not to know is neither agreement nor a reason to stop."""
    plan = replace(EMPTY, comparisons=(Comparison("database", "unknown", "there is no server for the shadow."),))
    (finding,) = run_checks(CheckContext(plan=plan), {}, (CHECK,))
    assert finding.severity == "warning"
    assert finding.message == (
        "Whether the database is what its revisions make is not known: there is no server for the shadow."
    )


def test_drift_of_other_sources_is_left_to_their_checks() -> None:
    """A missing revision and a model change are none of this rule's."""
    assert _run(Drift("missing-revision", "4f2a", "history", "a", "b"), Drift("table", "t", "models", "a", "b")) == ()


def test_in_dev_it_only_warns_as_apply_does_not_look_there() -> None:
    """Plan and apply agree: one warning for everything that is not switched off."""
    configured = replace(settings(), environment="dev", drift=DriftSettings(severity={"grant": "off"}))
    drift = (_drift("index", "public.a_idx"), _drift("grant", "public.a"), _drift("owner", "public.a"))
    context = CheckContext(plan=replace(EMPTY, drift=drift), settings=configured)
    (finding,) = run_checks(context, {}, (CHECK,))
    assert (finding.severity, finding.message) == (
        "warning",
        "The database is not what its revisions make: index public.a_idx, owner public.a. Apply and rollback do not "
        "look at that in dev.",
    )
