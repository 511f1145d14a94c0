"""Fixtures of every test: real PostgreSQL servers, fresh databases, a clean environment, guarded secrets."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from tests.support.databases import (
    Database,
    RunningServer,
    ServerPool,
    fresh_database,
    newest,
    one_per_major,
)
from tests.support.secrecy import issue_awkward_secret, issue_secret, shown_in, without_secrets

# Found before the environment is cleaned: ERM_PG_BIN may be the only way to a server on this machine.
_AVAILABLE = one_per_major()
_home = pytest.StashKey[Path]()
# What a run of the tests may be told.
KEPT = ("ERM_PG_BIN", "ERM_SURVIVAL_ROUNDS", "ERM_SURVIVAL_SEED", "ERM_CHAOS_SECONDS", "ERM_CHAOS_SEED", "ERM_E2E_ROWS")

# The suite tries the same examples at each run, so that a failure is about the change at hand; `make fuzz` looks for
# new ones.
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.register_profile("fuzz", max_examples=1_000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


def pytest_configure(config: pytest.Config) -> None:
    """Keep the developer's own databases, passwords and settings out of the tests."""
    for name in list(os.environ):
        if name.startswith(("ERM_", "PG")) and name not in KEPT:
            del os.environ[name]
    # A rehearsal takes a second: the tests that are about one ask for it.
    os.environ["ERM_NO_SHADOW"] = "1"
    config.stash[_home] = Path(tempfile.mkdtemp(prefix="erm-home-"))
    os.environ["HOME"] = str(config.stash[_home])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the home folder of this run."""
    shutil.rmtree(config.stash[_home], ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test whose output shows a secret that any test was given."""
    report = yield
    texts = [report.longreprtext, *(text for _, text in report.sections)]
    if any(shown_in(text) for text in texts):
        shown = without_secrets("\n".join(texts))
        report.sections = [(title, without_secrets(text)) for title, text in report.sections]
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} showed a secret during {call.when}. Hidden here as ***:\n{shown}"
    return report


@pytest.fixture(scope="session")
def server_pool() -> Iterator[ServerPool]:
    """The servers of this test process, one a major."""
    pool = ServerPool()
    try:
        yield pool
    finally:
        pool.close()


@pytest.fixture(
    scope="session",
    # Without any PostgreSQL the fixture fails with the product's own message, rather than skipping all.
    params=_AVAILABLE or [None],
    ids=lambda binaries: f"pg{binaries.major}" if binaries else "none",
)
def postgres_server(request: pytest.FixtureRequest, server_pool: ServerPool) -> RunningServer:
    """A running server of every major that this machine has."""
    return server_pool.server(request.param or newest())


@pytest.fixture(scope="session")
def newest_server(server_pool: ServerPool) -> RunningServer:
    """A running server of the newest major only."""
    return server_pool.server(newest())


@pytest.fixture
def database(postgres_server: RunningServer) -> Iterator[Database]:
    """A fresh, empty database on a server of every major."""
    with fresh_database(postgres_server) as database:
        yield database


@pytest.fixture
def one_database(newest_server: RunningServer) -> Iterator[Database]:
    """A fresh, empty database on the newest major, for behaviour that does not depend on the server."""
    with fresh_database(newest_server) as database:
        yield database


@pytest.fixture(scope="session")
def pg_bin() -> PostgresBinaries:
    """The PostgreSQL programs of the newest major."""
    return newest()


@pytest.fixture
def secret() -> str:
    """A random password; the run fails if it is ever shown."""
    return issue_secret()


@pytest.fixture
def awkward_secret() -> str:
    """A random password with characters that URLs, YAML and shells treat specially; never shown either."""
    return issue_awkward_secret()
