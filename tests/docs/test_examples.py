"""The examples of the documentation run: those in every docstring, and those in docs/."""

from __future__ import annotations

import doctest
import inspect
import logging
import pkgutil
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import erm_alembic
from tests.support.cli import REPOSITORY
from tests.support.databases import RunningServer, fresh_database

SHOP = REPOSITORY / "examples" / "shop"

# Their examples deploy: each docstring runs in a copy of the sample shop, on a new and empty database.
ON_THE_SHOP = (
    "erm_alembic",
    "erm_alembic.approvals",
    "erm_alembic.backup.commands",
    "erm_alembic.baseline.recording",
    "erm_alembic.baseline.writing",
    "erm_alembic.comparing",
    "erm_alembic.generate",
    "erm_alembic.granting",
    "erm_alembic.inspection",
    "erm_alembic.mending.finding",
    "erm_alembic.mending.mending",
    "erm_alembic.migrate",
    "erm_alembic.observing.course",
    "erm_alembic.preview",
    "erm_alembic.rebase.rebase",
    "erm_alembic.release.api",
    "erm_alembic.repairs",
    "erm_alembic.routing.configured",
    "erm_alembic.squash.squash",
)
MODULES = ("erm_alembic", *(module.name for module in pkgutil.walk_packages(erm_alembic.__path__, "erm_alembic.")))
OF_THEMSELVES = tuple(name for name in MODULES if name not in ON_THE_SHOP)
PAGES = tuple(
    path.relative_to(REPOSITORY).as_posix()
    for path in sorted((REPOSITORY / "docs").rglob("*.md"))
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.fixture
def process_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what the shop's env.py leaves in this process: its models, and the level of the root logger."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    _forget_the_shop()
    root.setLevel(level)
    root.handlers[:] = handlers


def _forget_the_shop() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


def _examples(module: str) -> list[doctest.DocTest]:
    return [found for found in doctest.DocTestFinder().find(import_module(module), module) if found.examples]


def _run(example: doctest.DocTest) -> None:
    """Run one docstring; what differs is the message."""
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert not said, "".join(said)


def _run_on_the_shop(
    example: doctest.DocTest, folder: Path, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(".erm", "__pycache__"))
    with fresh_database(server) as database:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("ERM_DATABASE_URL", database.url)
        _run(example)
    _forget_the_shop()


@pytest.mark.parametrize("module", OF_THEMSELVES)
def test_the_examples_of_a_module_give_what_they_say(module: str) -> None:
    """Every example that needs no database runs as it stands in the docstring."""
    for example in _examples(module):
        _run(example)


@pytest.mark.parametrize("module", ON_THE_SHOP)
def test_the_examples_that_deploy_give_what_they_say(
    module: str, tmp_path: Path, newest_server: RunningServer, process_state: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every example of the Python API runs against a real database."""
    examples = _examples(module)
    assert examples
    for number, example in enumerate(examples):
        _run_on_the_shop(example, tmp_path / str(number), newest_server, monkeypatch)


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_give_what_they_say(
    page: str, tmp_path: Path, newest_server: RunningServer, process_state: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of docs/ with Python in it is run from top to bottom."""
    text = (REPOSITORY / page).read_text(encoding="utf-8").replace("```", "")
    example = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
    assert example.examples
    _run_on_the_shop(example, tmp_path / "shop", newest_server, monkeypatch)


def test_every_function_of_the_python_api_has_an_example() -> None:
    """plan, apply, rollback and what stands beside them show how they are called."""
    from erm_alembic import generate, inspection, migrate, repairs

    public = [(module, name) for module in (generate, inspection, migrate, repairs) for name in module.__all__]
    functions = [getattr(module, name) for module, name in public if inspect.isfunction(getattr(module, name))]
    assert len(functions) == 13
    assert [function.__name__ for function in functions if ">>> " not in (function.__doc__ or "")] == []


def test_no_example_is_skipped() -> None:
    """An example that is not run is not an example."""
    sources = sorted((REPOSITORY / "erm_alembic").rglob("*.py"))
    skipping = [path.name for path in sources if "doctest: +" + "SKIP" in path.read_text(encoding="utf-8")]
    assert skipping == []
