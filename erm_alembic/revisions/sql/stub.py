"""The small revision file that stands beside a pair of SQL scripts, and the module that it runs them with."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path, PurePath

__all__ = ["RUNNER", "docstring_of", "runner_source", "stub_source"]

RUNNER = "sql_scripts.py"

STUB = '''"""{message}

Revision ID: {revision}
Revises:{down_revision}

Its SQL stands in scripts beside this file.
"""

from pathlib import Path

from alembic.util import load_python_file

# Alembic reads these.
revision = {quoted_revision}
down_revision = {quoted_down_revision}
branch_labels = None
depends_on = None

upgrade_sql = {up}
downgrade_sql = {down}

HERE = Path(__file__).parent


def upgrade() -> None:
    runner().upgrade(HERE / upgrade_sql)


def downgrade() -> None:
    runner().downgrade(HERE / downgrade_sql)


def runner():
    """What sends the scripts; loaded by its place, whatever sys.path is."""
    return load_python_file(HERE / {runner}, {module})
'''


def docstring_of(name: str) -> str:
    """Words that are safe in the docstring of a revision file, made from a script's name.

    Args:
        name: the name, with underscores or hyphens between its words.

    Example:
        >>> docstring_of("add_reviews"), docstring_of('a\\\\"b')
        ('add reviews', 'a b')
    """
    words = re.sub(r"""[_\-\s\\"']+""", " ", name)
    return "".join(sign if sign.isprintable() else " " for sign in words).strip() or "sql"


def stub_source(
    *, message: str, revision: str, down_revision: str | None, up: str, down: str, folder: Path, scripts_dir: Path
) -> str:
    """The text of a revision file that runs a pair of SQL scripts.

    Args:
        message: what changes, in one line.
        revision: Alembic's revision id.
        down_revision: the id that it builds on; None for the first.
        up: the file name of the script on the way up.
        down: that of the script on the way down; the same one where a file has both halves.
        folder: where the three stand.
        scripts_dir: Alembic's script location, where the runner stands.
    """
    runner = PurePath(os.path.relpath(scripts_dir.resolve(), folder.resolve())).as_posix()
    return STUB.format(
        message=message,
        revision=revision,
        down_revision=f" {down_revision}" if down_revision else "",
        quoted_revision=_quoted(revision),
        quoted_down_revision="None" if down_revision is None else _quoted(down_revision),
        up=_quoted(up),
        down=_quoted(down),
        runner=_quoted(runner),
        module=_quoted(RUNNER),
    )


def _quoted(text: str) -> str:
    """A text as Python's formatters write it: JSON's strings are Python's."""
    return json.dumps(text, ensure_ascii=False)


def runner_source() -> bytes:
    """The module that runs the scripts, ready to be written into the script location: the one that erm itself uses."""
    return Path(__file__).with_name(RUNNER).read_bytes()
