"""`erm gen --sql` writes a revision as a pair of SQL scripts: from the models, or to be filled in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from erm_alembic.errors import ErmError
from erm_alembic.generate import generate_sql
from erm_alembic.revisions.sql.new_pair import create_pair
from tests.sql_scripts.building import SqlProject
from tests.support.cli import run_erm
from tests.support.databases import Database

SHOP = Path(__file__).resolve().parents[2] / "examples" / "shop"
REVIEW = '''

class Review(Base):
    """What a customer says of a product."""

    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    stars: Mapped[int] = mapped_column(Integer, index=True)
    note: Mapped[str] = mapped_column(server_default="100%, ;''%s")
'''
TABLE, NO_TABLE = "CREATE TABLE {0} (id int);", "DROP TABLE {0};"


def _names(project: SqlProject) -> list[str]:
    return sorted(path.name for path in project.versions.glob("*.sql"))


def test_what_the_models_lack_becomes_two_scripts(tmp_path: Path, one_database: Database) -> None:
    """Written, applied, agreed with the models, and taken back; a dry run only prints them."""
    folder = tmp_path / "shop"
    shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(".erm", "__pycache__"))
    env = {"ERM_DATABASE_URL": one_database.url}
    assert run_erm("migrate", cwd=folder, env=env).returncode == 0
    models = folder / "shop" / "models.py"
    models.write_text(models.read_text(encoding="utf-8") + REVIEW, encoding="utf-8")
    looked = run_erm("gen", "-m", "add reviews", "--sql", "--dry-run", cwd=folder, env=env)
    assert "CREATE TABLE reviews (" in looked.stdout and "DROP TABLE reviews;" in looked.stdout
    assert not list(folder.rglob("*.sql"))
    done = run_erm("gen", "-m", "add reviews", "--sql", cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    up, down, stub = map(Path, done.stdout.splitlines())
    assert [up.name, down.name, stub.name] == [f"{up.stem}{end}" for end in (".sql", "_down.sql", ".py")]
    assert run_erm("migrate", cwd=folder, env=env).returncode == 0
    one_database.execute("INSERT INTO reviews (stars) VALUES (5)")
    assert one_database.execute("SELECT note FROM reviews") == [("100%, ;''%s",)]
    assert run_erm("gen", "--check", cwd=folder, env=env).returncode == 0
    assert run_erm("migrate", "--mode", "rollback", "--allow-data-loss", cwd=folder, env=env).returncode == 0
    assert one_database.execute("SELECT to_regclass('reviews') IS NULL") == [(True,)]


def test_a_project_without_models_gets_a_pair_to_fill_in(project: SqlProject) -> None:
    """Whether its database is behind or not there at all; until it is filled in, nothing is missed by the check."""
    first = project.erm("gen", "-m", "first tables", "--sql")
    assert first.returncode == 0 and "Write the SQL." in first.stderr
    second = project.erm("gen", "-m", "second tables", "--sql", ERM_DATABASE_URL=None)
    assert second.returncode == 0, second.stderr
    third = project.erm("new", "third tables", "--sql", ERM_DATABASE_URL=None)
    assert third.stdout.splitlines() == [
        "migrations/versions/003_third_tables.sql",
        "migrations/versions/003_third_tables_down.sql",
        "migrations/versions/003_third_tables.py",
    ]
    assert [step.down_revisions for step in project.plan().steps] == [(), ("001",), ("002",)]
    assert all(not step.statements for step in project.plan().steps)


@pytest.mark.parametrize(
    ("before", "up", "down"),
    [
        ("009_a", "010_b.sql", "010_b_down.sql"),
        ("000001_a.up", "000002_b.up.sql", "000002_b.down.sql"),
        ("99_a", "100_b.sql", "100_b_down.sql"),
        ("99990101000000_a", "99990101000001_b.sql", "99990101000001_b_down.sql"),
    ],
)
def test_a_new_pair_goes_on_as_the_project_does(project: SqlProject, before: str, up: str, down: str) -> None:
    """The next number, as wide as before; a time where the others are times; the same endings."""
    version, end = before.split("_", 1)[0], ".down" if before.endswith(".up") else "_down"
    path = project.pair("a", TABLE.format("a"), NO_TABLE.format("a"))
    stub = path.with_name("001_a.py").read_text(encoding="utf-8")
    base = before.removesuffix(".up")
    path.rename(path.with_name(f"{before}.sql"))
    path.with_name("001_a_down.sql").rename(path.with_name(f"{base}{end}.sql"))
    path.with_name("001_a.py").unlink()
    stub = stub.replace('"001"', f'"{version}"').replace("001_a.sql", f"{before}.sql")
    path.with_name(f"{base}.py").write_text(stub.replace("001_a_down.sql", f"{base}{end}.sql"), encoding="utf-8")
    project.pair("b", TABLE.format("b"), NO_TABLE.format("b"))
    assert {up, down} < set(_names(project))
    assert project.applied().result == "done"


def test_a_pair_beside_revisions_in_python_has_an_id_of_alembics_own(project: SqlProject) -> None:
    """Both kinds build on each other."""
    project.table("aaaa", "a")
    up = project.pair("b", TABLE.format("b"), NO_TABLE.format("b"))
    revision = up.name.split("_")[0]
    assert len(revision) == 12 and not revision.isdecimal()
    project.table("cccc", "c", down=revision)
    assert project.applied().result == "done"
    assert project.rolled_back().result == "done"


def test_a_runner_that_is_there_stays_and_a_lost_one_comes_back(project: SqlProject) -> None:
    """It is the team's own file; a new pair only sees to it that there is one."""
    project.pair("a", TABLE.format("a"), NO_TABLE.format("a"))
    runner = project.root / "migrations" / "sql_scripts.py"
    runner.write_text(runner.read_text(encoding="utf-8") + "# ours\n", encoding="utf-8")
    project.pair("b", TABLE.format("b"), NO_TABLE.format("b"))
    assert runner.read_text(encoding="utf-8").endswith("# ours\n")
    runner.unlink()
    project.pair("c", TABLE.format("c"), NO_TABLE.format("c"))
    assert project.applied().result == "done"


@pytest.mark.parametrize("message", ['a """ b', "a\nb", "a\\b"])
def test_a_message_that_could_become_code_is_refused(project: SqlProject, message: str) -> None:
    """And nothing is written."""
    before = project.written()
    with pytest.raises(ErmError, match="could become code"):
        generate_sql(message=message)
    assert project.written() == before


def test_a_place_that_is_not_one_is_refused(project: SqlProject) -> None:
    """Several heads, a revision that is no head, one that does not exist, a folder that is no version location."""
    project.table("aaaa", "a")
    project.table("bbbb", "b", down="aaaa")
    project.table("cccc", "c", down="aaaa")
    before = project.written()
    for head, said in ((None, "There are 2 heads: bbbb, cccc"), ("aaaa", "aaaa is no head"), ("zzzz", "zzzz")):
        with pytest.raises(ErmError, match=said):
            create_pair(project.alembic, "d", head=head)
    with pytest.raises(ErmError, match="none of the project's version locations"):
        create_pair(project.alembic, "d", head="bbbb", version_path=Path("elsewhere"))
    assert project.written() == before
    assert create_pair(project.alembic, "d", head="bbbb").stub.is_file()
