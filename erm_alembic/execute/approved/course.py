"""A run of an approved plan: the schema and each statement are those that were approved; the ledger keeps how far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.errors import Refused
from erm_alembic.execute.approved.compared import Compared, Comparison
from erm_alembic.execute.approved.left_out import Noted
from erm_alembic.execute.passage import Passage
from erm_alembic.execute.resuming.resume import Resume
from erm_alembic.execute.step import StepUnderWay
from erm_alembic.ledger.approved_runs import Checkpoint, insert_checkpoint
from erm_alembic.ledger.progress import DoneStatement
from erm_alembic.planning.approved_plan import ApprovedPlan
from erm_alembic.planning.divergence import Progress
from erm_alembic.postgres.catalog import quoted_tables
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.login_role import AS_BEFORE, AS_LOGIN_ROLE
from erm_alembic.postgres.snapshot import catalog_fingerprint
from erm_alembic.postgres.text.nature import CHANGES_ROWS, nature

__all__ = ["Approval", "ApprovedCourse"]

# What leaves the schema as it is, unless a trigger or a function of it does more.
ONLY_ROWS = frozenset([*CHANGES_ROWS, "SELECT", "WITH", "COPY", "SET", "SHOW", "LOCK", "TABLE", "VALUES", "TRUNCATE"])


@dataclass(frozen=True)
class Approval:
    """What a run must keep to.

    Args:
        plan: the approved plan.
        progress: how far earlier runs of it have come; None where this is the first one.
        signed_by: the short name of the key that signed it, where one was asked for.
        again: the command that makes a new plan, for messages.
        drift: the command that shows what is otherwise in the schema, for messages.
    """

    plan: ApprovedPlan
    progress: Progress | None = None
    signed_by: str | None = None
    again: str = "erm migrate --mode plan --out FILE"
    drift: str = "erm drift"

    @property
    def catalog(self) -> str | None:
        """The fingerprint that the schema must have."""
        return self.plan.terms.catalog if self.progress is None else self.progress.catalog

    @property
    def without(self) -> tuple[str, ...]:
        """The tables that it leaves out."""
        return () if self.progress is None else self.progress.without


class ApprovedCourse:
    """What an approved plan adds to the course of a run.

    Args:
        approval: what it must keep to.
        run_id: the run.
        ledger_schema: the ledger's schema.
    """

    def __init__(self, approval: Approval, run_id: int, ledger_schema: str) -> None:
        self._approval, self._run_id, self._ledger_schema = approval, run_id, ledger_schema
        self._version_table = approval.plan.terms.version_table or ""

    @classmethod
    def of(cls, approval: Approval | None, run_id: int, ledger_schema: str) -> ApprovedCourse | None:
        """The same; None for a run without an approved plan."""
        return None if approval is None else cls(approval, run_id, ledger_schema)

    def begin(self, connection: Any) -> None:
        """Write into the ledger which plan this run carries out.

        Args:
            connection: the ledger's own connection.
        """
        with connection.cursor() as cursor:
            cursor.execute(insert_checkpoint(connection, self._ledger_schema), self._row().values())

    def verify(self, raw: GatedConnection) -> None:
        """Make sure, under the deploy lock, that nothing has changed the schema since it was looked at.

        Args:
            raw: the migration's connection.

        Raises:
            Refused: something has.
        """
        approval = self._approval
        found = self._fingerprint(raw, approval.without)
        if found is None or found != approval.catalog:
            since = "it was planned" if approval.progress is None else "the run of this plan that was cut off"
            raise Refused(
                f"{approval.plan.name} does not fit: the database's schema was changed by something else since "
                f"{since}.",
                effect="No revision was run.",
                cure=f"`{approval.drift}` shows what is otherwise. Plan again, and have that approved: "
                f"{approval.again}",
            )

    def finished(self, raw: GatedConnection, revision: str) -> None:
        """A step has ended: keep what the schema is now, with the step's own commit.

        Args:
            raw: the migration's connection, in the step's transaction.
            revision: its revision.
        """
        # After the last one there is nothing to go on with.
        is_last = revision == self._approval.plan.terms.steps[-1].revision
        catalog = None if is_last else self._fingerprint(raw)
        self._write(raw, self._row(revision, finished=True, catalog=catalog))

    def passage(self, under_way: StepUnderWay, within: Resume) -> Passage:
        """What stands between a revision whose function runs and the server.

        Args:
            under_way: the revision.
            within: what else stands there, and knows what is committed of it.
        """
        approved, revision = self._approval.plan, under_way.revision
        under_way.checkpoint = lambda connection, rows: self._committing(connection, revision, rows)
        reads = [each.sql for each in under_way.step.statements if each.read]
        step, certain = approved.steps[revision], approved.partial.get(revision)
        comparison = Comparison(step, certain, reads, lambda: Noted(*within.not_met()), approved.name)
        return Compared(within, comparison)

    def _committing(self, connection: GatedConnection, revision: str, rows: Sequence[DoneStatement]) -> None:
        """Something of a revision is about to be committed before its end: keep what the schema is now.

        A statement that begins outside a transaction may be cut off in the middle of its work: then the schema is
        looked at without the tables that it works on.
        """
        begun = [oid for row in rows if row.state == "started" for oid in row.relations]
        if rows and not begun and all(ONLY_ROWS.issuperset(nature(row.sql).kinds) for row in rows):
            return
        without: tuple[str, ...] = ()
        if begun:
            with connection.cursor(cursor_factory=PlainCursor) as cursor:
                without = quoted_tables(cursor, begun)
        self._write(connection, self._row(revision, catalog=self._fingerprint(connection, without), without=without))

    def _row(
        self, revision: str | None = None, *, finished: bool = False, catalog: str | None = None, without: Any = ()
    ) -> Checkpoint:
        digest, signed_by = self._approval.plan.digest, self._approval.signed_by
        return Checkpoint(self._run_id, digest, revision, finished, catalog, tuple(without), signed_by)

    def _fingerprint(self, connection: GatedConnection, without: Sequence[str] = ()) -> str | None:
        """The fingerprint of the schema; None where it cannot be read, because somebody has locked a view."""
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            try:
                tables = (self._version_table, *without)
                return catalog_fingerprint(cursor, (self._ledger_schema,), tables, prepared=True)
            except psycopg2.Error:
                if connection.closed:
                    raise
                return None

    def _write(self, connection: GatedConnection, row: Checkpoint) -> None:
        statement = insert_checkpoint(connection, self._ledger_schema)
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            cursor.execute(sql.SQL(";").join([AS_LOGIN_ROLE, statement, AS_BEFORE]), row.values())
