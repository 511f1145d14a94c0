"""What is committed of a revision, looked through in its order: nothing before the last one found is found again."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from erm_alembic.ledger.progress import DoneStatement

__all__ = ["Recorded"]


class Recorded:
    """The noted statements of a revision, and how far they have been met again.

    Args:
        statements: the statements, in order.
    """

    def __init__(self, statements: Sequence[DoneStatement] = ()) -> None:
        self._statements = tuple(statements)
        self._pointer = 0
        # A batch loop may have left thousands of them, and each new statement is looked up.
        self._by_digest: dict[str, list[int]] = defaultdict(list)
        self._by_form: dict[tuple[str, str, int | None], list[int]] = defaultdict(list)
        for at, each in enumerate(self._statements):
            self._by_digest[each.digest].append(at)
            if each.state == "done":
                self._by_form[each.shape, each.reads, each.line].append(at)

    def __bool__(self) -> bool:
        return self._pointer < len(self._statements)

    def with_values(self, digest: str) -> DoneStatement | None:
        """The next one with this text and these parameters."""
        return self._next_of(self._by_digest.get(digest, ()))

    def of_form(self, shape: str, reads: str, line: int | None) -> DoneStatement | None:
        """The next one of this line that has the same text but for its values, and came after the same reads."""
        return self._next_of(self._by_form.get((shape, reads, line), ()))

    def _next_of(self, positions: Sequence[int]) -> DoneStatement | None:
        at = bisect_left(positions, self._pointer)
        return self._statements[positions[at]] if at < len(positions) else None

    def move_past(self, found: DoneStatement) -> None:
        """Go on behind a statement that was found."""
        self._pointer = found.ordinal

    def between(self) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        """The places of the last one found and of the next one: what is new stands between them."""
        after = self._statements[self._pointer - 1].place if self._pointer else ()
        return after, self._statements[self._pointer].place if self else None
