"""What was gathered of healthy servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from erm_alembic.config.loader import load_settings
from erm_alembic.doctor.evidence import Evidence, gather
from erm_alembic.routing.configured import cluster_of
from tests.routing.doctor.examining import names, project
from tests.routing.servers import Servers


@pytest.fixture(scope="package")
def gathered() -> dict[Path, Evidence]:
    """What was gathered of healthy servers, by the folder of their primary: a value, which tests may share."""
    return {}


@pytest.fixture
def evidence(newest_servers: Servers, tmp_path: Path, gathered: dict[Path, Evidence]) -> Evidence:
    """All that there is to see of healthy servers, to be bent by a test into what no server here can be."""
    primary = newest_servers.primary
    if primary.folder not in gathered:
        settings = load_settings("prod", cwd=project(tmp_path, primary.url(), names(newest_servers)))
        with cluster_of(settings) as cluster:
            gathered[primary.folder] = gather(settings, cluster)
    return gathered[primary.folder]
