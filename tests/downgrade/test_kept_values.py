"""`keeps` in a revision file: the enum values that stay when it is taken back."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from erm_alembic.revisions.source.files import inspect_file
from erm_alembic.revisions.source.kept_values import kept_values


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("keeps = (\"public.mood.'happy'\",)", ("public.mood.'happy'",)),
        ("keeps: tuple = [\"public.mood.'a'\", \"public.mood.'b'\"]", ("public.mood.'a'", "public.mood.'b'")),
        ("keeps = \"public.mood.'happy'\"", ("public.mood.'happy'",)),
        ("keeps = ()", ()),
        ("keeps = (1, None)", ()),
        ("keeps = values()", ()),
        ("def keeps(): ...", ()),
        ("revision = 'a'", ()),
    ],
)
def test_only_texts_that_stand_there_count(source: str, values: tuple[str, ...]) -> None:
    """The file is read and never run: what has to be computed declares nothing."""
    assert kept_values(ast.parse(source)) == values


def test_a_revision_that_is_written_in_sql_declares_them_in_its_python_file(tmp_path: Path) -> None:
    """Its scripts stand beside it; the report of its down script has them."""
    (tmp_path / "1_a.sql").write_text("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'happy';")
    (tmp_path / "1_a.down.sql").write_text("UPDATE users SET mood = 'ok' WHERE mood = 'happy';")
    file = tmp_path / "1_a.py"
    file.write_text("upgrade_sql = '1_a.sql'\ndowngrade_sql = '1_a.down.sql'\nkeeps = (\"public.mood.'happy'\",)\n")
    report = inspect_file(file.read_bytes(), file, "versions/1_a.py")
    assert (report.state, report.keeps) == ("ok", ("public.mood.'happy'",))
