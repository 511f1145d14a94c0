"""Projects of their own for tests that start, kill and remove servers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from erm_alembic.postgres.embedded.server import EmbeddedServer
from tests.support.databases import one_per_major

requires_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands its server to another user")


@pytest.fixture
def project() -> Iterator[Path]:
    """A project folder that everybody can enter; its server is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="erm-project-")).resolve()
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        EmbeddedServer(folder).reset()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(project: Path, pg_bin: PostgresBinaries) -> EmbeddedServer:
    """The embedded server of that project, not started yet."""
    return EmbeddedServer(project, binaries=pg_bin, durable=False)


@pytest.fixture
def two_majors() -> tuple[PostgresBinaries, PostgresBinaries]:
    """An older and a newer PostgreSQL, on machines that have two."""
    available = one_per_major()
    if len(available) < 2:
        pytest.skip("this machine has one PostgreSQL major only")
    return available[0], available[-1]
