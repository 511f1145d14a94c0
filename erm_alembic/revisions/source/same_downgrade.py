"""Whether two texts of a revision go down in the same way: an edit of `upgrade()` alone does not count."""

from __future__ import annotations

import ast

from erm_alembic.revisions.source.same_code import same_code, same_sql
from erm_alembic.revisions.source.sql_pair import pair_of, parted

__all__ = ["same_downgrade"]


def same_downgrade(old_source: str, new_source: str) -> bool:
    """Whether two sources are the same code but for `upgrade()`; of SQL scripts, whether the one down is the same.

    Args:
        old_source: the text that was run.
        new_source: the text that stands in the file.

    Example:
        >>> same_downgrade("def upgrade(): one()\\ndef downgrade(): two()", "def upgrade(): 1\\ndef downgrade(): two()")
        True
        >>> same_downgrade("def downgrade(): one()", "def downgrade(): two()")
        False
    """
    if same_code(old_source, new_source):
        return True
    (old, old_scripts), (new, new_scripts) = parted(old_source), parted(new_source)
    try:
        if (pair := pair_of(ast.parse(new))) is not None:
            down = pair.down
            return down in old_scripts and down in new_scripts and same_sql(old_scripts[down], new_scripts[down])
        return same_code(_without_upgrade(old), _without_upgrade(new))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _without_upgrade(source: str) -> str:
    tree = ast.parse(source.removeprefix("\ufeff"))
    tree.body = [node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name == "upgrade")]
    return ast.unparse(tree)
