"""A plan as the text that squawk reads, and whose statement each of its lines is."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count, groupby

from erm_alembic.checks.reading import ReadStatement
from erm_alembic.planning.model import Statement

__all__ = ["PlanText", "plan_text"]

# What the driver takes for a placeholder, or for a percent sign, in a text that is sent with values.
PLACEHOLDER = re.compile(r"%(?:%|\([^()]*\)[sbt]|[sbt])")
# A helper of the driver writes all the rows there.
OF_ROWS = re.compile(r"\bVALUES\s+%s", re.IGNORECASE)
# It would silence what other revisions do.
WHOLE_FILE = re.compile(r"squawk-ignore-file")


@dataclass(frozen=True)
class PlanText:
    """The text.

    Args:
        sql: it.
        statements: the statements that it has.
        starts: the line on which each begins, in order.
        ends: the line on which each ends.
    """

    sql: str
    statements: tuple[ReadStatement, ...] = field(repr=False)
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def at(self, line: int) -> tuple[ReadStatement, int] | None:
        """The statement on a line, and how many lines below its first one that is; None for what erm put around.

        Args:
            line: a line of the text, from 1.
        """
        place = bisect_right(self.starts, line) - 1
        if place < 0 or line > self.ends[place]:
            return None
        return self.statements[place], line - self.starts[place]


def plan_text(statements: Iterable[ReadStatement]) -> PlanText:
    """Write the statements of a plan one after the other, those of a transaction within BEGIN and COMMIT.

    Args:
        statements: the statements, in order.
    """
    lines: list[str] = []
    kept: list[ReadStatement] = []
    starts: list[int] = []
    ends: list[int] = []
    for _, group in groupby(statements, key=lambda each: (id(each.step), each.transaction)):
        together: Sequence[ReadStatement] = list(group)
        inside = not together[0].statement.autocommit
        lines += ["BEGIN;"] if inside else []
        for each in together:
            text = _readable(each.statement).split("\n")
            kept.append(each)
            starts.append(len(lines) + 1)
            lines += text
            ends.append(len(lines))
            lines.append(";")
        lines += ["COMMIT;"] if inside else []
    return PlanText("\n".join([*lines, ""]), tuple(kept), tuple(starts), tuple(ends))


def _readable(statement: Statement) -> str:
    """The statement with `$1` and so on for its placeholders, and without what ends it."""
    sql = WHOLE_FILE.sub("squawk-ignore", statement.sql)
    if statement.parameter_sets:
        numbers = count(1)
        sql = OF_ROWS.sub("VALUES ($1)", sql)
        sql = PLACEHOLDER.sub(lambda found: "%" if found.group() == "%%" else f"${next(numbers)}", sql)
    return sql.replace("\r\n", "\n").replace("\0", " ").rstrip().removesuffix(";")
