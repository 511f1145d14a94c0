"""A way out as a text: an SQL script, or the two functions of a revision."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta

from erm_alembic.drift.fix.statements import is_remark
from erm_alembic.postgres.limits import lock_timeout_lines

__all__ = ["as_code", "as_script", "imports_of"]

HEAD = """\
-- {title}
{proof}
-- Written by erm drift; read it before you run it, and look with erm drift whether anything is left.
-- It is all or nothing, and every statement passes where it was run before.
"""
# What SQLAlchemy would take for a parameter.
PARAMETER = re.compile(r"(?<![:\w\\]):\w|\\:")
PROVEN = "-- It was run on a copy of the schema, which has no rows, and left no difference that it is about."
DDL_IMPORT = "import sqlalchemy as sa"


def as_script(
    title: str, lines: Sequence[str], not_proven: str | None = None, lock_timeout: timedelta = timedelta(0)
) -> str:
    """Statements as an SQL script in one transaction.

    Args:
        title: what it is for, on one line.
        lines: statements without semicolons, and remarks.
        not_proven: why it is not known to do what it is for; None where it is.
        lock_timeout: how long a statement may wait for a lock; zero leaves that to the session.
    """
    proof = PROVEN if not_proven is None else f"-- NOT PROVEN: {' '.join(not_proven.split())}"
    body = "\n".join(line if is_remark(line) else f"{line};" for line in lines)
    safe_title = " ".join(title.split())
    limits = "\n".join([*lock_timeout_lines(lock_timeout), "SET LOCAL check_function_bodies = off;"])
    return f"{HEAD.format(title=safe_title, proof=proof)}\nBEGIN;\n{limits}\n\n{body}\n\nCOMMIT;\n"


def as_code(lines: Iterable[str]) -> str:
    """Statements as the body of upgrade() or downgrade(), indented from the second line on.

    Args:
        lines: statements without semicolons, and remarks.

    Example:
        >>> print(as_code(["DROP INDEX IF EXISTS public.hot_idx"]))
        op.execute("DROP INDEX IF EXISTS public.hot_idx")
    """
    told = [piece for line in lines for piece in (_remark(line) if is_remark(line) else _execute(line))]
    return "\n    ".join(told) or "pass"


def _remark(line: str) -> list[str]:
    return [f"# {each.removeprefix('-- ')}" for each in line.splitlines()]


def _execute(statement: str) -> list[str]:
    before, after = "op.execute(", ")"
    if PARAMETER.search(statement):  # a DDL() has none; but it formats
        statement, before, after = statement.replace("%", "%%"), "op.execute(sa.DDL(", "))"
    pieces = statement.splitlines(keepends=True)
    if len(pieces) == 1 and len(statement) <= 90:
        return [f"{before}{_literal(statement)}{after}"]
    return [before, *(f"    {_literal(piece)}" for piece in pieces), after]


def imports_of(code: str) -> str:
    """What a revision with this code imports besides `op`.

    Args:
        code: the body of a function, as `as_code` writes it.
    """
    return DDL_IMPORT if "sa.DDL(" in code else ""


def _literal(text: str) -> str:
    """A literal of Python, in double quotes where nothing in it speaks against them."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return repr(text)
