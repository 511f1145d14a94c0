"""Whether a revision was only given another place in the history: the same code, building on something else."""

from __future__ import annotations

import ast

from erm_alembic.revisions.source.bindings import bindings, constant
from erm_alembic.revisions.source.same_code import same_code
from erm_alembic.revisions.source.sql_pair import parted

__all__ = ["declared_parents", "only_moved"]

PARENTS = "down_revision"


def declared_parents(source: str) -> tuple[str, ...]:
    """What a revision's source says that it builds on; empty where that is not told by a constant.

    Args:
        source: the text, as the ledger keeps it.

    Example:
        >>> declared_parents("down_revision = ('a', 'b')")
        ('a', 'b')
    """
    try:
        tree = ast.parse(parted(source)[0].removeprefix("\ufeff"))
    except (SyntaxError, ValueError):
        return ()
    found = bindings(tree.body, PARENTS)
    value = constant(found[-1]) if found and isinstance(found[-1], ast.expr) else None
    if isinstance(value, str):
        return (value,)
    return tuple(part for part in value if isinstance(part, str)) if isinstance(value, tuple) else ()


def only_moved(old_source: str, new_source: str) -> bool:
    """Whether two sources are the same code but for what they build on.

    Args:
        old_source: the text that was applied.
        new_source: the text that stands in the file.

    Example:
        >>> only_moved("down_revision = 'a'; x = 1", "down_revision = 'b'; x = 1  # moved")
        True
        >>> only_moved("down_revision = 'a'; x = 1", "down_revision = 'b'; x = 2")
        False
    """
    try:
        return same_code(_without_place(old_source), _without_place(new_source))
    except (SyntaxError, ValueError, RecursionError):
        return False


def _without_place(source: str) -> str:
    """The source with None for what it builds on, its scripts as they were."""
    text, _ = parted(source)
    tree = ast.parse(text.removeprefix("\ufeff"))
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if isinstance(node, ast.Assign | ast.AnnAssign) and any(
            isinstance(target, ast.Name) and target.id == PARENTS for target in targets
        ):
            node.value = ast.Constant(None)
    scripts = source[len(text) :]
    return f"{ast.unparse(tree)}\n{scripts}"
