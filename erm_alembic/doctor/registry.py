"""The doctor's checks, in the order in which they are told."""

from __future__ import annotations

from erm_alembic.doctor.connections import connection_limits, encryption, poolers
from erm_alembic.doctor.deployments import database_for_migrations, runs
from erm_alembic.doctor.logins import login_lasts, login_owns_nothing, tracked_passwords
from erm_alembic.doctor.model import Check, Need
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

_PRIMARY, _REPLICAS = frozenset({Need.PRIMARY}), frozenset({Need.REPLICAS})
_PRIMARY_AND_REPLICAS = _PRIMARY | _REPLICAS
_PRIMARY_AND_PROJECT = frozenset({Need.PRIMARY, Need.PROJECT})

CHECKS: tuple[Check, ...] = (
    # The project.
    Check("alembic-project", "There is an Alembic project.", alembic_project),
    Check("typed-passwords", "No password is typed into a file of the project.", typed_passwords),
    Check("secret-files", "Files with secrets are private, and not in git.", secret_files_kept_private),
    Check("tracked-passwords", "No password in use is in git.", tracked_passwords),
    # The primary.
    Check("primary-answers", "The primary answers.", primary_answers),
    Check("primary-takes-writes", "The primary is a primary.", primary_takes_writes, _PRIMARY),
    Check("several-hosts", "Addresses with several hosts say which one is meant.", several_hosts),
    Check("poolers", "No connection pooler is in between.", poolers, _PRIMARY),
    Check("encryption", "Connections over a network are encrypted and verified.", encryption, _PRIMARY),
    Check("connection-limits", "The pool fits the servers' limits.", connection_limits, _PRIMARY),
    Check("synchronous-standbys", "Commits do not wait for a standby that is gone.", synchronous_standbys, _PRIMARY),
    # Deployments.
    Check("database-for-migrations", "A deployment could begin here.", database_for_migrations, _PRIMARY_AND_PROJECT),
    Check("migration-role", "Migrations run as no superuser.", migration_role, _PRIMARY_AND_PROJECT),
    Check("login-owner", "What migrations make is owned by one who stays.", login_owns_nothing, _PRIMARY_AND_PROJECT),
    Check("login-lasts", "Who logs in lasts for a deployment.", login_lasts, _PRIMARY_AND_PROJECT),
    Check("migration-rights", "The role may create, and alter what is there.", migration_rights, _PRIMARY_AND_PROJECT),
    Check("ledger-rights", "The role may keep the ledger.", ledger_rights, _PRIMARY_AND_PROJECT),
    Check("runs", "No deployment is half done, and none was made under another name.", runs, _PRIMARY),
    # The replicas.
    Check("discovery", "Where replicas are looked for, some are found.", replicas_discovered),
    Check("replica-answers", "Every replica answers.", replica_answers, _REPLICAS),
    Check("replica-is-standby", "Every replica is a standby.", replica_is_standby, _REPLICAS),
    Check("replica-follows", "Every replica follows this primary.", replica_follows, _PRIMARY_AND_REPLICAS),
    Check("replica-receives", "Every replica receives the log.", replica_receives, _REPLICAS),
    Check("same-database", "All addresses name one database.", same_database, _PRIMARY_AND_REPLICAS),
    Check("distinct-servers", "No two addresses lead to one server.", distinct_servers, _REPLICAS),
    Check("versions", "All servers run one version.", versions, _PRIMARY_AND_REPLICAS),
    Check("replay-goes-on", "No replay is held or delayed.", replay_goes_on, _REPLICAS),
    Check("replay-and-queries", "Queries hold up no replay for too long.", replay_and_queries, _REPLICAS),
    Check("lag", "Every replica is fresh enough.", lag, _PRIMARY_AND_REPLICAS),
    Check("slots", "Every replication slot is in use.", slots, _PRIMARY),
    Check("clocks", "The servers' clocks agree.", clocks, _PRIMARY_AND_REPLICAS),
    # Routing.
    Check("positions", "The servers tell how far they are.", positions, _PRIMARY_AND_REPLICAS),
    Check("catalogs", "The catalogs tell which functions only read.", catalogs, _PRIMARY_AND_REPLICAS),
    Check("statistics", "The role sees sync states and slots' users.", statistics, _PRIMARY_AND_REPLICAS),
    Check("heartbeat", "The heartbeat arrives.", heartbeat, _PRIMARY_AND_REPLICAS),
    Check("limits", "Every limit of lag can be met.", limits, _REPLICAS),
    Check("policies", "Every policy does what it says.", policies),
    Check("fallback", "What falls back to the primary has a bound.", fallback, _REPLICAS),
)
