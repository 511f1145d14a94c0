"""What the shell offers for a revision: the ids in the revision files, read without importing any of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import typer

from erm_alembic.errors import ErmError
from erm_alembic.render.safe import one_line

__all__ = ["complete_revisions"]

# Characters of a message beside an id.
LONGEST = 60


def complete_revisions(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The revisions whose ids begin with what was typed, each with its message; nothing where the project is broken.

    Args:
        context: of the command, for `--config` and `--name`.
        incomplete: what was typed.
    """
    config = context.params.get("config") or context.find_root().params.get("config")
    offered: dict[str, str] = {}
    # Completion is a courtesy: a message amid the typing would be worse than none.
    with suppress(ErmError, OSError, ValueError):
        for path, root in _files(config, context.params.get("name") or "alembic"):
            with suppress(ErmError, OSError, ValueError, SyntaxError):
                offered |= _told(path, root)
    return sorted(each for each in offered.items() if each[0].startswith(incomplete) and each[0] == one_line(each[0]))


def _files(config: Path | None, section: str) -> Iterator[tuple[Path, Path]]:
    """The revision files of the project, each with the project's folder."""
    from erm_alembic.config.loader import load_settings
    from erm_alembic.revisions.source.files import files_of
    from erm_alembic.revisions.source.place import find_place

    settings = load_settings(None, config, require_url=False)
    ini, directory = settings.migrations.alembic_ini, settings.migrations.directory
    place = find_place(settings.project_dir, ini=ini, directory=directory, elsewhere=Path.cwd())
    for path in files_of(place, section):
        yield path, place.root


def _told(path: Path, root: Path) -> dict[str, str]:
    """The revision of a file, with its message."""
    from erm_alembic.revisions.source.files import read_revision_files

    return {each.id: _message(each.source) for each in read_revision_files((path,), root)}


def _message(source: str) -> str:
    """The first line of a revision's docstring."""
    text = ast.get_docstring(ast.parse(source)) or ""
    first = one_line(text.strip().partition("\n")[0])
    return first if len(first) <= LONGEST else f"{first[: LONGEST - 3]}..."
