"""The scenarios that erm and others are compared by, run for erm: it passes every one of them."""

from __future__ import annotations

import re

import pytest

from benchmarks.routing_peers import BEGIN, END, PAGE
from tests.routing.applications import application
from tests.routing.peers.adapters import ERM, RECIPE
from tests.routing.peers.scenarios import PITFALLS, Pitfall
from tests.routing.peers.world import NotApplicable
from tests.routing.servers import Servers

# Where it matters how a driver tells errors, begins transactions, or keeps connections.
OF_EACH_DRIVER = (1, 5, 8, 11, 12, 14, 19, 20)
RUNS = [(one, "psycopg2") for one in PITFALLS] + [(one, "psycopg") for one in PITFALLS if one.number in OF_EACH_DRIVER]


@pytest.mark.parametrize(("pitfall", "driver"), RUNS, ids=[f"{one.number}-{driver}" for one, driver in RUNS])
def test_erm_gets_through(pitfall: Pitfall, driver: str, newest_servers: Servers) -> None:
    """What is right stands in the table of docs/routing.md."""
    with application(newest_servers, driver) as app:
        pitfall.run(ERM, app)


@pytest.mark.parametrize("number", [1, 3, 6, 8])
def test_a_scenario_can_fail(number: int, newest_servers: Servers) -> None:
    """The recipe of SQLAlchemy's documentation does not get through these."""
    (pitfall,) = (each for each in PITFALLS if each.number == number)
    with application(newest_servers, "psycopg2") as app, pytest.raises(Exception) as failed:
        pitfall.run(RECIPE, app)
    assert not isinstance(failed.value, NotApplicable)


def test_the_page_has_the_scenarios_of_the_tests() -> None:
    """The table is not older than they are."""
    told = PAGE.read_text("utf-8").split(BEGIN)[1].split(END)[0]
    rows = re.findall(r"^\| (\d+) \| (.*?) \| (.*?) \|", told, re.MULTILINE)
    assert rows == [(str(each.number), each.right, "passes") for each in PITFALLS]
