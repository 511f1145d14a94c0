"""What a role needs for each purpose but `migrate`: smoke, plan, observe, backup, application."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from erm_alembic.config.settings import Settings
from erm_alembic.grants.gathering import Gathering
from erm_alembic.grants.migrating import use_schema, want_ledger
from erm_alembic.grants.tried import Tried
from erm_alembic.postgres.rights.objects import Found

__all__ = ["want_application", "want_backup", "want_observing", "want_planning", "want_smoke"]

READ_ALL_SINCE = 14
ROWS = ("SELECT", "INSERT", "UPDATE", "DELETE")


def want_smoke(gathering: Gathering, tried: Tried, settings: Settings, role: str, maker: str, keeper: str) -> None:
    """Smoke tests read the project's tables, and are recorded.

    Args:
        gathering: gathers it.
        tried: which tables the project has.
        settings: what is in force.
        role: who logs in.
        maker: who makes new tables.
        keeper: who keeps the ledger.
    """
    tester = settings.smoke.role or role
    gathering.member(tester, role, "smoke.role: smoke tests are run as it", set_role=True)
    why = "smoke tests read it"
    _on_tables(gathering, tried, tester, ("SELECT",), why)
    _by_default(gathering, tried, maker, tester, ("SELECT",), (), why)
    want_ledger(gathering, settings.ledger.schema, keeper, tables=("smoke",))
    database = gathering.standing.named("database", gathering.standing.database)
    if database is not None and not gathering.covered(database, "TEMPORARY", role):
        held = gathering.standing.role(role) is not None and gathering.standing.has(role, database, "TEMPORARY")
        sql = gathering.statements.on([database], ["TEMPORARY"], role)
        gathering.last(sql, "smoke tests that write, where they call functions", held=held, kind="optional")
    if any(not gathering.covered(found, "INSERT", tester) for found in _tables(gathering, tried)):
        gathering.remark(
            "Smoke tests marked writes=True need INSERT, UPDATE or DELETE on what they write, which is not tried.",
            f"Grant {tester!r} these on the tables that such tests name; their transactions are rolled back.",
        )


def want_planning(gathering: Gathering, tried: Tried, settings: Settings, role: str, acts_as: str) -> None:
    """A plan reads the version table, the ledger, and what revisions read while they are recorded.

    Args:
        gathering: gathers it.
        tried: what the trial has shown.
        settings: what is in force.
        role: who logs in.
        acts_as: as whom the revisions are read.
    """
    gathering.member(acts_as, role, "migrations.role: a plan is made as it", set_role=True)
    why = "a plan reads it"
    for address in tried.relations:
        if address.identity == tried.version_table and (found := gathering.standing.find(address)) is not None:
            _read(gathering, found, acts_as, "Alembic's version table")
    for need in tried.needs:
        if need.direction == "upgrade" and need.right == "SELECT" and need.object is not None:
            read = gathering.standing.find(need.object)
            if read is not None:
                _read(gathering, read, acts_as, why)
    want_ledger(gathering, settings.ledger.schema, role, only_read=True)
    if settings.shadow.source == "live":
        _read_everything(gathering, role, "the shadow is made from the live schema (shadow.from: live)")
    gathering.remark(
        "A revision that reads a table while it is planned needs SELECT on it; what it reads of tables that it also "
        "changes was not told apart."
    )


def want_observing(gathering: Gathering, settings: Settings, role: str, keeper: str) -> None:
    """To observe is to read the server's statistics, and the ledger."""
    gathering.member("pg_monitor", role, "what all sessions do, and the server's statistics", inherit=True)
    want_ledger(gathering, settings.ledger.schema, keeper, only_read=True)


def want_backup(gathering: Gathering, settings: Settings, role: str, keeper: str) -> None:
    """A backup reads every row, or the server's files."""
    backup = getattr(settings, "backup", None)
    if getattr(backup, "method", "pg_dump") == "pg_basebackup":
        known = gathering.standing.role(role)
        held = known is not None and known.may_replicate
        gathering.first(gathering.statements.attribute(role, "REPLICATION"), "pg_basebackup", held=held)
        gathering.remark("pg_basebackup needs a line for `replication` in pg_hba.conf besides.")
    else:
        _read_everything(gathering, role, "pg_dump reads every row")
        if gathering.standing.has_row_security():
            known = gathering.standing.role(role)
            held = known is not None and known.bypasses_policies
            why = "pg_dump refuses tables with row level security otherwise"
            gathering.first(gathering.statements.attribute(role, "BYPASSRLS"), why, held=held)
    want_ledger(gathering, settings.ledger.schema, keeper, tables=("backup", "guard"))


def want_application(gathering: Gathering, tried: Tried, role: str, maker: str) -> None:
    """The application reads and writes rows, and changes no schema.

    Args:
        gathering: gathers it.
        tried: which tables the project has.
        role: who the application logs in as.
        maker: who makes new tables.
    """
    why = "the application reads and writes it"
    _on_tables(gathering, tried, role, ROWS, why)
    for address in tried.relations:
        if address.type == "sequence" and (found := gathering.standing.find(address)) is not None:
            gathering.privilege(found, "USAGE", role, "the application takes numbers of it")
    _by_default(gathering, tried, maker, role, ROWS, ("USAGE",), why)


def _tables(gathering: Gathering, tried: Tried) -> Iterator[Found]:
    for address in tried.relations:
        if address.type != "sequence" and address.identity != tried.version_table:
            found = gathering.standing.find(address)
            if found is not None:
                yield found


def _on_tables(gathering: Gathering, tried: Tried, role: str, privileges: Sequence[str], why: str) -> None:
    for found in _tables(gathering, tried):
        written = privileges if found.address.type not in ("view", "materialized view") else ("SELECT",)
        use_schema(gathering, found.address.names[0], role, why)
        for privilege in written:
            gathering.privilege(found, privilege, role, why)


def _read(gathering: Gathering, found: Found, role: str, why: str) -> None:
    use_schema(gathering, found.address.names[0], role, why)
    gathering.privilege(found, "SELECT", role, why)


def _by_default(
    gathering: Gathering,
    tried: Tried,
    maker: str,
    role: str,
    on_tables: Sequence[str],
    on_sequences: Sequence[str],
    why: str,
) -> None:
    """What is made later is to be readable, too, for a role that does not make it itself."""
    if role == maker or maker in gathering.inherited(role):
        return
    have = gathering.standing.defaults_of(maker)
    for schema in sorted({address.names[0] for address in tried.later if address.identity != tried.version_table}):
        for what, privileges in (("TABLES", on_tables), ("SEQUENCES", on_sequences)):
            if not privileges:
                continue
            given = {each.privilege for each in have if each.grantee == role and each.objects == what}
            sql = gathering.statements.by_default(maker, schema, privileges, what, role)
            gathering.last(sql, f"{why}, once it is made", held=given.issuperset(privileges))


def _read_everything(gathering: Gathering, role: str, why: str) -> None:
    if gathering.standing.major >= READ_ALL_SINCE:
        gathering.member("pg_read_all_data", role, why, inherit=True)
        return
    for schema in gathering.standing.schemas():
        found = gathering.standing.named("schema", schema)
        if found is not None:
            gathering.privilege(found, "USAGE", role, why)
        for what in ("TABLES", "SEQUENCES"):
            sql = gathering.statements.on_all(what, schema, ["SELECT"], role)
            gathering.last(sql, why, held=gathering.standing.reads_all(role, schema))
