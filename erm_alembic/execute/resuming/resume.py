"""Goes on with a revision of which a part is committed, by an earlier run or by an earlier try of this one.

The revision's function runs again from its start. What it sends is looked for among what is committed: what is found
there is not sent again, and answered from the note. A revision which looks before it leaps may leave out what it has
done.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from psycopg2 import errors as pg
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.config.env_option import env_option
from erm_alembic.errors import ErmError, Refused
from erm_alembic.execute.resuming.clearing import Sending
from erm_alembic.execute.resuming.fingerprint import digest, new_salt, shape
from erm_alembic.execute.resuming.generated_keys import refuse_keys
from erm_alembic.execute.resuming.noting import Notes, Sent, gated, in_transaction
from erm_alembic.execute.resuming.outside import Outside
from erm_alembic.execute.resuming.recorded import Doubtful, Found, Recorded, Wanted
from erm_alembic.execute.step import StepUnderWay
from erm_alembic.ledger.progress import DoneStatement, HalfDone
from erm_alembic.ledger.store import Ledger
from erm_alembic.planning.half_done import OBSTACLES, stuck_at
from erm_alembic.postgres.intercept import GatedConnection, GatedCursor, Send
from erm_alembic.postgres.text.nature import nature
from erm_alembic.revisions.source.same_code import same_code
from erm_alembic.revisions.source.sql_pair import counted_in

__all__ = ["Resume"]

# Released as well: thousands that nest, of a loop that reads, slow down the whole server.
AGAIN_WITHIN = ("SAVEPOINT erm_again", "ROLLBACK TO SAVEPOINT erm_again; RELEASE SAVEPOINT erm_again")
STAYS = "What is committed of it stays; nothing else of it was run."
STAYS_SO_FAR = "What is committed of it stays."


class Resume:
    """The part of a revision that is committed before the revision is recorded.

    Args:
        ledger: knows it.
        run_id: the run.
        step: the revision.
        half_done: what earlier runs committed of it; None when that is nothing.
        raw: the migration's own connection.
        sending: what stands around a statement while the server works on it.
        tell: told that a revision is gone on with.
        environment: the profile, for the commands that a refusal tells to type.
    """

    def __init__(
        self,
        ledger: Ledger,
        run_id: int,
        step: StepUnderWay,
        half_done: HalfDone | None,
        raw: GatedConnection,
        sending: Sending,
        tell: Callable[[str], None],
        environment: str = "dev",
    ) -> None:
        self._ledger, self._run_id, self._step, self._raw = ledger, run_id, step, raw
        self._env = env_option(environment)
        self._half_done, self._sending, self._tell = half_done, sending, tell
        self._earlier_run = half_done is not None
        self._recorded = Recorded()
        self._were_read: set[str] = set()
        self._refusal: ErmError | None = None
        self._attempts = 0
        self._begin_notes()

    def _begin_notes(self) -> None:
        salt = self._half_done.salt if self._half_done is not None else new_salt()
        self._notes = Notes(self._ledger, self._run_id, self._step, salt)
        self._outside = Outside(self._notes, self._sending, self._tell)

    @property
    def has_progress(self) -> bool:
        """Whether the ledger may have notes of the revision."""
        return self._half_done is not None or self._notes.written

    def not_met(self) -> tuple[str, tuple[DoneStatement, ...]]:
        """What is committed and was not sent again so far, with what the hashes of it begin with."""
        return self._notes.salt, self._recorded.left()

    def begin(self) -> None:
        """The revision's function is about to run, for the first time or once more after it was rolled back.

        Raises:
            Refused: what is committed of it cannot be gone on with.
        """
        self._attempts += 1
        if self._attempts > 1:
            self._half_done = self._read_again() if self.has_progress else None
            self._begin_notes()
        self._refusal, self._recorded, self._were_read = None, Recorded(), set()
        if self._half_done is None:
            return
        if self._earlier_run and self._attempts == 1:
            done = sum(each.state == "done" for each in self._half_done.statements)
            self._tell(
                f"Revision {self._step.revision} is half done since run {self._half_done.run_id}: "
                f"{done} of its statements {'is' if done == 1 else 'are'} committed and not sent again."
            )
        self._refuse_what_is_stuck(self._half_done)
        self._settle(self._half_done)
        if self._half_done is not None:
            self._recorded = self._look_through(self._half_done)
            self._notes.stand_between(*self._recorded.between())

    def _look_through(self, half_done: HalfDone) -> Recorded:
        facts = self._step.pending.facts
        moved = half_done.source_hash != facts.source_hash
        overridden = moved and not same_code(half_done.source, facts.source)
        return Recorded(half_done.statements, moved=moved, overridden=overridden)

    def _read_again(self) -> HalfDone | None:
        step = self._step
        return next(
            (
                each
                for each in self._ledger.half_done()
                if (each.revision, each.direction) == (step.revision, step.direction)
            ),
            None,
        )

    def _refuse_what_is_stuck(self, half_done: HalfDone) -> None:
        """A plan says so too; an override lets it pass there, or it came to be in an earlier try of this run."""
        is_first = self._earlier_run and self._attempts == 1
        stuck = stuck_at(half_done, frozenset() if is_first else frozenset({self._raw.info.backend_pid}))
        if stuck is not None:
            obstacle, note = stuck
            said = f"`{note.sql}` was under way; " if obstacle == "cut-off" else ""
            raise self._refused(note.line, f"{said}{OBSTACLES[obstacle]}")

    def _settle(self, half_done: HalfDone) -> None:
        """Find out what became of the statements that were under way, before the revision looks at what they left."""
        started = [each for each in half_done.statements if each.state == "started"]
        if not started:
            return
        with _autocommit(self._raw):
            for row in started:
                was_done = self._outside.settle(self._raw, row)
                if was_done is True:
                    self._notes.ended(self._raw, row, row.tag)
                elif was_done is False:
                    self._notes.undone(self._raw, row)
        self._half_done = self._read_again()

    def _refused(self, line: int | None, why: str, effect: str = STAYS) -> Refused:
        step = self._step
        facts = step.pending.facts
        path = counted_in(facts.path, facts.source, step.direction)
        place = path if line is None else f"{path}:{line}"
        return Refused(
            f"{place}: revision {step.revision} is half done and cannot be gone on with: {why}.",
            effect=effect,
            cure=f"`erm repair {step.revision}{self._env}` shows what is committed, and takes it back or marks it "
            "done.",
        )

    def check(self) -> None:
        """The revision's function has ended: raise what it kept to itself, or what it should have sent again.

        Raises:
            Refused: it asked for rows that are not kept, or has left out what is committed.
        """
        self.raise_kept()
        missed = self._recorded.never_met(self._were_read | {str(self._notes.reads)})
        if missed is not None:
            self._refusal = self._refused(
                missed.line,
                f"`{missed.sql}` is committed, and the revision has not sent it again: it goes another way than before "
                "(a module or a file that it uses was edited, or it looks at what it has changed)",
                STAYS_SO_FAR,
            )
            raise self._refusal

    def raise_kept(self) -> None:
        """Raise again a refusal that the revision, or the ORM within it, has made another error of.

        Raises:
            Refused: the revision cannot be gone on with.
        """
        if self._refusal is not None:
            raise self._refusal

    def pass_through(
        self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], line: int | None, send: Send
    ) -> None:
        """Send a statement of the revision, unless it is committed already.

        Args:
            cursor: what it comes through.
            sql: the text with its placeholders.
            parameters: the sets of parameters.
            line: its line in the revision's file.
            send: sends it; may be called twice, where the server refuses it within a transaction.
        """
        self.raise_kept()
        kind = nature(sql)
        connection = gated(cursor)
        sent = Sent(cursor, sql, parameters, line, kind, digest(self._notes.salt, sql, parameters, connection))
        if cursor.name is not None or kind.again:
            self._send_again(sent, send)
            return
        if not self._recorded:
            self._send(sent, send)
            if kind.reads:
                self._notes.reads.add(cursor, sql, parameters)
            return
        wanted = self._wanted(sent)
        if kind.reads and self._recorded.may_be(wanted) and self._answered_again(sent, send):
            read = self._recorded.only_reads(wanted)
            if read is not None:
                self._move_past(read)
            self._notes.reads.add(cursor, sql, parameters)
            return
        found = self._find(wanted)
        if found is None:
            self._send(sent, send)
        else:
            self._move_past(found)
        if found is not None and found.note.state == "started":
            self._outside.once_more(sent, send, found.note)
        elif found is not None:
            self._answer_from(found.note, sent)
        if kind.reads:
            self._notes.reads.add(cursor, sql, parameters, None if found is None else found.note.rowcount)

    def _send_again(self, sent: Sent, send: Send) -> None:
        """Send what is the session's or the transaction's, and follow what it makes of the transaction."""
        if sent.nature.commits:
            self._notes.before_commit(sent.connection)
        if sent.nature.rolls_back:
            self._notes.take_rows(sent.connection)
        send()
        if sent.nature.handles_savepoints:
            self._notes.savepoint(sent.connection, sent.sql)
        if sent.cursor.name is not None or sent.nature.kinds == ("COPY",):
            self._notes.reads.add_unknown()
        elif sent.cursor.description is not None:
            self._notes.reads.add(sent.cursor, sent.sql, sent.parameters)

    def _send(self, sent: Sent, send: Send) -> None:
        if sent.nature.lasts and (sent.nature.writes or not in_transaction(sent.connection)):
            self._step.sent_what_may_last = True
        if sent.nature.mixes:
            self._outside.plainly(sent, send, "SEVERAL")
        elif in_transaction(sent.connection):
            send()
            self._notes.done_in_transaction(sent)
        else:
            self._outside.send(sent, send)

    def _wanted(self, sent: Sent) -> Wanted:
        reads = str(self._notes.reads)
        self._were_read.add(reads)
        form = shape(self._notes.salt, sent.sql, sent.parameters, sent.connection)
        return Wanted(sent.digest, form, reads, sent.line, sent.nature)

    def _find(self, wanted: Wanted) -> Found | None:
        """The note of a statement: with the same values; else of the same line, where only chance differs."""
        try:
            found = self._recorded.find(wanted)
        except Doubtful as doubt:
            why = f"nobody can know whether this statement is done: `{doubt.note.sql}`, which is committed, {doubt.why}"
            self._refusal = self._refused(wanted.line, why, STAYS_SO_FAR)
            raise self._refusal from doubt
        if found is not None and found.form is not None:
            place = "a statement" if wanted.line is None else f"line {wanted.line}"
            self._tell(
                f"      {place} of {self._step.revision} was committed with other values (a time, a random number): "
                f"it is not sent again: {found.note.sql}"
            )
        return found

    def _move_past(self, found: Found) -> None:
        if self._recorded.move_past(found):
            self._notes.stand_between(*self._recorded.between())

    def _answered_again(self, sent: Sent, send: Send) -> bool:
        """Send a SELECT that is noted but may only have read: the server tells, where it cannot write."""
        connection = sent.connection
        inside = in_transaction(connection)
        begin, undo = AGAIN_WITHIN if inside else ("BEGIN", "ROLLBACK")
        with connection.cursor(cursor_factory=PlainCursor) as side:
            side.execute(f"{begin}; SET LOCAL transaction_read_only = on")
            try:
                send()
            except pg.ReadOnlySqlTransaction:
                side.execute(undo)
                return False
            except BaseException:
                if not connection.closed:
                    side.execute(undo)
                raise
            side.execute(undo)
        return True

    def _answer_from(self, found: DoneStatement, sent: Sent) -> None:
        """Answer what is committed already: its row count is known, its rows are not."""
        cursor = sent.cursor
        cursor.held_back, cursor.noted_rowcount = True, found.rowcount
        if not found.columns:
            return
        PlainCursor.execute(cursor, f"SELECT {', '.join(['NULL'] * found.columns)} WHERE false")
        cursor.answered = True
        # SQLAlchemy looks at a generated key by itself; the revision that wants to know it is refused then.
        if not refuse_keys(cursor, lambda: self._refuse_rows(sent, found)):
            cursor.on_fetch = lambda: self._refuse_rows(sent, found)

    def _refuse_rows(self, sent: Sent, found: DoneStatement) -> NoReturn:
        self._refusal = self._refused(
            sent.line,
            f"it asks for the rows that `{found.sql}` answered, which was committed before and is not sent again",
            STAYS_SO_FAR,
        )
        raise self._refusal

    def committing(self, connection: GatedConnection) -> None:
        """A transaction of the revision is about to be committed, before the revision's own end."""
        self._notes.before_commit(connection)

    def rolled_back(self, connection: GatedConnection) -> None:
        """A transaction of the revision was rolled back."""
        self._notes.take_rows(connection)


@contextlib.contextmanager
def _autocommit(raw: GatedConnection) -> Iterator[None]:
    """Work outside a transaction for as long as the block lasts."""
    if raw.info.transaction_status != TRANSACTION_STATUS_IDLE:
        raw.commit()
    before, raw.autocommit = raw.autocommit, True
    try:
        yield
    finally:
        if not raw.closed:
            raw.autocommit = before
