"""Servers for the runs: one set for all of them, which each leaves as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.databases import one_per_major
from tests.support.load.topology import Topology, topology
from tests.support.standbys import has_basebackup

STANDBYS = 3


@pytest.fixture(scope="package")
def servers() -> Iterator[Topology]:
    """A primary with its standbys, of the newest major that can make some."""
    able = [binaries for binaries in one_per_major() if has_basebackup(binaries)]
    if not able:
        pytest.skip("no PostgreSQL here has pg_basebackup to make standbys with")
    with topology(able[-1], STANDBYS) as servers:
        yield servers
