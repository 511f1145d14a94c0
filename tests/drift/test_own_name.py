"""A revision that writes the name of its database down has the shadow's name there, and none of that is drift."""

from __future__ import annotations

import pytest

from erm_alembic.comparing import drift
from erm_alembic.drift.own_name import with_name_of
from erm_alembic.postgres.snapshot import Snapshot
from tests.drift.looking import looked, told
from tests.faults.deploying import Project

NAMED = """
name = op.get_bind().exec_driver_sql("SELECT current_database()").scalar()
op.execute("CREATE TABLE things (a text DEFAULT 'of " + name + "')")
op.execute("COMMENT ON TABLE things IS 'made in " + name + "'")
op.execute("CREATE INDEX " + name + "_idx ON things (a)")
"""


def test_the_name_of_the_database_is_no_drift(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a comment, a default and an object's own name it is taken for the target's; a change by hand is still told."""
    project.revision("a1", NAMED)
    done = project.apply()
    assert done.returncode == 0, done.stderr
    assert looked(project, monkeypatch, sources=["database"]).agrees
    assert project.database is not None
    project.database.execute("COMMENT ON TABLE things IS 'made in erm_shadow'")
    report = drift(sources=["database"])
    assert told(report) == [("table", "public.things")]
    assert project.database.name in report.drift[0].expected and "erm_shadow_" not in report.drift[0].expected


def test_everything_that_has_the_name_has_the_other_one() -> None:
    """Names, values and what belongs to what; a text that only looks like it stays."""
    scratch = "erm_shadow_0123456789ab_00c0ffee"
    table, index = ("table", f"public.{scratch}"), ("index", f"public.{scratch}_idx")
    made = Snapshot({table: {"comment": f"{scratch} {scratch}"}, index: {"on": "erm_shadow_x"}}, {index: table})
    found = with_name_of("shop", made)
    assert found.objects == {
        ("table", "public.shop"): {"comment": "shop shop"},
        ("index", "public.shop_idx"): {"on": "erm_shadow_x"},
    }
    assert found.parents == {("index", "public.shop_idx"): ("table", "public.shop")}
