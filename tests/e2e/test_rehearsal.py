"""The rehearsal as a test, for those who ask for it: `make e2e` tells it as a story, and CI runs that."""

from __future__ import annotations

import os

import pytest

from tests.e2e.rehearsal import rehearse

ROWS = os.environ.get("ERM_E2E_ROWS")


@pytest.mark.skipif(not ROWS, reason="takes minutes: `make e2e`, or ERM_E2E_ROWS=2000 with this test")
def test_a_release_goes_its_whole_way_while_the_service_is_in_use() -> None:
    """Plan, comment, approval, release, a stopped one, rollback and restore: no error, no stale answer, no secret."""
    assert rehearse(int(ROWS or 0), "1s").wrong == []
