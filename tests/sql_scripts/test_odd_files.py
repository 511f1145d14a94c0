"""Files of a directory that is imported which are none of its scripts, and scripts that hold no statement."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from erm_alembic.errors import UsageError
from erm_alembic.postgres.text.lexer import statement_kinds
from erm_alembic.revisions.sql.adopting import plan_adoption
from erm_alembic.revisions.sql.layouts import read_directory
from erm_alembic.revisions.sql.sql_scripts import parse
from tests.sql_scripts.building import SqlProject
from tests.sql_scripts.directories import GOLANG


@pytest.mark.parametrize(
    ("kind", "said"), [("link", "is a link to a file outside"), ("pipe", "is no file, but a pipe")]
)
def test_what_is_no_file_of_the_directory(tmp_path: Path, kind: str, said: str) -> None:
    """What a link leads to elsewhere is not copied, and a pipe is not passed over in silence."""
    folder = tmp_path / "sql"
    folder.mkdir()
    script = folder / "000001_a.up.sql"
    if kind == "link":
        (tmp_path / "secret").write_text("SELECT 1;", encoding="utf-8")
        script.symlink_to(tmp_path / "secret")
    else:
        os.mkfifo(script)
    with pytest.raises(UsageError, match=said):
        read_directory(folder)


def test_all_that_is_no_file_of_the_directory_is_told_at_once(tmp_path: Path) -> None:
    """A link and a pipe in one message."""
    folder = tmp_path / "sql"
    folder.mkdir()
    (tmp_path / "secret").write_text("SELECT 1;", encoding="utf-8")
    (folder / "000001_a.up.sql").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "000002_b.up.sql")
    with pytest.raises(UsageError, match=r"(?s)000001_a\.up\.sql is a link .*000002_b\.up\.sql is no file"):
        read_directory(folder)


def test_a_link_within_the_directory_is_a_script(project: SqlProject) -> None:
    """A link to a file of the same directory hands out nothing of another one."""
    folder = project.directory(GOLANG)
    (folder / "000005_again.up.sql").symlink_to(folder / "000001_make_a.up.sql")
    assert [each.version for each in read_directory(folder).migrations][-1] == "000005"


def test_a_carriage_return_ends_a_comment() -> None:
    """As the server has it; the statement behind it is neither swallowed nor hidden from the checks."""
    text = "-- why\rDROP TABLE a;\r-- more\r\nSELECT 1"
    assert [each.text for each in parse(text, Path("1.sql")).statements] == ["DROP TABLE a", "SELECT 1"]
    assert statement_kinds(text) == {"DROP", "SELECT"}


def test_a_script_without_a_statement_is_told(project: SqlProject) -> None:
    """Whoever imports it learns that it does nothing."""
    folder = project.directory({**GOLANG, "000005_empty.up.sql": "-- nothing\n"})
    last = plan_adoption(project.alembic, read_directory(folder)).steps[-1]
    assert "000005_empty.up.sql has no statement: it does nothing" in last.notes
