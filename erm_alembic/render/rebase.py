"""What became of several heads, as text and as JSON (`erm rebase`)."""

from __future__ import annotations

from erm_alembic.planning.rebases import Move, Rebased
from erm_alembic.render.json import plain_value, result_document
from erm_alembic.render.safe import Paint, block, one_line, plain

__all__ = ["rebased_json", "rebased_text"]


def rebased_text(rebased: Rebased, merge: str | None, paint: Paint = plain) -> str:
    """What was put where, or what would be.

    Args:
        rebased: what became of the heads.
        merge: the merge revision's file as it may be typed.
        paint: gives colour; none by default.
    """
    lines = [line for move in rebased.moves for line in _move(move, rebased.written, paint)]
    if merge is not None:
        lines.append(f"  {paint('written', 'good')}  {merge}")
    elif not rebased.moves:
        lines.append(f"A revision would be written that merges {', '.join(map(one_line, rebased.heads))}.")
        return "\n".join(lines) + "\n"
    lines += [f"  {paint('note', 'warn')}     {one_line(note)}" for note in rebased.notes]
    heads = ", ".join(map(one_line, rebased.heads))
    one = "The head is" if len(rebased.heads) == 1 else "The heads are"
    if rebased.written:
        lines.append(paint(f"Proven: replayed in a shadow, the new order goes through. {one} {heads}.", "good"))
    else:
        lines.append(f"{one} {heads} then. Nothing was changed.")
    return "\n".join(lines) + "\n"


def _move(move: Move, written: bool, paint: Paint) -> list[str]:
    first, before = one_line(move.revisions[0]), "none" if move.before is None else one_line(move.before)
    word = "builds" if written else "would build"
    lines = [f"  {first} {word} on {one_line(move.onto)}, no longer on {before}  {paint(one_line(move.path), 'dim')}"]
    if len(move.revisions) > 1:
        lines.append(f"    with it: {', '.join(map(one_line, move.revisions[1:]))}")
    return lines if written else [*lines, "", *block(move.diff), ""]


def rebased_json(rebased: Rebased) -> str:
    """One object; keys are added, never renamed.

    Args:
        rebased: what became of the heads.
    """
    return result_document(
        {
            "environment": rebased.environment,
            "moves": plain_value(rebased.moves),
            "heads": list(rebased.heads),
            "merge": None if rebased.merge is None else rebased.merge.as_posix(),
            "written": rebased.written,
            "notes": list(rebased.notes),
        }
    )
