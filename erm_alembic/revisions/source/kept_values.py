"""The enum values that a revision declares to stay when it is taken back: PostgreSQL removes none from a type.

    keeps = ("public.mood.'happy'",)

One that is not declared is taken for forgotten. The way up must then bear to find it: `ADD VALUE IF NOT EXISTS`.
"""

from __future__ import annotations

import ast

from erm_alembic.revisions.source.bindings import bindings, constant

__all__ = ["kept_values"]


def kept_values(tree: ast.Module) -> tuple[str, ...]:
    """The values as the file's `keeps` names them; none where that is no text and no list of texts.

    Args:
        tree: the revision file's syntax tree.

    Example:
        >>> kept_values(ast.parse('''keeps = ["public.mood.'happy'"]'''))
        ("public.mood.'happy'",)
    """
    declared = bindings(tree.body, "keeps")
    value = constant(declared[-1]) if declared and isinstance(declared[-1], ast.expr) else None
    if isinstance(value, str):
        return (value,)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, tuple) else ()
