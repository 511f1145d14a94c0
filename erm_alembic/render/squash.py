"""What became of a squash, as text and as JSON (`erm squash`)."""

from __future__ import annotations

from collections.abc import Sequence

from erm_alembic.planning.squashes import Squashed
from erm_alembic.render.json import result_document
from erm_alembic.render.safe import Paint, one_line, plain
from erm_alembic.render.words import counted

__all__ = ["squashed_json", "squashed_text"]


def squashed_text(squashed: Squashed, files: Sequence[str], kept: str | None, paint: Paint = plain) -> str:
    """What became of the files.

    Args:
        squashed: the revisions, and the one.
        files: the new files as they may be typed.
        kept: the folder of the old files, likewise.
        paint: gives colour; none by default.
    """
    revision = one_line(squashed.revision)
    lines = [f"  {paint('written', 'good')}  {path}" for path in files]
    lines += [f"  {paint('kept', 'good')}     {kept}/  (the old files)"] if kept is not None else []
    lines += [f"  {paint('note', 'warn')}     {one_line(note)}" for note in squashed.notes]
    many = counted(len(squashed.replaced), "revision") if squashed.replaced else "the revisions"
    rows = f", with the rows of {counted(squashed.tables, 'table')}" if squashed.tables else ""
    lines.append(paint(f"Proven: replayed in a shadow, {revision} makes what {many} made{rows}.", "good"))
    return "\n".join(lines) + "\n"


def squashed_json(squashed: Squashed) -> str:
    """One object; keys are added, never renamed.

    Args:
        squashed: the revisions, and the one.
    """
    return result_document(
        {
            "environment": squashed.environment,
            "revision": squashed.revision,
            "replaced": list(squashed.replaced),
            "files": [path.as_posix() for path in squashed.files],
            "kept": None if squashed.kept is None else squashed.kept.as_posix(),
            "tables": squashed.tables,
            "notes": list(squashed.notes),
        }
    )
