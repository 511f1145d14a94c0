"""What a user who types `pip install` gets: the wheel carries all that the package needs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from erm_alembic.revisions.templates import CI_FILES, TEMPLATES, templates_directory
from tests.support.cli import REPOSITORY, erm_environment


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this checkout, built with the build backend that is installed here (nothing is fetched)."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(REPOSITORY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_templates_are_inside_the_package(wheel: zipfile.ZipFile) -> None:
    """Every file of alembic_templates/ stands at erm_alembic/alembic_templates/ in the wheel, byte for byte."""
    source = REPOSITORY / "alembic_templates"
    tracked = [path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(tracked) >= len(TEMPLATES) * 5 + len(CI_FILES)
    for path in tracked:
        name = f"erm_alembic/alembic_templates/{path.relative_to(source).as_posix()}"
        assert wheel.read(name) == path.read_bytes()


def test_the_types_and_the_schema_of_erm_yaml_are_inside(wheel: zipfile.ZipFile) -> None:
    """py.typed makes the annotations count for users; erm.schema.json is what editors complete erm.yaml with."""
    names = wheel.namelist()
    assert "erm_alembic/py.typed" in names
    assert [name for name in names if name.endswith("erm.schema.json")]


def test_what_reports_carry_along_is_inside(wheel: zipfile.ZipFile) -> None:
    """The schema of a plan, and the pages of the checks, which are the help of SARIF's rules."""
    assert wheel.read("erm_alembic/render/plan.schema.json") == (REPOSITORY / "docs" / "plan.schema.json").read_bytes()
    for page in (REPOSITORY / "docs" / "checks").glob("*.md"):
        assert wheel.read(f"erm_alembic/docs/checks/{page.name}") == page.read_bytes()


def test_the_licence_and_the_command_are_declared(wheel: zipfile.ZipFile) -> None:
    """The console script `erm` and the licence text belong to the distribution."""
    (entry_points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "erm = erm_alembic.cli.main:run" in wheel.read(entry_points).decode()
    assert [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]


def test_nothing_else_is_installed(wheel: zipfile.ZipFile) -> None:
    """No tests, examples or compiled leftovers end up in the user's site-packages."""
    outside = [name for name in wheel.namelist() if not name.startswith(("erm_alembic/", "erm_alembic-"))]
    assert outside == []
    assert not [name for name in wheel.namelist() if name.endswith(".pyc")]


def test_the_unpacked_wheel_finds_its_own_templates(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Away from the checkout the templates inside the package are used, and make a project."""
    wheel.extractall(tmp_path / "site")
    code = (
        "import sys; from pathlib import Path; from erm_alembic.revisions.templates import *;"
        "from erm_alembic.cli.init import write_project;"
        "print(templates_directory()); write_project(Path('shop'), 'async', 'github')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=erm_environment({"PYTHONPATH": str(tmp_path / "site")}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == tmp_path / "site/erm_alembic/alembic_templates"
    assert (tmp_path / "shop/.github/workflows/migrations.yml").is_file()


def test_a_checkout_finds_the_templates_beside_the_package() -> None:
    """An editable install uses the files that a developer edits."""
    assert templates_directory() == REPOSITORY / "alembic_templates"
