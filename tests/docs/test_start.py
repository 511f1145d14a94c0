"""A newcomer's path through docs/start.md."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.walking import blocks, commands, run_command, shown_by, write_file
from tests.support.cli import REPOSITORY, erm_environment

PAGE = (REPOSITORY / "docs" / "start.md").read_text(encoding="utf-8")


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a newcomer's shell has: `erm` on the path, a wide terminal, nothing configured."""
    programs = tmp_path / "bin"
    programs.mkdir()
    erm = programs / "erm"
    erm.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m erm_alembic "$@"\n', encoding="utf-8")
    erm.chmod(0o755)
    environ = erm_environment({"ERM_NO_SHADOW": None})
    yield environ | {"PATH": f"{programs}{os.pathsep}{environ['PATH']}", "NO_COLOR": "1"}


def test_what_it_writes_and_types_can_be_read() -> None:
    """The short form of the walk: each block is a file that compiles, or has commands."""
    files = 0
    for block in blocks(PAGE):
        if block.language == "console":
            assert list(commands(block)), block.text
        elif block.language == "python" and "\n    phone" not in block.text:
            compile(block.text, "docs/start.md", "exec")
            files += 1
    assert files == 1


def test_what_it_installs_is_there() -> None:
    """What the page has pip install is this project, with extras that it has."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = re.findall(r"pip install '(?:erm-alembic|/path/to/clone)\[([a-z,]+)\]'", PAGE)
    assert len(wanted) == 2
    assert {extra for each in wanted for extra in each.split(",")} <= set(project["optional-dependencies"])


@pytest.mark.skipif("WALK_THE_DOCS" not in os.environ, reason="takes half a minute: `make docs` walks through the page")
def test_every_step_does_what_the_page_shows(tmp_path: Path, environ: dict[str, str]) -> None:
    """Every file is written and every command typed, in a new folder; each prints what the page shows."""
    place, typed = tmp_path, 0
    try:
        for block in blocks(PAGE):
            if block.language != "console":
                assert write_file(block, place) or block.language == "sh", block.text
                continue
            for command in commands(block):
                place, printed = run_command(command, place, environ)
                assert shown_by(command, printed), f"$ {command.line}\n{printed}"
                typed += 1
    finally:
        if (place / "erm.yaml").exists():
            run_command(
                next(commands(next(b for b in blocks("```console\n$ erm dev reset --yes\n```")))), place, environ
            )
    assert typed > 12
