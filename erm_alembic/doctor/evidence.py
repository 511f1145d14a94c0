"""What the doctor looks at: everything is asked here, once, so that the checks are functions of values."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from erm_alembic.config.settings import Settings
from erm_alembic.doctor.files import tracked_files
from erm_alembic.doctor.leaks import Leak, find_leaks, passwords_in_use
from erm_alembic.doctor.pooling import PoolMode, pool_mode
from erm_alembic.errors import ErmError
from erm_alembic.ledger.last_run import LastRun, read_last_run
from erm_alembic.ledger.store import open_ledger
from erm_alembic.postgres.migration_rights import (
    LedgerRights,
    MigrationRights,
    read_ledger_rights,
    read_migration_rights,
)
from erm_alembic.postgres.server_facts import ServerFacts, is_same_start
from erm_alembic.postgres.volatility import read_volatility
from erm_alembic.revisions.project import AlembicProject, find_project
from erm_alembic.revisions.source.ini_address import address_in_ini
from erm_alembic.routing.cluster import Cluster
from erm_alembic.routing.reporting.inquiry import Inquiry
from erm_alembic.routing.reporting.overview import Observer, Overview, ReplicaView
from erm_alembic.target import Target, open_target

__all__ = ["PRIMARY", "Evidence", "Runs", "gather"]

PRIMARY = "primary"
NAME = "erm doctor"
# The catalogs of a database with very many functions take their time, in seconds.
CATALOG_PATIENCE = 15.0

Read = TypeVar("Read")


@dataclass(frozen=True)
class Runs:
    """What the ledger has of deployments.

    Args:
        last: the latest one; None where there was none.
        half_done: the revisions of which a part is committed.
        environments: the profiles under which the database was deployed.
    """

    last: LastRun | None
    half_done: tuple[str, ...]
    environments: frozenset[str]


@dataclass(frozen=True)
class Evidence:
    """All that there is to look at.

    Args:
        settings: what is in force.
        overview: the servers as routing sees them.
        project: the Alembic project, or why there is none.
        ini_has_password: whether the address in its alembic.ini has one.
        tracked: those files of the project that git tracks, among the ones that may hold a secret; None without git.
        target: the database as a deployment reaches it, or why it does not.
        rights: what the role that migrates may do, or why that is not known.
        ledger: what the role that logs in may do with the ledger, or why that is not known.
        runs: what the ledger has of the latest deployment, or why that is not known.
        pool_modes: of each server behind a pooler how that one works.
        catalogs: why the primary's catalogs cannot be read; "" where they can.
        leaks: the passwords in use that stand in files that git tracks.
    """

    settings: Settings
    overview: Overview
    project: AlembicProject | ErmError
    ini_has_password: bool
    tracked: frozenset[Path] | None
    target: Target | ErmError
    rights: MigrationRights | ErmError
    ledger: LedgerRights | ErmError
    runs: Runs | ErmError
    pool_modes: Mapping[str, PoolMode]
    catalogs: str
    leaks: tuple[Leak, ...] = ()

    @property
    def is_dev(self) -> bool:
        """Whether the environment is somebody's own."""
        return self.settings.environment == "dev"

    @property
    def is_production(self) -> bool:
        """Whether the environment is called like one that customers use."""
        name = self.settings.environment.lower()
        return name.startswith(("prod", "live")) or name.endswith(("-prod", "_prod", "-production", "_production"))

    @property
    def servers(self) -> dict[str, ServerFacts]:
        """Those that told of themselves, by name, the primary first: one for each address."""
        found = {PRIMARY: self.overview.primary.facts}
        found |= {replica.name: replica.facts for replica in self.overview.replicas}
        return {name: facts for name, facts in found.items() if facts is not None}

    @property
    def each_server(self) -> dict[str, ServerFacts]:
        """The same, where a server to which several addresses lead is there once, by the first of its names."""
        found: dict[str, ServerFacts] = {}
        for name, facts in self.servers.items():
            if not any(is_same_start(facts, other) for other in found.values()):
                found[name] = facts
        return found

    @property
    def standbys(self) -> tuple[tuple[ReplicaView, ServerFacts], ...]:
        """The replicas that told of themselves, and are standbys."""
        return tuple(
            (replica, replica.facts)
            for replica in self.overview.replicas
            if replica.facts is not None and replica.facts.in_recovery
        )


def gather(settings: Settings, cluster: Cluster) -> Evidence:
    """Ask everybody.

    Args:
        settings: what is in force, with a database.
        cluster: the cluster that it describes; its monitor is started.
    """
    with Observer(cluster) as observer:
        overview = observer.look()
    project = _or_error(lambda: find_project(settings))
    ini = None if isinstance(project, ErmError) else project.ini
    address = None if ini is None else address_in_ini(ini)
    target: Target | ErmError = ErmError(overview.primary.silent)
    if overview.primary.facts is not None:
        target = _or_error(lambda: open_target(settings))
    return Evidence(
        settings=settings,
        overview=overview,
        project=project,
        ini_has_password=address is not None and "${" in address,
        tracked=tracked_files(settings, ini),
        target=target,
        rights=target if isinstance(target, ErmError) else _or_error(lambda: _rights(target)),
        ledger=target if isinstance(target, ErmError) else _or_error(lambda: _ledger_rights(target)),
        runs=target if isinstance(target, ErmError) else _or_error(lambda: _runs(target)),
        pool_modes=_pool_modes(overview, cluster),
        leaks=_leaks(settings, ini),
        catalogs=_catalogs(cluster) if overview.primary.facts is not None and overview.replicas else "",
    )


def _leaks(settings: Settings, ini: Path | None) -> tuple[Leak, ...]:
    told_otherwise = frozenset(path for path in (settings.config_path, ini) if path is not None)
    return find_leaks(settings.project_dir, passwords_in_use(settings), told_otherwise)


def _or_error(read: Callable[[], Read]) -> Read | ErmError:
    try:
        return read()
    except ErmError as error:
        return error


def _rights(target: Target) -> MigrationRights:
    with target.reading(NAME, strictly=True) as cursor:
        return read_migration_rights(cursor)


def _ledger_rights(target: Target) -> LedgerRights:
    with target.reported(), contextlib.closing(target.connect(NAME)) as connection:
        connection.autocommit = True
        if target.login_ends:
            target.set_role(connection)
        with connection.cursor() as cursor:
            return read_ledger_rights(cursor, target.settings.ledger.schema)


def _runs(target: Target) -> Runs:
    with target.reported(), open_ledger(target) as ledger:
        if not ledger.exists():
            return Runs(None, (), frozenset())
        half_done = tuple(each.revision for each in ledger.half_done())
        return Runs(read_last_run(ledger), half_done, ledger.environments())


def _pool_modes(overview: Overview, cluster: Cluster) -> Mapping[str, PoolMode]:
    nodes = {PRIMARY: cluster.primary, **{node.name: node for node in cluster.replicas}}
    facts = {PRIMARY: overview.primary.facts, **{replica.name: replica.facts for replica in overview.replicas}}
    # One that was discovered may have gone since it was looked at.
    there = {name: each for name, each in facts.items() if name in nodes}
    return {name: pool_mode(nodes[name].url.dsn()) for name, each in there.items() if each is not None and each.pooled}


def _catalogs(cluster: Cluster) -> str:
    with Inquiry(read_volatility, CATALOG_PATIENCE) as inquiry:
        said = inquiry.ask({PRIMARY: cluster.primary.url.dsn})[PRIMARY]
    return said if isinstance(said, str) else ""
