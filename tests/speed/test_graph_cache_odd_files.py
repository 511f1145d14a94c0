"""Files whose place in the graph is not written in plain words are loaded each time; the others are known by text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erm_alembic.revisions.cache.known import MOST_ODD_FILES
from erm_alembic.revisions.cache.plain import NAMES, plain_names
from tests.speed.projects import CachedProject, make_project

FUNCTIONS = "\n\ndef upgrade(): pass\n\n\ndef downgrade(): pass\n"
PLAIN = (
    "revision = 'b'\ndown_revision = 'a'",
    "'''Words.\n\nRevises: a\n'''\nfrom typing import Union\nimport sqlalchemy as sa\n"
    "revision: str = 'b'\ndown_revision: Union[str, None] = None\nbranch_labels = ('x',)\ndepends_on = ['c', 'd']",
    "# -*- coding: utf-8 -*-\nrevision = 'b'\ndown_revision = ('a', 'c')",
    "revision = 'b'\r\ndown_revision = 'a'\r\n",
    "import logging\nlogger = logging.getLogger(__name__)\nrevision = 'b'\ndown_revision = 'a'",
    "try:\n    import citext\nexcept ImportError:\n    citext = None\nrevision = 'b'\ndown_revision = 'a'",
    "def helper():\n    return '''\ndef in a string'''\n\nrevision = 'b'\ndown_revision = 'a'",
    "SQL = '''\ndef not_a_function\n'''\nrevision = 'b'\ndown_revision = 'a'",
)
ODD = (
    "import os\nrevision = 'b'\ndown_revision = os.environ.get('PARENT')",
    "revision = 'b'\ndown_revision = 'a'\ndown_revision = 'c'",
    "from parents import down_revision\nrevision = 'b'",
    "import parents as down_revision\nrevision = 'b'",
    "from parents import *\nrevision = 'b'\ndown_revision = 'a'",
    "revision = 'b'\ndown_revision = 'a'\nif True:\n    down_revision = 'c'",
    "revision = 'b'\ndown_revision = 'a'\nfor down_revision in 'xy':\n    pass",
    "revision = 'b'\ndown_revision = 'a'\nwith open('/dev/null') as down_revision:\n    pass",
    "revision = 'b'\ndown_revision = 'a'\nif (down_revision := 'c'):\n    pass",
    "revision = 'b'\ndown_revision = other = 'a'\n(down_revision, other) = 'xy'",
    "revision = 'b'\ndown_revision = 'a'\nexec('down_revision = 1')",
    "revision = 'b'\ndown_revision = 'a'\nglobals()['down_revision'] = 'c'",
    "revision = 'b'\ndown_revision = 'a'\nimport sys\nsys.modules[__name__].down_revision = 'c'",
    "revision = 'b'\ndown_revision = 'a'\ndef change():\n    global down_revision\n    down_revision = 'c'\nchange()",
    "revision = 'b'\ndown_revision = 'a'\n@print\ndef down_revision(): pass",
    "revision = 'b'\ndown_revision = 'a'\nclass revision: pass",
    "revision = 'b'\ndown_revision = 'a'\ndel down_revision",
    "revision = 'b'\ndown_revision = 'a'\nregister()",
    "revision = 'b'\ndown_revision = 'a' + ''.join(['b'])",
    "revision = 'b'\ndown_revision = f'{1}'",
    "revision = 'b'\ndown_revision = 'a'\rdown_revision = 'c'",
    "# coding: latin-1\nrevision = 'b'\ndown_revision = 'a'",
)


@pytest.mark.parametrize("text", PLAIN)
def test_constants_are_read_as_python_reads_them(text: str) -> None:
    """What the text of a plain file says is what the loaded module has."""
    found = plain_names((text + FUNCTIONS).encode())
    module: dict[str, Any] = {}
    exec(text, module)
    assert found == {name: module[name] for name in NAMES if name in module}


@pytest.mark.parametrize("text", ODD)
def test_whatever_could_come_out_otherwise_is_odd(text: str) -> None:
    """A name that is computed, imported, bound twice or changed behind the scenes is known only by loading the file."""
    assert plain_names((text + FUNCTIONS).encode()) is None


def test_a_function_of_such_a_name_is_odd() -> None:
    """Also after the first function a definition can take a name over."""
    assert plain_names(f"revision = 'b'\ndown_revision = 'a'{FUNCTIONS}\ndef down_revision(): pass\n".encode()) is None
    assert plain_names(f"revision = 'b'\ndown_revision = 'a'{FUNCTIONS}\ndown_revision = 'c'\n".encode()) is None


LINES = (
    *(
        "revision = 'b'",
        "down_revision = 'a'",
        "depends_on = ('c',)",
        "branch_labels = None",
        "down_revision = revision",
    ),
    *(
        "import re",
        "x = 1",
        "if x: revision = 'y'",
        "def upgrade(): pass",
        "def revision(): pass",
        "'''",
        "class down_revision: pass",
    ),
    *(
        "    x = 1",
        "(",
        ")",
        "revision: str = 'z'",
        "revision: str",
        "del revision",
        "x = revision = 'q'",
        "# revision",
        "",
    ),
    *("try: depends_on = 1\nfinally: pass", "def f(x=(revision := 'w')): pass", "\f", "revision \\", "= 'k'"),
)


@given(st.lists(st.sampled_from(LINES), max_size=9))
def test_no_plain_file_comes_out_otherwise(lines: list[str]) -> None:
    """Of any file that is found plain and that Python can run, the names are what Python makes of them."""
    text = "\n".join(lines)
    found = plain_names(text.encode())
    module: dict[str, Any] = {}
    try:
        exec(text, module)
    except Exception:
        return
    if found is not None:
        assert found == {name: module[name] for name in NAMES if name in module}


def odd_project(root: Path) -> CachedProject:
    """A project whose second revision reads its parent in a file of the team's own."""
    project = make_project(root)
    (project.root / "parent.txt").write_text("a1")
    reads = "from pathlib import Path\nrevision = 'b2'\ndown_revision = Path('parent.txt').read_text()"
    (project.versions / "b2.py").write_text(reads + FUNCTIONS)
    project.write("z0", None)
    return project


def test_an_odd_file_is_loaded_each_time(tmp_path: Path) -> None:
    """A parent that is computed is computed again: when it comes out otherwise, nothing is known."""
    project = odd_project(tmp_path / "project")
    project.remember()
    found = project.known()
    assert found is not None and found.parents["b2"] == ("a1",)
    (project.root / "parent.txt").write_text("z0")
    assert project.known() is None
    (project.root / "parent.txt").unlink()  # the file cannot be loaded any more: Alembic will say why
    assert project.known() is None


def test_a_project_of_odd_files_is_not_remembered(tmp_path: Path) -> None:
    """Where most files have to be loaded anyway, nothing is kept."""
    project = make_project(tmp_path / "project")
    parent = "b2"
    for number in range(MOST_ODD_FILES + 1):
        revision = f"odd{number}"
        text = f"revision = 'odd' + '{number}'\ndown_revision = '{parent}'"
        (project.versions / f"{revision}.py").write_text(text + FUNCTIONS)
        parent = revision
    project.remember()
    assert project.memos == []


def test_names_that_json_does_not_have_are_no_obstacle(tmp_path: Path) -> None:
    """A label that Alembic takes and JSON does not is not remembered, and stops nobody."""
    project = make_project(tmp_path / "project")
    text = "revision = 'c3'\ndown_revision = 'b2'\nbranch_labels = {'core': 1}.keys()"
    (project.versions / "c3.py").write_text(text + FUNCTIONS)
    project.remember()
    assert project.memos == []
