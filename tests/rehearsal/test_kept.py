"""The same plan is rehearsed once: apply after plan, and the next plan, use what was seen."""

from __future__ import annotations

import pytest

from erm_alembic import migrate
from erm_alembic.planning.model import Plan
from tests.faults.deploying import Project


def test_a_plan_is_rehearsed_again_only_when_something_has_changed(
    deployed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The times of the first rehearsal come back; another text of the revision, or no cache, is another rehearsal."""
    monkeypatch.delenv("ERM_NO_SHADOW")
    config = deployed.root / "erm.yaml"

    def durations(plan: Plan) -> list[float]:
        return [each.observed.duration_ms for each in plan.steps[0].statements if each.observed is not None]

    def planned() -> list[float]:
        return durations(migrate.plan("prod", config=config))

    deployed.revision("b2", 'op.execute("COMMENT ON TABLE users IS NULL")', down="a1")
    first = planned()
    assert len(first) == 1
    assert planned() == first
    monkeypatch.setenv("ERM_NO_CACHE", "1")
    assert len(planned()) == 1
    monkeypatch.delenv("ERM_NO_CACHE")
    assert planned() == first
    deployed.revision("b2", "op.execute(\"COMMENT ON TABLE users IS 'used'\")", down="a1")
    changed = migrate.plan("prod", config=config)
    assert changed.steps[0].statements[0].sql.endswith("'used'")
    assert len(durations(changed)) == 1
    (kept,) = [path.stat().st_mode & 0o777 for path in (deployed.root / ".erm" / "cache").glob("rehearsal-*")][:1]
    assert kept == 0o600
