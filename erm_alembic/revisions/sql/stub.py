"""The small revision file that stands beside a pair of SQL scripts, and the module that it runs them with."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath

__all__ = ["RUNNER", "docstring_of", "runner_source", "stub_source"]

RUNNER = "sql_scripts.py"

STUB = '''"""{message}

Revision ID: {revision}
Revises: {down_revision}

Its SQL stands beside this file: {scripts}.
"""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

# Alembic reads these.
revision = {revision!r}
down_revision = {down_revision_value!r}
branch_labels = None
depends_on = None

upgrade_sql = {up!r}
downgrade_sql = {down!r}

HERE = Path(__file__).parent
RUNNER = HERE / {runner!r}


def upgrade() -> None:
    runner().upgrade(HERE / upgrade_sql)


def downgrade() -> None:
    runner().downgrade(HERE / downgrade_sql)


def runner():
    """The module that sends the scripts: found by its place, whatever sys.path is."""
    spec = spec_from_file_location(RUNNER.stem, RUNNER)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
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
    runner = PurePath(os.path.relpath((scripts_dir / RUNNER).resolve(), folder.resolve())).as_posix()
    return STUB.format(
        message=message,
        revision=revision,
        down_revision=down_revision or "",
        down_revision_value=down_revision,
        up=up,
        down=down,
        scripts=", ".join(dict.fromkeys((up, down))),
        runner=runner,
    )


def runner_source() -> bytes:
    """The module that runs the scripts, ready to be written into the script location: the one that erm itself uses."""
    return Path(__file__).with_name(RUNNER).read_bytes()
