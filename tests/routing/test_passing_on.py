"""What a message carries: all that its sender has to see, and what it wrote. No server is asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from erm_alembic.routing import Cluster, causal, connect_cluster
from erm_alembic.routing.blocks import innermost_block
from erm_alembic.routing.positions import Position
from erm_alembic.routing.scope import CausalScope, token_to_pass_on
from erm_alembic.routing.tokens import UNKNOWN_POSITION, write_token

FIRST, SECOND, NOW = (write_token(Position(system=7, timeline=1, lsn=lsn)) for lsn in (100, 200, 300))
ELSEWHERE = write_token(Position(system=7, timeline=2, lsn=100))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster whose primary is at a certain position."""
    with connect_cluster("postgresql://x@/x") as cluster:
        monkeypatch.setattr(cluster.router, "position", lambda: Position(system=7, timeline=1, lsn=300))
        yield cluster


def commit(cluster: Cluster) -> None:
    """Commit something, as a session does."""
    cluster.router.has_committed, block = True, innermost_block()
    for each in block.chain() if block else ():
        if each.entered.collects:
            each.commits[cluster.router] = 1.0


def test_a_token_that_holds_here_is_passed_on(cluster: Cluster) -> None:
    """Also where nothing was committed: the latest of all blocks."""
    assert token_to_pass_on(cluster) is None
    with causal(SECOND):
        assert token_to_pass_on(cluster) == SECOND
        with causal(FIRST):
            assert token_to_pass_on(cluster) == SECOND
        with CausalScope(cluster, FIRST):
            assert token_to_pass_on(cluster) == SECOND
        with causal(ELSEWHERE):
            assert token_to_pass_on(cluster) == UNKNOWN_POSITION
        with causal("garbage"):
            assert token_to_pass_on(cluster) == UNKNOWN_POSITION


def test_what_an_outer_scope_has_written_is_passed_on(cluster: Cluster) -> None:
    """As by a task that runs at once, within the one that sends it."""
    with CausalScope(cluster, FIRST):
        commit(cluster)
        with CausalScope(cluster):
            assert token_to_pass_on(cluster) == NOW
    with CausalScope(cluster, FIRST):
        assert token_to_pass_on(cluster) == FIRST
    assert token_to_pass_on(cluster) == NOW


def test_a_message_that_is_sent_again_carries_what_was_written_since(cluster: Cluster) -> None:
    """A retry has the headers of the first attempt; of both tokens the later one is sent."""
    pytest.importorskip("celery")
    from celery.signals import before_task_publish

    from erm_alembic.routing.integrations.celery import CausalTasks

    tasks = CausalTasks(cluster)
    try:
        for wrote, had, sent in ((True, FIRST, NOW), (False, SECOND, SECOND), (False, FIRST, SECOND)):
            headers = {"erm_causal": had}
            with CausalScope(cluster, None if had is SECOND else SECOND):
                if wrote:
                    commit(cluster)
                before_task_publish.send(sender="a", headers=headers)
            assert headers == {"erm_causal": sent}
    finally:
        tasks.close()
