"""The replicas: that each answers, is a standby of this very primary, of the same database, and a server of its own."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.doctor.evidence import PRIMARY, Evidence
from erm_alembic.doctor.model import Diagnosis, NotNeeded, NotTold
from erm_alembic.postgres.server_facts import ServerFacts, is_same_start
from erm_alembic.routing.reporting.overview import ReplicaView
from erm_alembic.routing.watching.state import Trouble

__all__ = [
    "clocks",
    "distinct_servers",
    "replica_answers",
    "replica_follows",
    "replica_is_standby",
    "replica_receives",
    "replicas_discovered",
    "same_database",
    "versions",
]

# Clocks that differ by less are in order, in seconds: what was asked one after the other is not asked at once.
CLOCK_TOLERANCE = 5.0


def replica_answers(evidence: Evidence) -> Iterator[Diagnosis]:
    """Each can be reached."""
    for replica in evidence.overview.replicas:
        if replica.facts is None:
            yield Diagnosis(
                "error",
                f"{replica.url} does not answer: {replica.silent}.",
                "No read goes there; the others, or the primary, carry its share.",
                "Check that the server runs and listens there, and the role's password; or take it out of "
                "database.replicas.",
                replica.name,
            )


def replicas_discovered(evidence: Evidence) -> Iterator[Diagnosis | NotNeeded]:
    """Where replicas are looked for, some are found."""
    overview = evidence.overview
    if not overview.discovers:
        yield NotNeeded("no discovery is configured")
        return
    if overview.undiscovered:
        yield Diagnosis(
            "error",
            f"Replicas cannot be discovered: {overview.undiscovered}.",
            "Those that come are not used, and those that go are not noticed, but by their silence.",
            "Correct database.routing.discovery, or bring back what it asks.",
        )
    elif not overview.replicas:
        yield Diagnosis(
            "warning",
            "The discovery works, and has found no replica.",
            "Every read goes to the primary.",
            "Look at what it asks (database.routing.discovery): a name that leads to the primary alone, members that "
            "do not run.",
        )


def replica_is_standby(evidence: Evidence) -> Iterator[Diagnosis]:
    """Each is in recovery."""
    primary = evidence.overview.primary
    for replica in evidence.overview.replicas:
        facts = replica.facts
        if facts is None or facts.in_recovery:
            continue
        if primary.facts is not None and is_same_start(facts, primary.facts):
            continue  # distinct-servers says so
        if _is_of_another_cluster(replica, evidence):
            yield Diagnosis(
                "error",
                "It is the primary of another cluster.",
                "No read goes there.",
                "It is of another cluster; correct its url.",
                replica.name,
            )
            continue
        yield Diagnosis(
            "error",
            "It is out of recovery: it was promoted, or has never been a standby.",
            "No read goes there. Somebody who writes there changes another database than the primary.",
            "Rebuild it from the primary (pg_rewind, pg_basebackup); if it is the new primary, change database.url.",
            replica.name,
        )


def replica_follows(evidence: Evidence) -> Iterator[Diagnosis | NotTold]:
    """Each is known to be on the primary's timeline, of the primary's cluster."""
    yield from _no_standbys(evidence)
    primary = evidence.overview.primary
    system = primary.state.system
    for replica, facts in evidence.standbys:
        state = replica.state
        if state.follows or not state.reachable:
            continue
        if _is_of_another_cluster(replica, evidence):
            yield Diagnosis(
                "error",
                "It is a standby of another cluster.",
                "Its rows are those of another history. No read goes there.",
                "It is of another cluster; correct its url.",
                replica.name,
            )
            continue
        if primary.facts is not None and facts.database != primary.facts.database:
            continue  # same-database says so
        if system is None or state.trouble is Trouble.NOT_TOLD:
            yield NotTold(
                f"Whom it follows is not known: {state.problem or 'the primary does not tell its cluster'}.",
                "On the primary: GRANT EXECUTE ON FUNCTION pg_control_system(), pg_control_checkpoint(), "
                f"pg_control_recovery() TO {facts.quoted_role}",
                replica.name,
            )
            continue
        yield Diagnosis(
            "error",
            f"It is no standby of this primary: {state.problem}.",
            "Its rows are those of another history. No read goes there.",
            "Point its primary_conninfo to this primary and rebuild it (pg_rewind, pg_basebackup); or correct its url.",
            replica.name,
        )


def replica_receives(evidence: Evidence) -> Iterator[Diagnosis | NotTold]:
    """Each is connected to the server that it follows."""
    yield from _no_standbys(evidence)
    for replica, facts in evidence.standbys:
        if facts.receiver is None and "pg_stat_wal_receiver" not in facts.refused:
            yield Diagnosis(
                "warning",
                "It receives no log: no process of it is connected to the server that it follows.",
                "It falls further and further behind, or goes on only as fast as files come from an archive.",
                "Its server log says why: a wrong primary_conninfo, a missing pg_hba.conf entry, a slot that is lost, "
                "or log that the primary has removed already.",
                replica.name,
            )


def same_database(evidence: Evidence) -> Iterator[Diagnosis]:
    """Each address names the primary's database."""
    primary = evidence.overview.primary.facts
    assert primary is not None
    for name, facts in evidence.servers.items():
        if facts.database != primary.database:
            yield Diagnosis(
                "error",
                f"Its address leads to the database {facts.database!r}; the primary's is {primary.database!r}.",
                "Reads are answered from other tables than those that are written.",
                f"Write /{primary.database} at the end of its url.",
                name,
            )


def distinct_servers(evidence: Evidence) -> Iterator[Diagnosis]:
    """No two addresses lead to one server."""
    primary = evidence.overview.primary.facts
    seen: list[tuple[ReplicaView, ServerFacts]] = []
    for replica in evidence.overview.replicas:
        facts = replica.facts
        if facts is None:
            continue
        if primary is not None and not facts.in_recovery and is_same_start(facts, primary):
            yield Diagnosis(
                "error",
                "Its address leads to the primary itself.",
                "No read goes there, and nothing takes load off the primary.",
                "Name the standby's own address.",
                replica.name,
            )
        twin = next((other for other, known in seen if is_same_start(facts, known)), None)
        if twin is not None:
            yield Diagnosis(
                "warning",
                f"Its address leads to the same server as that of {twin.name}.",
                "One server carries two shares of the reads, and both are gone when it is.",
                "Take one of them out of database.replicas.",
                replica.name,
            )
        seen.append((replica, facts))


def versions(evidence: Evidence) -> Iterator[Diagnosis]:
    """All servers run the same minor version."""
    primary = evidence.overview.primary.facts
    assert primary is not None
    for name, facts in evidence.each_server.items():
        if facts.version != primary.version:
            yield Diagnosis(
                "info",
                f"It runs PostgreSQL {facts.version}, and the primary {primary.version}.",
                "Both work together; a standby is updated before its primary.",
                server=name,
            )


def clocks(evidence: Evidence) -> Iterator[Diagnosis]:
    """The servers' clocks agree, as far as that can be seen."""
    primary = evidence.overview.primary.facts
    assert primary is not None
    for name, facts in evidence.each_server.items():
        ahead = facts.clock - primary.clock
        if name != PRIMARY and abs(ahead) > CLOCK_TOLERANCE:
            yield Diagnosis(
                "warning",
                f"Its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the primary's.",
                "Routing does not look at clocks; queries with now() and whoever reads two servers' logs do.",
                "Let both servers take their time from the same source.",
                name,
            )


def _no_standbys(evidence: Evidence) -> Iterator[NotTold]:
    """Of those that are in no recovery: what a standby does cannot be said of them."""
    for replica in evidence.overview.replicas:
        if replica.facts is not None and not replica.facts.in_recovery:
            yield NotTold("It is no standby, and follows nobody.", server=replica.name)


def _is_of_another_cluster(replica: ReplicaView, evidence: Evidence) -> bool:
    systems = replica.state.system, evidence.overview.primary.state.system
    return None not in systems and systems[0] != systems[1]
