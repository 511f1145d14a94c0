"""What is committed of a revision, looked through: which note is meant by a statement that the revision sends again.

A note with the same values is the statement's own. It stands at or after the last one found, or, where a loop went
through things in another order, before it; a note of another line that was left behind there is of something that the
revision does not send any more. Where the values differ, either chance has made the difference (the time, a random
number), or it is another statement of a loop. That cannot be seen. Chance is believed where the line has one note of
that text and sends that text once; all else is refused, so that nothing is left out that was not done, and nothing is
done twice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from erm_alembic.ledger.progress import DoneStatement

__all__ = ["Doubtful", "Found", "Recorded"]

Form = tuple[str, str, int | None]


@dataclass(frozen=True)
class Found:
    """The note of a statement.

    Args:
        note: the note.
        at: its position among the notes.
        form: by what it was found where the values differ; None where they are the same.
    """

    note: DoneStatement
    at: int
    form: Form | None = None


class Doubtful(Exception):
    """Nobody can know whether a statement is committed.

    Args:
        note: the note that may be its own, or another one's.
        why: what speaks against it.
    """

    def __init__(self, note: DoneStatement, why: str) -> None:
        super().__init__(why)
        self.note, self.why = note, why


class Recorded:
    """The noted statements of a revision, and how far they have been met again.

    Args:
        statements: the statements, in order.
    """

    def __init__(self, statements: Sequence[DoneStatement] = ()) -> None:
        self._statements = tuple(statements)
        self._pointer = 0
        self._left = set(range(len(self._statements)))
        # A batch loop may have left thousands of them, and each new statement is looked up.
        self._by_digest: dict[str, list[int]] = defaultdict(list)
        self._by_form: dict[Form, list[int]] = defaultdict(list)
        self._behind: dict[tuple[str, int | None], list[int]] = defaultdict(list)
        self._by_chance: dict[Form, DoneStatement] = {}
        for at, each in enumerate(self._statements):
            self._by_digest[each.digest].append(at)
            if each.state == "done":
                self._by_form[each.shape, each.reads, each.line].append(at)

    def __bool__(self) -> bool:
        """Whether a statement may still be one of them, or speak against what was taken for one."""
        return bool(self._left or self._by_chance)

    def with_values(self, digest: str, line: int | None) -> Found | None:
        """The one with this text and these parameters: the next one, else one of this line that was left behind.

        Raises:
            Doubtful: a statement with other values was taken for it.
        """
        positions = self._by_digest.get(digest, ())
        at = bisect_left(positions, self._pointer)
        if at < len(positions):
            return Found(self._statements[positions[at]], positions[at])
        if behind := self._behind.get((digest, line)):
            return Found(self._statements[behind[0]], behind[0])
        for note in self._by_chance.values():
            if note.digest == digest:
                raise Doubtful(note, "was taken for one with other values, which this line sent before it")
        return None

    def of_form(self, shape: str, reads: str, line: int | None) -> Found | None:
        """The only one of this line that has the same text but for its values, and came after the same reads.

        Raises:
            Doubtful: it is not the only one, or the line sends that text more than once.
        """
        form = shape, reads, line
        if form in self._by_chance:
            raise Doubtful(self._by_chance[form], "was taken for one with other values, and this is one more of them")
        positions = self._by_form.get(form, ())
        left = [at for at in positions if at in self._left]
        if not left:
            return None
        if len(positions) > 1 or left[0] < self._pointer:
            raise Doubtful(self._statements[left[0]], "was sent with other values, or stands in another order now")
        return Found(self._statements[left[0]], left[0], form)

    def move_past(self, found: Found) -> bool:
        """It was met again; whether what is new stands elsewhere now."""
        self._left.discard(found.at)
        if found.form is not None:
            self._by_chance[found.form] = found.note
        if found.at < self._pointer:
            self._behind[found.note.digest, found.note.line].remove(found.at)
            return False
        for passed in range(self._pointer, found.at):
            note = self._statements[passed]
            self._behind[note.digest, note.line].append(passed)
        self._pointer = found.at + 1
        return True

    def between(self) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        """The places of the furthest one found and of the next one: what is new stands between them."""
        after = self._statements[self._pointer - 1].place if self._pointer else ()
        return after, self._statements[self._pointer].place if self._pointer < len(self._statements) else None
