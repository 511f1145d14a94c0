"""`erm gen` writes the revision that brings the database to the models, and it always goes down or says why not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from erm_alembic.revisions.source.downgrade import inspect_downgrade
from tests.support.cli import run_erm
from tests.support.databases import Database

SHOP = Path(__file__).resolve().parents[2] / "examples" / "shop"
REVIEW = '''

class Review(Base):
    """What a customer says of a product."""

    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    stars: Mapped[int] = mapped_column(Integer)
'''


@pytest.fixture
def shop(tmp_path: Path, one_database: Database) -> tuple[Path, dict[str, str]]:
    """The sample shop, deployed, whose models have one table that no revision makes."""
    folder = tmp_path / "shop"
    shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(".erm", "__pycache__"))
    env = {"ERM_DATABASE_URL": one_database.url}
    assert run_erm("migrate", cwd=folder, env=env).returncode == 0
    models = folder / "shop" / "models.py"
    models.write_text(models.read_text(encoding="utf-8") + REVIEW, encoding="utf-8")
    return folder, env


def _versions(folder: Path) -> set[str]:
    return {path.name for path in (folder / "migrations" / "versions").glob("*.py")}


def test_a_new_model_becomes_a_revision_that_goes_up_and_down(
    shop: tuple[Path, dict[str, str]], one_database: Database
) -> None:
    """The file is written, applied, agrees with the models, and is taken back."""
    folder, env = shop
    before = _versions(folder)
    done = run_erm("gen", "-m", "add reviews", cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    (name,) = _versions(folder) - before
    path = folder / "migrations" / "versions" / name
    assert done.stdout.strip() == str(path.relative_to(folder))
    assert inspect_downgrade(path.read_bytes()).state == "ok"
    assert run_erm("migrate", cwd=folder, env=env).returncode == 0
    assert one_database.execute("SELECT to_regclass('reviews') IS NOT NULL") == [(True,)]
    assert run_erm("gen", "--check", cwd=folder, env=env).returncode == 0
    assert run_erm("migrate", "--mode", "rollback", cwd=folder, env=env).returncode == 0
    assert one_database.execute("SELECT to_regclass('reviews') IS NULL") == [(True,)]


def test_looking_leaves_no_file(shop: tuple[Path, dict[str, str]]) -> None:
    """--dry-run prints the revision, --diff the differences, --check only exits with 1."""
    folder, env = shop
    before = _versions(folder)
    dry = run_erm("gen", "-m", "add reviews", "--dry-run", cwd=folder, env=env)
    assert "op.create_table('reviews'" in dry.stdout and "op.drop_table('reviews')" in dry.stdout
    assert run_erm("gen", "--diff", cwd=folder, env=env).stdout == "add table reviews\n"
    check = run_erm("gen", "--check", cwd=folder, env=env)
    assert (check.returncode, check.stdout) == (1, "add table reviews\n")
    assert _versions(folder) == before


def test_a_database_that_is_behind_is_refused(shop: tuple[Path, dict[str, str]]) -> None:
    """What is only missing there would be generated again."""
    folder, env = shop
    assert run_erm("migrate", "--mode", "rollback", cwd=folder, env=env).returncode == 0
    done = run_erm("gen", "-m", "add reviews", cwd=folder, env=env)
    assert done.returncode == 2
    assert "The database is not at the heads of the revision files" in done.stderr
    assert "cure:   Bring it up first: `erm migrate`." in done.stderr
    other = run_erm("gen", "--diff", "--env", "staging", cwd=folder, env=env)
    assert "cure:   Bring it up first: `erm migrate --env staging`." in other.stderr


def test_what_cannot_be_reversed_is_declared(shop: tuple[Path, dict[str, str]]) -> None:
    """A downgrade that a hook emptied is not left as a bare `pass`."""
    folder, env = shop
    env_py = folder / "migrations" / "env.py"
    text = env_py.read_text(encoding="utf-8")
    hook = "\n\ndef forget_the_way_down(context, revision, directives):\n    directives[0].downgrade_ops.ops = []\n\n\n"
    position = text.index("\ndef ")
    text = text[:position] + hook + text[position:]
    text = text.replace(
        "connection=connection,", "connection=connection, process_revision_directives=forget_the_way_down,"
    )
    env_py.write_text(text, encoding="utf-8")
    assert "process_revision_directives" in text
    done = run_erm("gen", "-m", "add reviews", cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    report = inspect_downgrade((folder / done.stdout.strip()).read_bytes())
    assert report.state == "irreversible"
    assert report.reason == "no downgrade could be generated; write one, or say here why there is none"


def test_a_message_is_wanted(shop: tuple[Path, dict[str, str]]) -> None:
    """A revision without a message is refused before anything is connected to."""
    folder, env = shop
    done = run_erm("gen", cwd=folder, env=env)
    assert done.returncode == 2
    assert done.stderr.startswith("error:  A revision needs a message.")


def test_a_message_that_could_become_code_leaves_no_file(shop: tuple[Path, dict[str, str]]) -> None:
    """Three quotes are refused at once; a file that a team's own template breaks is taken away again."""
    folder, env = shop
    before = _versions(folder)
    refused = run_erm("gen", "-m", 'x"""; import os; """', cwd=folder, env=env)
    assert refused.returncode == 2
    assert "three quotes in a row" in refused.stderr
    template = folder / "migrations" / "script.py.mako"
    template.write_text(template.read_text(encoding="utf-8") + "\nname = '${message}'\n", encoding="utf-8")
    broken = run_erm("gen", "-m", "don't (", cwd=folder, env=env)
    assert broken.returncode == 2
    assert "would not be Python" in broken.stderr
    assert _versions(folder) == before


def test_version_path_chooses_where_the_revision_goes(shop: tuple[Path, dict[str, str]]) -> None:
    """A folder that is no version location is refused; one that is gets the file."""
    folder, env = shop
    wrong = run_erm("gen", "-m", "add reviews", "--version-path", "elsewhere", cwd=folder, env=env)
    assert wrong.returncode == 2
    assert "elsewhere is none of the project's version locations" in wrong.stderr
    (folder / "more").mkdir()
    ini = folder / "alembic.ini"
    text = ini.read_text(encoding="utf-8")
    ini.write_text(
        text.replace("[alembic]\n", "[alembic]\nversion_locations = migrations/versions:more\n"), encoding="utf-8"
    )
    done = run_erm("gen", "-m", "add reviews", "--version-path", "more", cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == Path("more")
