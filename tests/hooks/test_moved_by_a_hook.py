"""A hook that migrates by itself: what was planned does not begin where the database is then."""

from __future__ import annotations

import pytest

from tests.faults.deploying import tables
from tests.hooks.conftest import Hooked
from tests.support.databases import Database

MOVES = """
import os, psycopg2
connection = psycopg2.connect(os.environ["URL_OF_TEST"])
cursor = connection.cursor()
cursor.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32) PRIMARY KEY)")
cursor.execute("INSERT INTO alembic_version SELECT 'c3' WHERE NOT EXISTS (SELECT FROM alembic_version)")
connection.commit()
"""


@pytest.mark.parametrize("event", ["before_run", "before_revision"])
def test_a_run_that_its_hook_has_moved(hooked: Hooked, one_database: Database, event: str) -> None:
    """It is refused, nothing is run, and it says where the database is."""
    hooked.project.env["URL_OF_TEST"] = one_database.url
    hooked.hooks(**{event: hooked.script("moves.py", MOVES)})
    done = hooked.project.apply()
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "it now records c3" in said
    assert "The database is now at base" not in said
    assert tables(one_database) == {"alembic_version"}
