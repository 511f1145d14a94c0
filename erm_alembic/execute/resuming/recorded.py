"""What is committed of a revision, looked through: which note is meant by a statement that the revision sends again.

A note with the same text and values is the statement's own, where the revision had read the same before it. All else
may be chance (the time, a random number), another turn of a loop, or an edited helper, which cannot be told apart for
certain: it is refused, so that nothing is left out that was not done, and nothing is done twice. Two cases are
certain enough to go on: one value of chance on a line of its own, and an UPDATE or DELETE of what another read has
found, as in a loop over what is left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from erm_alembic.ledger.progress import DoneStatement
from erm_alembic.postgres.text.nature import Nature, nature

__all__ = ["Doubtful", "Found", "Recorded", "Wanted"]

Effect = Literal["structure", "what is found", "rows"]
# What takes rows away or changes them: done once more for other rows, it does no harm to those that are done.
OF_WHAT_IS_FOUND = frozenset({"UPDATE", "DELETE", "TRUNCATE"})
OF_ROWS = OF_WHAT_IS_FOUND | {"INSERT", "COPY", "MERGE", "SELECT", "WITH", "VALUES", "TABLE", "DO", "CALL", "EXECUTE"}
READ = "SELECT"


@dataclass(frozen=True)
class Wanted:
    """A statement that the revision sends.

    Args:
        digest: its text and values.
        shape: its text without values, and after a colon its text and values without those of chance.
        reads: what was read before it.
        line: where it stands.
        nature: what its words tell.
    """

    digest: str
    shape: str
    reads: str
    line: int | None
    nature: Nature


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
    form: Hashable = None


class Doubtful(Exception):
    """Nobody can know whether a statement is committed.

    Args:
        note: the note that may be its own, or another one's.
        why: what speaks against it.
    """

    def __init__(self, note: DoneStatement, why: str) -> None:
        super().__init__(why)
        self.note, self.why = note, why


Positions = dict[int, None]  # in order, and each of them removed at once: a loop may have left thousands


class Recorded:
    """The noted statements of a revision, and which of them have been met again.

    Args:
        statements: the statements, in order.
        moved: whether the file has other bytes now, so that its lines say nothing.
        overridden: whether its code is another one and somebody lets it go on: what is noted just so is passed over.
    """

    def __init__(
        self, statements: Sequence[DoneStatement] = (), *, moved: bool = False, overridden: bool = False
    ) -> None:
        self._statements = tuple(statements)
        self._moved, self._overridden = moved, overridden
        self._pointer = 0
        self._left: Positions = dict.fromkeys(range(len(self._statements)))
        self._by: dict[Hashable, Positions] = defaultdict(dict)
        self._by_chance: dict[Hashable, DoneStatement] = {}
        self._only_reads: set[Hashable] = set()
        for at in self._left:
            for key in self._keys(self._statements[at]):
                self._by[key][at] = None

    def __bool__(self) -> bool:
        """Whether a statement may still be one of them, or speak against what was taken for one."""
        return bool(self._left or self._by_chance)

    def _keys(self, note: DoneStatement) -> tuple[Hashable, ...]:
        exact = ("digest", note.digest), ("digest", note.digest, self._place(note.line))
        if note.state != "done":
            return exact
        return *exact, self._form(note.shape, note.line), (*self._form(note.shape, note.line), note.reads)

    def _place(self, line: int | None) -> int | None:
        return None if self._moved else line

    def _form(self, shape: str, line: int | None) -> tuple[Hashable, ...]:
        return "form", shape.partition(":")[0], self._place(line)

    def may_be(self, wanted: Wanted) -> bool:
        """Whether a SELECT may be one of them, or of their kind: then it matters whether it writes."""
        return any(
            self._by.get(key) for key in (("digest", wanted.digest), self._form(wanted.shape, wanted.line))
        )  # fmt: skip

    def only_reads(self, wanted: Wanted) -> Found | None:
        """A SELECT has answered where nothing can be written: neither it nor others of its kind are to be met."""
        self._only_reads.add(self._form(wanted.shape, wanted.line))
        positions = self._by.get(("digest", wanted.digest))
        return Found(self._statements[next(iter(positions))], next(iter(positions))) if positions else None

    def find(self, wanted: Wanted) -> Found | None:
        """The note of a statement; None when it is new.

        Raises:
            Doubtful: nobody can know.
        """
        effect = _effect(wanted.nature.kinds)
        exact = self._exact(wanted, certain=effect == "structure" or self._overridden)
        if exact is not None or self._overridden:
            return exact
        return self._of_form(wanted, effect)

    def _exact(self, wanted: Wanted, *, certain: bool) -> Found | None:
        anywhere = self._by.get(("digest", wanted.digest))
        if not anywhere:
            for note in self._by_chance.values():
                if note.digest == wanted.digest:
                    raise Doubtful(note, "was taken for one with other values, which this line sent before it")
            return None
        here = self._by.get(("digest", wanted.digest, self._place(wanted.line)))
        at = next(iter(here or anywhere))
        note = self._statements[at]
        if not certain and note.state == "done":
            if not here:
                raise Doubtful(note, f"stands on line {note.line}")
            if note.reads != wanted.reads:
                raise Doubtful(note, "came after other answers than the revision's queries have now")
        return Found(note, at)

    def _of_form(self, wanted: Wanted, effect: Effect) -> Found | None:
        form = self._form(wanted.shape, wanted.line)
        same_reads = (*form, wanted.reads)
        if same_reads in self._by_chance and effect != "structure":
            raise Doubtful(
                self._by_chance[same_reads], "was taken for one with other values, and this is one more of them"
            )
        alike = tuple(self._by.get(same_reads, ()))
        if alike:
            note = self._statements[alike[0]]
            if len(alike) == 1 and not self._moved and note.shape == wanted.shape:
                return Found(note, alike[0], same_reads)
            if effect != "structure":
                raise Doubtful(note, "was sent with other values, or stands in another order now")
        others = self._by.get(form)
        if others and effect == "rows":
            raise Doubtful(
                self._statements[next(iter(others))],
                "was sent with other values, after other answers than the revision's queries have now",
            )
        return None

    def move_past(self, found: Found) -> bool:
        """It was met again; whether what is new stands elsewhere now."""
        self._left.pop(found.at)
        for key in self._keys(found.note):
            self._by[key].pop(found.at)
        if found.form is not None:
            self._by_chance[found.form] = found.note
        if found.at < self._pointer:
            return False
        self._pointer = found.at + 1
        return True

    def left(self) -> tuple[DoneStatement, ...]:
        """The notes of what is done and was not met again so far."""
        notes = (self._statements[at] for at in self._left)
        return tuple(note for note in notes if note.state == "done")

    def never_met(self, were_read: Container[str]) -> DoneStatement | None:
        """A note that the revision should have sent again and has not, now that its function has ended.

        Args:
            were_read: what it had read, at each statement of this attempt and at its end.
        """
        notes = () if self._overridden else (self._statements[at] for at in self._left)
        return next((note for note in notes if note.state == "done" and self._is_missed(note, were_read)), None)

    def _is_missed(self, note: DoneStatement, were_read: Container[str]) -> bool:
        words = nature(note.sql)
        effect = _effect((*words.kinds, note.tag))
        if note.tag == READ and not words.writes:
            # In a transaction each SELECT is noted; only one that calls a function can have written.
            if self._form(note.shape, note.line) in self._only_reads or "pg_catalog." in note.sql:
                return False
            return words.lasts
        # A loop over what is left has read something else meanwhile. The same reads would have led there again.
        return effect == "rows" or (effect == "what is found" and note.reads in were_read)

    def between(self) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        """The places of the furthest one found and of the next one: what is new stands between them."""
        after = self._statements[self._pointer - 1].place if self._pointer else ()
        return after, self._statements[self._pointer].place if self._pointer < len(self._statements) else None


def _effect(kinds: Sequence[str]) -> Effect:
    """What a statement, or several in one text, may change."""
    found = OF_ROWS.intersection(kinds)
    if not found:
        return "structure"
    return "what is found" if found <= OF_WHAT_IS_FOUND else "rows"
