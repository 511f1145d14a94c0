"""What the roles may see: positions, catalogs, statistics; and the heartbeat where positions are not stated."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.doctor.evidence import PRIMARY, Evidence
from erm_alembic.doctor.model import Diagnosis, NotNeeded
from erm_alembic.postgres.server_facts import quoted
from erm_alembic.routing.watching.state import Trouble

__all__ = ["catalogs", "heartbeat", "positions", "statistics"]

HEARTBEAT = "or measure it by a heartbeat: database.routing.heartbeat: {schema: monitoring}"


def positions(evidence: Evidence) -> Iterator[Diagnosis | NotNeeded]:
    """The primary and every replica tell the role how far they are."""
    if evidence.settings.routing.heartbeat is not None:
        yield NotNeeded("a heartbeat stands in for them")
        return
    primary = evidence.overview.primary
    assert primary.facts is not None
    role = primary.facts.quoted_role
    state = primary.state
    missing = [
        what
        for what, fact in (("its position", state.lsn), ("its timeline", state.timeline), ("its cluster", state.system))
        if fact is None
    ]
    if state.writable and missing:
        yield Diagnosis(
            "error",
            f"The primary does not tell {' and '.join(missing)} to {primary.facts.role!r}.",
            "No replica is known to be fresh, so that no read with a limit goes to any; no causal token can be given.",
            "GRANT EXECUTE ON FUNCTION pg_current_wal_insert_lsn(), pg_current_wal_lsn(), pg_walfile_name(pg_lsn), "
            f"pg_control_system() TO {role}; {HEARTBEAT}",
            PRIMARY,
        )
    for replica, facts in evidence.standbys:
        if replica.state.reachable and replica.state.replay_lsn is None:
            yield Diagnosis(
                "error",
                f"It does not tell {facts.role!r} how far it has replayed.",
                "It is never known to be fresh, so that no read with a limit goes there.",
                "On the primary: GRANT EXECUTE ON FUNCTION pg_last_wal_replay_lsn() "
                f"TO {facts.quoted_role}; {HEARTBEAT}",
                replica.name,
            )


def statistics(evidence: Evidence) -> Iterator[Diagnosis]:
    """The role sees how the servers' own processes do."""
    for name, facts in evidence.each_server.items():
        if not facts.sees_statistics:
            yield Diagnosis(
                "info",
                f"{facts.role!r} may not see how other processes do.",
                "Sync states, and which standby uses which slot, are not shown; routing needs none of it.",
                f"On the primary: GRANT pg_monitor TO {facts.quoted_role}",
                name,
            )


def catalogs(evidence: Evidence) -> Iterator[Diagnosis]:
    """The primary's catalogs say which functions only read."""
    if evidence.catalogs:
        yield Diagnosis(
            "error",
            f"What the primary's catalogs say of functions cannot be read: {evidence.catalogs}.",
            "No function is known only to read, so that every query that calls one goes to the primary.",
            "Let the role read pg_proc, pg_class and pg_rewrite, as every role may unless somebody revoked it.",
            PRIMARY,
        )


def heartbeat(evidence: Evidence) -> Iterator[Diagnosis | NotNeeded]:
    """The heartbeat, where one is configured, arrives."""
    table = evidence.settings.routing.heartbeat
    if table is None:
        yield NotNeeded("no heartbeat is configured")
        return
    primary = evidence.overview.primary.facts
    assert primary is not None
    schema, role = quoted(table.schema), primary.quoted_role
    for replica in evidence.overview.replicas:
        state = replica.state
        if state.trouble is Trouble.NO_HEARTBEAT:
            yield Diagnosis(
                "error",
                f"Replicas cannot be measured by the heartbeat: {state.problem}.",
                "No read with a limit goes there.",
                f"Let an administrator run on the primary: CREATE SCHEMA {schema} AUTHORIZATION {role}; or, where "
                f"there is one: GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}",
                replica.name,
            )
            break
