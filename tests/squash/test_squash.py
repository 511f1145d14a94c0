"""One revision stands for many: in the shadow, in databases that have the many, and in new ones."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.deploying import Project, told
from tests.support.cli import run_erm
from tests.support.databases import Database, fresh_database

RATES = """
op.execute("CREATE TABLE rates (id serial PRIMARY KEY, v text, at timestamptz DEFAULT now())")
op.execute("INSERT INTO rates (v) VALUES ('a''b'), ('%s x')")
op.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
op.execute("CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS n FROM rates")
"""
MORE = """
op.execute('CREATE SCHEMA "od d"; CREATE TABLE "od d"."o;%" (id integer REFERENCES rates)')
op.execute("UPDATE rates SET v = upper(v)")
"""


def history(project: Project) -> None:
    """Four revisions, of which one changes rows that an earlier one has written."""
    project.table("a1", "users")
    project.revision("b2", RATES, 'op.execute("DROP TABLE rates CASCADE")', down="a1")
    project.revision("c3", MORE, """op.execute('DROP SCHEMA "od d" CASCADE')""", down="b2")
    project.table("d4", "late", down="c3")


def squashed(project: Project, *args: str) -> subprocess.CompletedProcess[str]:
    """`erm squash` with the shadow."""
    return project.erm("squash", *args, ERM_NO_SHADOW=None)


def names(project: Project) -> list[str]:
    """The files in the version location."""
    return sorted(path.name for path in project.versions.iterdir() if path.is_file())


def plain_alembic(project: Project, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`alembic` without erm."""
    ini = project.root / "alembic.ini"
    address = url.replace("postgresql:", "postgresql+psycopg2:").replace("%", "%%")
    ini.write_text(f"[alembic]\nscript_location = migrations\nsqlalchemy.url = {address}\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *words], cwd=project.root, capture_output=True, text=True, check=False
    )
    ini.unlink()
    return done


def test_one_revision_stands_for_many(project: Project, one_database: Database) -> None:
    """A database that has the many has nothing to do and no drift; a new one gets the same schema and the same rows; a
    squash can be squashed again."""
    history(project)
    assert project.apply().returncode == 0
    done = squashed(project, "c3", "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["revision"], document["replaced"], document["tables"]) == ("c3", ["a1", "b2", "c3"], 1)
    base = "c3_squash_of_3_revisions"
    assert names(project) == [f"{base}.py", f"{base}.sql", f"{base}_down.sql", "d4.py"]
    kept = sorted(path.name for path in Path(document["kept"]).iterdir())
    assert kept == ["a1.py", "b2.py", "c3.py", "squash.json"]

    plan = json.loads(project.erm("migrate", "--mode", "plan", "--format", "json", ERM_NO_SHADOW=None).stdout)
    assert (plan["pending"], plan["drift"], plan["findings"]) == ([], [], [])
    assert squashed(project, "d4").returncode == 0
    status = json.loads(project.erm("status", "--format", "json").stdout)
    assert (status["current"], status["pending"]) == (["d4"], [])
    with fresh_database(one_database.server) as fresh:
        upgraded = plain_alembic(project, fresh.url, "upgrade", "head")
        assert upgraded.returncode == 0, upgraded.stderr
        assert fresh.execute("SELECT v FROM rates ORDER BY id") == [("A'B",), ("%S X",)]
        assert fresh.execute("SELECT n FROM sums") == [(2,)]
        assert fresh.execute("INSERT INTO rates (v) VALUES ('c') RETURNING id") == [(3,)]
        assert fresh.execute("SELECT version_num FROM alembic_version") == [("d4",)]


def test_a_database_in_the_middle_must_reach_the_last_one_first(project: Project, one_database: Database) -> None:
    """The squash refuses where it looks; where it did not look, the plan says what to do."""
    history(project)
    assert project.apply("--to", "b2").returncode == 0
    before = names(project)
    code, lines = told(squashed(project, "c3"))
    assert (code, names(project)) == (1, before)
    assert lines[0] == "error:  The database of dev stands at b2, in the middle of what would become one."
    assert lines[2].endswith("erm migrate --to c3")
    with fresh_database(one_database.server) as other:
        assert project.erm("squash", "c3", ERM_NO_SHADOW=None, ERM_DATABASE_URL=other.url).returncode == 0
    plan = json.loads(project.erm("migrate", "--mode", "plan", "--format", "json").stdout)
    (finding,) = [each for each in plan["findings"] if each["rule"] == "missing-revision"]
    assert "the folder squashed/c3" in finding["help"] and plan["blocked"]


def test_branches_are_taken_whole_or_not_at_all(project: Project) -> None:
    """What builds on an inner revision from outside is named; a merge takes both branches with it."""
    project.table("a1", "users")
    project.table("b2", "left_", down="a1")
    project.table("b3", "right_", down="a1")
    project.revision("m4", "pass", "pass", down=("b2", "b3"))
    before = names(project)
    code, lines = told(squashed(project, "b2"))
    assert (code, names(project)) == (1, before)
    assert lines[0] == "error:  Revisions beside b2 build or depend on what would be gone: b3 on a1."
    done = squashed(project, "m4")
    assert done.returncode == 0, done.stderr
    assert names(project)[0] == "m4_squash_of_4_revisions.py"
    assert (
        told(squashed(project, "m4"))[1][0] == "error:  Revision m4 is the first one: there is nothing to make one of."
    )


def test_what_is_not_the_same_is_put_back(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the proof finds a difference, every file is as it was."""
    from erm_alembic.errors import Refused
    from erm_alembic.squash import making, squash
    from erm_alembic.squash import squash as squash_function

    assert squash_function is squash
    history(project)
    before = {path.name: path.read_bytes() for path in project.versions.iterdir() if path.is_file()}
    for name, value in {**project.environ(), "ERM_NO_SHADOW": None}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    monkeypatch.chdir(project.root)
    real = making.as_script

    def forgetful(*args: object, **kw: object) -> object:
        script = real(*args, **kw)  # type: ignore[arg-type]
        return type(script)(script.text.replace("PRIMARY KEY", "UNIQUE"), script.options, script.suspicious)

    monkeypatch.setattr(making, "as_script", forgetful)
    with pytest.raises(Refused) as refused:
        squash(None, "c3")
    assert "does not make what the 3 files made: constraint" in refused.value.what
    assert {path.name: path.read_bytes() for path in project.versions.iterdir() if path.is_file()} == before
    assert not (project.root / "migrations" / "squashed").exists()


HANGS = """
    from pathlib import Path
    if (Path(__file__).parent / "squashed" / ".under-way.json").exists() and not Path("go").exists():
        connection.exec_driver_sql("SELECT pg_sleep(600)")
"""


def test_a_squash_that_was_killed_is_finished_or_undone(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Other commands say so; nothing is lost either way."""
    history(project)
    before = {path.name: path.read_bytes() for path in project.versions.iterdir() if path.is_file()}
    env_py = (project.root / "migrations" / "env.py").read_text(encoding="utf-8")
    project.env_py(env_py.replace("    context.configure(", f"{HANGS}    context.configure(", 1))
    project.env["ERM_NO_SHADOW"] = None
    with project.running("squash", "c3") as squashing:
        squashing.until(lambda: (project.versions / "c3_squash_of_3_revisions.py").exists())
        squashing.kill()
    (project.root / "go").touch()
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "project"
    shutil.copytree(project.root, elsewhere)
    refused = project.erm("status")
    assert refused.returncode == 1 and "A squash of this project's revisions was cut off" in refused.stderr
    done = squashed(project, "--continue")
    assert done.returncode == 0, done.stderr
    assert names(project)[0] == "c3_squash_of_3_revisions.py" and "Proven" in done.stdout
    assert project.erm("status").returncode == 0
    undone = run_erm("squash", "--undo", cwd=elsewhere)
    assert undone.returncode == 0, undone.stderr
    assert {path.name: path.read_bytes() for path in (elsewhere / "migrations" / "versions").glob("*.py")} == before
