"""Ready-made tests of a project's migrations; one line in a test file switches them on.

Example:
    from erm_alembic.testing.migrations import *
    from erm_alembic.testing.migrations import test_every_revision_loses_nothing  # stricter, and not among them

Each failure names the revision, its file and line, and the cure. How loud a rule is, and which revisions are exempt,
is said in erm.yaml (`safety`) and in the revision files, as for every plan.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from erm_alembic.testing.history.judging import Said
    from erm_alembic.testing.history.reports import Reports

__all__ = [
    "test_every_revision_goes_up_down_and_up",
    "test_models_match_the_revisions",
    "test_plan_has_no_errors",
    "test_single_head",
    "test_the_test_database_has_no_drift",
]


def test_single_head(erm_reports: Reports) -> None:
    """The history has one head."""
    from erm_alembic.testing.history import judging

    _say(judging.heads(_plan(erm_reports)))


def test_every_revision_goes_up_down_and_up(erm_reports: Reports, erm_revision: str) -> None:
    """A revision goes up, down and up again with rows in its tables, and leaves the schema as it was."""
    from erm_alembic.testing.history import judging

    report = _plan(erm_reports)
    for told in judging.warnings_of(report, erm_revision):
        warnings.warn(told, stacklevel=1)
    _say(judging.of_revision(report, erm_revision))


def test_every_revision_loses_nothing(erm_reports: Reports, erm_revision: str) -> None:
    """A revision goes down and up again without the loss of a value, whatever was written meanwhile.

    It stands in no `*`: whoever takes a new column back loses what was written into it, so that most revisions fail.
    """
    from erm_alembic.testing.history import judging

    _say(judging.losses(_plan(erm_reports), erm_revision))


def test_models_match_the_revisions(erm_reports: Reports) -> None:
    """The models are what the revisions make."""
    from erm_alembic.testing.history import judging

    _say(judging.drift_of_models(_plan(erm_reports)))


def test_the_test_database_has_no_drift(erm_reports: Reports) -> None:
    """The database that tests are given is what the revisions make, and nothing else."""
    from erm_alembic.testing.failing import told_as_failure
    from erm_alembic.testing.history import judging

    with told_as_failure():
        drift = erm_reports.drift
    _say(judging.drift_of_tests(drift))


def test_plan_has_no_errors(erm_reports: Reports) -> None:
    """No rule of erm objects to the revisions."""
    from erm_alembic.testing.history import judging

    _say(judging.plan(_plan(erm_reports)))


def _plan(reports: Reports) -> Mapping[str, Any]:
    from erm_alembic.testing.failing import told_as_failure

    with told_as_failure():
        return reports.plan


def _say(said: Said) -> None:
    if said.failure is not None:
        pytest.fail(said.failure, pytrace=False)
    if said.skip is not None:
        pytest.skip(said.skip)
