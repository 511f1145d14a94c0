"""What is asked of a pool holds, or somebody is told that it does not."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from erm_alembic.config.settings import PoolSettings
from erm_alembic.routing.connections.nodes import PrimaryNode

ASKED = PoolSettings(min_conns=2, health_check_period=timedelta(seconds=5))


@pytest.mark.parametrize(
    ("driver", "asynchronous", "expected"),
    [
        ("psycopg", False, ["psycopg"]),
        ("psycopg", True, ["psycopg"]),
        ("asyncpg", True, ["asyncpg"]),
        ("psycopg2", False, []),
        ("psycopg2", True, ["asyncpg"]),
    ],
)
def test_what_has_no_effect_on_a_pool_is_said(
    driver: str, asynchronous: bool, expected: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Once, when the engine is made: which settings, of which driver, for which server."""
    node = PrimaryNode(f"postgresql+{driver}://app@/shop", ASKED, {})
    with caplog.at_level(logging.WARNING, "erm_alembic.routing"):
        assert node.engine(asynchronous) is node.engine(asynchronous)
    said = "min_conns and health_check_period have no effect on the connections of {} to 'primary'"
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [said.format(e) for e in expected]


def test_a_pool_of_whom_nothing_special_was_asked_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """What every pool knows holds for every driver."""
    PrimaryNode("postgresql+psycopg://app@/shop", PoolSettings(max_conns=3), {}).engine()
    assert not caplog.records
