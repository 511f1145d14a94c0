"""`erm init`: a whole new project, or nothing at all."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from alembic.config import Config
from alembic.script import ScriptDirectory

from erm_alembic.cli import init as init_command
from erm_alembic.cli.init import adopt_project, write_project
from erm_alembic.config.loader import load_settings
from erm_alembic.errors import ErmError, UsageError
from erm_alembic.revisions.templates import TEMPLATES, NewFile, database_name, project_files, templates_directory
from tests.support.cli import REPOSITORY, run_erm
from tests.support.databases import Database

AWKWARD = ("plain", "with space", "100% sure", "it's", 'say "hi"', "läden 🛒")


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every path under a folder, with the content of files."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_project_has_every_file_and_says_what_to_type_next(tmp_path: Path, template: str) -> None:
    """Each created file is printed, and so are the next commands."""
    done = run_erm("init", "shop", "--template", template, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("alembic.ini", "erm.yaml", "migrations/env.py", "migrations/script.py.mako", "migrations/README"):
        assert (tmp_path / "shop" / name).is_file()
        assert f"created shop/{name}\n" in done.stdout
    assert "cd shop" in done.stdout
    assert "erm migrate --mode plan" in done.stdout


@pytest.mark.parametrize("name", AWKWARD)
def test_a_folder_of_any_name_becomes_a_project_that_alembic_and_erm_read(tmp_path: Path, name: str) -> None:
    """Quotes, spaces, percent signs and emoji in the folder's name end up in none of the files."""
    folder = tmp_path / name
    write_project(folder, "generic")
    settings = load_settings(config=folder / "erm.yaml", environ={}, cwd=folder)
    assert settings.url is not None
    assert settings.url.reveal() == f"embedded://{database_name(name)}"
    created = run_erm("new", "first tables", cwd=folder)
    assert created.returncode == 0, created.stderr
    assert (folder / created.stdout.strip()).is_file()


def test_the_workflow_is_written_where_the_forge_reads_it(tmp_path: Path) -> None:
    """--ci github and --ci gitlab each write YAML whose steps plan the migrations."""
    write_project(tmp_path / "a", "generic", "github")
    write_project(tmp_path / "b", "async", "gitlab")
    github = yaml.safe_load((tmp_path / "a/.github/workflows/migrations.yml").read_text())
    gitlab = yaml.safe_load((tmp_path / "b/.gitlab-ci.yml").read_text())
    steps = "\n".join(step.get("run", "") for step in github["jobs"]["migrations"]["steps"])
    for commands in (steps, "\n".join(gitlab["migrations"]["script"])):
        assert "erm check downgrades" in commands
        assert "erm migrate --mode plan --check" in commands


@pytest.mark.parametrize(
    "existing", ["alembic.ini", "erm.yaml", "migrations/env.py", ".github/workflows/migrations.yml"]
)
def test_an_existing_file_stops_it_and_nothing_is_written(tmp_path: Path, existing: str) -> None:
    """What stands in the way is named, exit code 2, and the folder is as it was."""
    path = tmp_path / existing
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    before = snapshot(tmp_path)
    done = run_erm("init", "--ci", "github", cwd=tmp_path)
    assert done.returncode == 2
    assert "there already" in done.stderr
    assert existing.split("/env.py")[0] in done.stderr
    assert "Nothing was written: erm init never overwrites." in done.stderr
    assert snapshot(tmp_path) == before


def test_a_link_that_leads_nowhere_is_in_the_way_too(tmp_path: Path) -> None:
    """Writing through a dangling link would create a file somewhere else."""
    (tmp_path / "erm.yaml").symlink_to(tmp_path / "elsewhere" / "erm.yaml")
    with pytest.raises(UsageError, match=r"erm\.yaml is there already"):
        write_project(tmp_path, "generic")
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    """`erm init README` over a file is refused before anything happens."""
    (tmp_path / "README").write_text("mine")
    with pytest.raises(UsageError, match="README is there already"):
        write_project(tmp_path / "README", "generic")


def test_a_failure_half_way_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a later file cannot be written, the earlier ones and their folders go away again."""
    long_name = "n" * 300  # longer than a file system allows: a real OSError, at the last file

    def files(template: str, database: str, ci: str | None = None) -> tuple[NewFile, ...]:
        whole = project_files(template, database, ci)
        return (*whole, NewFile(whole[-1].path.with_name(long_name), b""))

    monkeypatch.setattr("erm_alembic.revisions.templates.project_files", files)
    with pytest.raises(ErmError) as raised:
        write_project(tmp_path / "deep" / "shop", "generic")
    assert raised.value.effect == "Nothing was left behind."
    assert "File name too long" in raised.value.what
    assert snapshot(tmp_path) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere; the next test covers root")
def test_a_folder_without_write_permission_is_a_clear_error(tmp_path: Path) -> None:
    """A read-only folder: exit code 1, nothing left behind."""
    tmp_path.chmod(0o555)
    done = run_erm("init", cwd=tmp_path)
    tmp_path.chmod(0o755)
    assert done.returncode == 1
    assert "cannot be written to" in done.stderr


def test_a_place_where_no_folder_can_be_made_is_a_clear_error(tmp_path: Path) -> None:
    """A file in the middle of the path: exit code 1, the path named, no traceback."""
    (tmp_path / "file").write_text("")
    done = run_erm("init", "file/shop", cwd=tmp_path)
    assert done.returncode == 1
    assert "file/shop cannot be written to: Not a directory" in done.stderr


def test_an_unknown_template_is_refused_with_the_known_ones() -> None:
    """From Python too, the message lists what there is."""
    with pytest.raises(UsageError) as raised:
        write_project(Path("never"), "flask")
    assert raised.value.cure == "Choose one of: generic, async."


@pytest.mark.parametrize("template", TEMPLATES)
def test_alembic_itself_takes_the_folder_as_a_template(tmp_path: Path, template: str) -> None:
    """They are Alembic template directories: what `alembic init` needs from one is there."""
    folder = templates_directory() / template
    assert {"alembic.ini.mako", "env.py", "script.py.mako", "README"} <= {path.name for path in folder.iterdir()}
    write_project(tmp_path, template)
    config = Config(str(tmp_path / "alembic.ini"))
    config.set_main_option("script_location", str(tmp_path / "migrations"))
    script = ScriptDirectory.from_config(config).generate_revision("ab12", "first")
    assert script is not None
    compile(Path(script.path).read_text(encoding="utf-8"), script.path, "exec")


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_project_deploys_and_rolls_back(tmp_path: Path, one_database: Database, template: str) -> None:
    """What init and new write goes up and down on a real server as soon as the revision says what to do."""
    env = {"ERM_DATABASE_URL": one_database.url}
    write_project(tmp_path, template)
    revision = tmp_path / run_erm("new", "shelves", cwd=tmp_path).stdout.strip()
    text = revision.read_text(encoding="utf-8")
    for statement in ("CREATE TABLE shelves (id int)", "DROP TABLE shelves"):
        text = text.replace("\n    pass\n", f"\n    op.execute({statement!r})\n", 1)
    revision.write_text(text, encoding="utf-8")
    tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'shelves'"
    for mode, count in (("apply", 1), ("rollback", 0)):
        done = run_erm("migrate", "--mode", mode, cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stderr
        assert one_database.execute(tables) == [(count,)]


def test_both_templates_write_the_same_revisions() -> None:
    """Only env.py and the driver differ between them."""
    generic, asynchronous = (templates_directory() / name for name in TEMPLATES)
    for name in ("script.py.mako", "erm.yaml.mako"):
        assert (generic / name).read_bytes() == (asynchronous / name).read_bytes()


def test_importing_the_command_imports_neither_alembic_nor_sqlalchemy() -> None:
    """`erm --help` is quick only while the commands are light to import."""
    code = f"import sys, {init_command.__name__}; sys.exit(bool({{'alembic', 'sqlalchemy'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


@pytest.mark.parametrize("template", TEMPLATES)
def test_alembics_own_log_is_quiet_in_a_new_project(tmp_path: Path, template: str) -> None:
    """erm tells the progress itself: Alembic's INFO lines would tell it a second time."""
    write_project(tmp_path, template)
    parser = configparser.RawConfigParser()
    parser.read(tmp_path / "alembic.ini")
    assert parser["logger_alembic"]["level"] == "WARNING"


def existing(folder: Path, *names: str) -> list[str]:
    """An Alembic project without erm.yaml, with revisions that have no downgrade; gives their ids."""
    write_project(folder, "generic")
    ids = []
    for name in names:
        path = folder / run_erm("new", name, cwd=folder).stdout.strip()
        ids.append(path.name.partition("_")[0])
        text = path.read_text()
        path.write_text(text[: text.index("def downgrade")])
    (folder / "erm.yaml").unlink()
    return ids


def test_an_existing_project_is_adopted_with_one_file(tmp_path: Path) -> None:
    """--adopt adds an erm.yaml that exempts a history without downgrades, and changes nothing else."""
    folder = tmp_path / "Corner Shop"
    folder.mkdir()
    ids = existing(folder, "first", "second")
    before = snapshot(folder)
    hint = run_erm("init", cwd=folder)
    assert "`erm init --adopt` adds an erm.yaml" in hint.stderr
    done = run_erm("init", "--adopt", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "created erm.yaml" in done.stdout
    after = snapshot(folder)
    text = after.pop("erm.yaml")
    assert after == before
    assert text is not None
    assert yaml.safe_load(text) == {
        "database": {"environments": {"dev": {"url": "embedded://corner_shop"}}},
        "safety": {"downgrades_since": ids[-1]},
    }
    assert b"# 2 of the revisions so far cannot be rolled back." in text
    for command in (("config", "check"), ("check", "downgrades")):
        checked = run_erm(*command, cwd=folder)
        assert checked.returncode == 0, checked.stderr
    again = run_erm("init", "--adopt", cwd=folder)
    assert again.returncode == 2
    assert "erm.yaml is there already" in again.stderr
    assert (folder / "erm.yaml").read_bytes() == text


def test_a_history_with_downgrades_is_adopted_without_exemption(tmp_path: Path) -> None:
    """Where every revision goes down, nothing is exempt."""
    existing(tmp_path)
    assert adopt_project(tmp_path) == (tmp_path / "erm.yaml",)
    assert "safety" not in yaml.safe_load((tmp_path / "erm.yaml").read_text())


def test_the_address_of_alembic_ini_becomes_a_comment(tmp_path: Path) -> None:
    """Adopting offers it as a profile, without its password, and uses it for nothing."""
    existing(tmp_path)
    ini = tmp_path / "alembic.ini"
    url = "sqlalchemy.url = postgresql://app:hunter22@db/shop"
    ini.write_text("\n".join(line for line in ini.read_text().splitlines() if "sqlalchemy.url" not in line))
    ini.write_text(ini.read_text().replace("[alembic]", f"[alembic]\n{url}", 1))
    adopt_project(tmp_path)
    text = (tmp_path / "erm.yaml").read_text()
    assert '    # staging: {url: "postgresql://app:${DB_PASSWORD}@db/shop"}\n' in text and "hunter22" not in text
    offered = text.replace("    # staging:", "    staging:")
    assert list(yaml.safe_load(offered)["database"]["environments"]) == ["dev", "staging"]


def test_several_heads_are_left_to_the_team(tmp_path: Path) -> None:
    """One revision cannot exempt two branches: the file says so in a comment."""
    (first,) = existing(tmp_path, "first")
    versions = tmp_path / "migrations/versions"
    for name in ("left", "right"):
        (versions / f"{name}.py").write_text(f"revision = {name!r}\ndown_revision = {first!r}\n")
    adopt_project(tmp_path)
    text = (tmp_path / "erm.yaml").read_text()
    assert "# 3 of the revisions so far" in text
    assert 'several heads ("left", "right")' in text
    assert "safety" not in yaml.safe_load(text)


@pytest.mark.parametrize("downgrade", ["pass", "op.drop_table('t')"])
def test_adopting_may_bring_a_workflow(tmp_path: Path, downgrade: str) -> None:
    """It takes the newest revision back where that has a way back, and has to be proven for it."""
    write_project(tmp_path, "generic")
    (tmp_path / "erm.yaml").unlink()
    upgrade = "op.execute('SELECT 1')"
    text = f"revision = 'a1'\ndown_revision = None\ndef upgrade():\n    {upgrade}\ndef downgrade():\n    {downgrade}\n"
    (tmp_path / "migrations" / "versions" / "a1.py").write_text(text)
    done = run_erm("init", "--adopt", "--ci", "github", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "created .github/workflows/migrations.yml" in done.stdout
    workflow = (tmp_path / ".github/workflows/migrations.yml").read_text()
    assert yaml.safe_load(workflow)["jobs"].keys() == {"migrations", "plan"}
    assert ("--mode rollback --env dev --allow-data-loss" in workflow) == (downgrade != "pass")


def test_adopting_where_there_is_no_project_writes_nothing(tmp_path: Path) -> None:
    """A folder without Alembic, and no folder at all, are clear errors."""
    lines = run_erm("init", "--adopt", cwd=tmp_path).stderr.splitlines()
    assert lines[:2] == [f"error:  No Alembic project was found in {tmp_path}.", "effect: Nothing was written."]
    assert run_erm("init", "--adopt", "--ci", "github", cwd=tmp_path).returncode == 1
    assert "There is no folder shop" in run_erm("init", "shop", "--adopt", cwd=tmp_path).stderr
    assert snapshot(tmp_path) == {}
