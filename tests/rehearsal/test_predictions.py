"""What was predicted of revisions is kept with the run, and later plans say how far it was off."""

from __future__ import annotations

import pytest

from erm_alembic import migrate
from erm_alembic.planning.estimate import predicted
from erm_alembic.planning.model import Statement
from erm_alembic.planning.rehearsal import EarlierPredictions, Observed, Prediction
from erm_alembic.postgres.live_facts import LiveFacts, TableFacts
from tests.faults.deploying import Project


def test_a_revision_takes_what_its_statements_take() -> None:
    """Added up; unknown as soon as one of them was not seen, and without a bound where a size is not known."""
    facts = LiveFacts({"public.users": TableFacts(10**9, 0, 1.0)})
    scan = Statement("ALTER TABLE users", observed=Observed(scans=("public.users",)))
    assert predicted([scan, scan], facts) == Prediction(2002, 10_100)
    assert predicted([scan], LiveFacts()) == Prediction(1, None)
    assert predicted([scan, Statement("SELECT 1")], facts) is None


def test_predictions_are_kept_and_compared(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a run whose plan was rehearsed, the next plan counts its revisions; an older ledger gets the table."""
    monkeypatch.delenv("ERM_NO_SHADOW")
    config = project.root / "erm.yaml"
    project.table("a1", "users")
    migrate.apply("prod", config=config)
    assert project.database is not None
    project.database.execute("DROP TABLE erm.prediction")
    project.table("b2", "orders", down="a1")
    first = migrate.apply("prod", config=config).plan
    assert first.rehearsal is not None and first.rehearsal.earlier is None
    assert project.database.execute("SELECT revision, low_ms > 0, high_ms > low_ms FROM erm.prediction") == [
        ("b2", True, True)
    ]
    project.database.execute("UPDATE erm.prediction SET high_ms = 10")
    project.database.execute("UPDATE erm.revision SET duration_ms = 25 WHERE revision = 'b2'")
    project.table("c3", "lines", down="b2")
    second = migrate.plan("prod", config=config)
    assert second.rehearsal is not None
    assert second.rehearsal.earlier == EarlierPredictions(count=1, kept=0, worst=2.5)
