"""The doctor's checks, in the order in which they are told."""

from __future__ import annotations

from erm_alembic.doctor.connections import connection_limits, encryption, poolers
from erm_alembic.doctor.deployments import database_for_migrations, runs
from erm_alembic.doctor.model import Check
from erm_alembic.doctor.policies import fallback, limits, policies
from erm_alembic.doctor.primary import primary_answers, primary_takes_writes, several_hosts, synchronous_standbys
from erm_alembic.doctor.project import (
    alembic_project,
    ledger_rights,
    migration_rights,
    migration_role,
    secret_files_kept_private,
    typed_passwords,
)
from erm_alembic.doctor.replay import lag, replay_and_queries, replay_goes_on
from erm_alembic.doctor.replicas import (
    clocks,
    distinct_servers,
    replica_answers,
    replica_follows,
    replica_is_standby,
    replica_receives,
    replicas_discovered,
    same_database,
    versions,
)
from erm_alembic.doctor.rights import catalogs, heartbeat, positions, statistics
from erm_alembic.doctor.slots import slots

__all__ = ["CHECKS"]

CHECKS: tuple[Check, ...] = (
    # The project.
    Check("alembic-project", "There is an Alembic project.", alembic_project),
    Check("typed-passwords", "No password is typed into a file of the project.", typed_passwords),
    Check("secret-files", "Files with secrets are private, and not in git.", secret_files_kept_private),
    # The primary.
    Check("primary-answers", "The primary answers.", primary_answers),
    Check("primary-takes-writes", "The primary is a primary.", primary_takes_writes, "primary"),
    Check("several-hosts", "Addresses with several hosts say which one is meant.", several_hosts),
    Check("poolers", "No connection pooler is in between.", poolers, "primary"),
    Check("encryption", "Connections over a network are encrypted and verified.", encryption, "primary"),
    Check("connection-limits", "The pool fits the servers' limits.", connection_limits, "primary"),
    Check("synchronous-standbys", "Commits do not wait for a standby that is gone.", synchronous_standbys, "primary"),
    # Deployments.
    Check("database-for-migrations", "A deployment could begin here.", database_for_migrations, "primary and project"),
    Check("migration-role", "Migrations run as no superuser.", migration_role, "primary and project"),
    Check("migration-rights", "The role may create, and alter what is there.", migration_rights, "primary and project"),
    Check("ledger-rights", "The role may keep the ledger.", ledger_rights, "primary and project"),
    Check("runs", "No deployment is half done, and none was made under another name.", runs, "primary"),
    # The replicas.
    Check("discovery", "Where replicas are looked for, some are found.", replicas_discovered),
    Check("replica-answers", "Every replica answers.", replica_answers, "replicas"),
    Check("replica-is-standby", "Every replica is a standby.", replica_is_standby, "replicas"),
    Check("replica-follows", "Every replica follows this primary.", replica_follows, "primary and replicas"),
    Check("replica-receives", "Every replica receives the log.", replica_receives, "replicas"),
    Check("same-database", "All addresses name one database.", same_database, "primary and replicas"),
    Check("distinct-servers", "No two addresses lead to one server.", distinct_servers, "replicas"),
    Check("versions", "All servers run one version.", versions, "primary and replicas"),
    Check("replay-goes-on", "No replay is held or delayed.", replay_goes_on, "replicas"),
    Check("replay-and-queries", "Queries hold up no replay for too long.", replay_and_queries, "replicas"),
    Check("lag", "Every replica is fresh enough.", lag, "primary and replicas"),
    Check("slots", "Every replication slot is in use.", slots, "primary"),
    Check("clocks", "The servers' clocks agree.", clocks, "primary and replicas"),
    # Routing.
    Check("positions", "The servers tell how far they are.", positions, "primary and replicas"),
    Check("catalogs", "The catalogs tell which functions only read.", catalogs, "primary and replicas"),
    Check("statistics", "The role sees sync states and slots' users.", statistics, "primary and replicas"),
    Check("heartbeat", "The heartbeat arrives.", heartbeat, "primary and replicas"),
    Check("limits", "Every limit of lag can be met.", limits, "replicas"),
    Check("policies", "Every policy does what it says.", policies),
    Check("fallback", "What falls back to the primary has a bound.", fallback, "replicas"),
)
