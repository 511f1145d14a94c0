"""Look for damage: what the database records, what the ledger remembers, and what the files say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from erm_alembic.errors import ProjectError
from erm_alembic.ledger.leftovers import InvalidIndex, leftovers
from erm_alembic.ledger.model import AppliedSource
from erm_alembic.ledger.still_applied import still_applied
from erm_alembic.ledger.store import open_ledger
from erm_alembic.mending import kinds
from erm_alembic.opening import Opened, interruptible, open_project
from erm_alembic.planning.damages import Damage
from erm_alembic.planning.record import record_revisions
from erm_alembic.planning.request import Request
from erm_alembic.postgres.repairing import IdleHolder, idle_holder, version_width
from erm_alembic.revisions.chain import in_order, squashed_into
from erm_alembic.revisions.facts import RevisionFacts, read_facts
from erm_alembic.revisions.graph import ScriptDirectory, applied_revisions, known_revisions, script_of
from erm_alembic.revisions.project import AlembicOptions
from erm_alembic.revisions.source.same_code import same_code
from erm_alembic.revisions.source.squashed import stands_for

__all__ = ["Examination", "Ledgers", "Looked", "damages_of", "examine", "look", "tips_of"]

# A session that holds the deploy lock for so many seconds without doing anything is not at work.
LONG_IDLE = 60.0


@dataclass(frozen=True)
class Examination:
    """What is damaged.

    Args:
        environment: the profile.
        database_url: the target's URL without its password.
        server_version: the server's version.
        damages: what was found.
    """

    environment: str
    database_url: str
    server_version: str
    damages: tuple[Damage, ...]


@dataclass(frozen=True)
class Ledgers:
    """What the ledger has, and what else the database says without env.py.

    Args:
        applied: the revisions that were applied and not taken back, in order.
        sources: their files as they were applied.
        endless: the numbers of the runs that have no end and are not running.
        invalid: the INVALID indexes that nobody builds, and no run will build again.
        idle: who holds the deploy lock and does nothing.
    """

    applied: tuple[str, ...]
    sources: dict[str, AppliedSource]
    endless: tuple[int, ...]
    invalid: tuple[InvalidIndex, ...]
    idle: IdleHolder | None


@dataclass(frozen=True)
class Looked:
    """What was looked at, for whoever mends.

    Args:
        ledger: what the ledger has.
        rows: what the version table records, a row each.
        version_table: the version table with its schema, quoted where it must be; None where it is not known.
        width: how many characters an id may have there.
        populated: whether the database has tables although it records nothing.
        scripts: the revision graph; None where it cannot be loaded.
        broken: why it cannot.
    """

    ledger: Ledgers
    rows: tuple[str, ...] = ()
    version_table: str | None = None
    width: int | None = None
    populated: bool = False
    scripts: ScriptDirectory | None = None
    broken: ProjectError | None = None


def examine(
    env: str | None = None, *, config: Path | None = None, options: AlembicOptions | None = None
) -> Examination:
    """Look for damage in the record of a database's history. Nothing is written.

    Args:
        env: the profile.
        config: the path of erm.yaml.
        options: Alembic's own options for env.py.

    Raises:
        ErmError: a subclass of it, when it cannot be looked at.

    Example:
        >>> examine("staging").damages
        ()
    """
    opened = open_project(env, config, options)
    looked = interruptible(opened.target, lambda: look(opened))
    with opened.project.entered():
        damages = damages_of(opened, looked)
    target = opened.target
    return Examination(opened.settings.environment, target.redacted, target.server_version, damages)


def look(opened: Opened) -> Looked:
    """Read everything that may be damaged.

    Args:
        opened: the settings, the target and the project.

    Raises:
        ErmError: a subclass of it, when it cannot be read.
    """
    target, project = opened.target, opened.project
    with target.reported(), open_ledger(target) as ledger, ledger.connection.cursor() as cursor:
        runs = ledger.runs()
        deployer = ledger.deployer()
        endless = tuple(
            run.id for run in runs if run.outcome is None and not (deployer and deployer.pid == run.backend_pid)
        )
        applied = still_applied(runs)
        invalid = [each for each in leftovers(cursor, ledger.half_done()) if not (each.builder or each.revision)]
        found = Ledgers(
            applied, ledger.applied_sources(applied), endless, tuple(invalid), idle_holder(cursor, LONG_IDLE)
        )
    with project.entered():
        config = project.config()
        try:
            scripts = project.scripts(config)
        except ProjectError as error:
            return Looked(found, broken=error)
        recorded = record_revisions(target, project, scripts, config, lambda _: (), Request(), with_basis=True)
    table = recorded.basis.version_table if recorded.basis is not None else None
    with target.reading("erm repair") as reading:
        width = version_width(reading, table) if table is not None else None
    return Looked(found, recorded.current, table, width, recorded.populated, scripts)


def damages_of(opened: Opened, looked: Looked) -> tuple[Damage, ...]:
    """What is damaged, of what was looked at.

    Args:
        opened: the settings, the target and the project, which is entered.
        looked: what was looked at.
    """
    return tuple(_damages(opened, looked))


def _damages(opened: Opened, looked: Looked) -> Iterator[Damage]:
    if looked.scripts is None:
        yield from _gone(opened, looked)
    else:
        yield from _of_record(looked, looked.scripts)
        yield from _edited(opened, looked, looked.scripts)
        yield from _of_ledger(looked, looked.scripts)
    yield from map(kinds.invalid_index, looked.ledger.invalid)
    if looked.ledger.endless:
        yield kinds.run_without_end(looked.ledger.endless)
    if looked.ledger.idle is not None:
        yield kinds.idle_lock(looked.ledger.idle)


def _gone(opened: Opened, looked: Looked) -> Iterator[Damage]:
    """Where the files are no graph: those of the ledger's revisions that are not there."""
    root = opened.project.root
    gone = [source for source in looked.ledger.sources.values() if not (root / source.path).exists()]
    for source in gone:
        yield kinds.lost_file(source)
    if not gone and looked.broken is not None:
        yield kinds.unreadable(looked.broken)


def _of_record(looked: Looked, scripts: ScriptDirectory) -> Iterator[Damage]:
    """What Alembic's version table says."""
    known, rows = known_revisions(scripts), looked.rows
    for unknown in sorted(set(rows) - known):
        yield kinds.missing_revision(unknown, looked.ledger.sources.get(unknown), squashed_into(scripts, unknown))
    twice = sorted(row for row, count in Counter(rows).items() if count > 1)
    if twice and looked.version_table is not None:
        yield kinds.rows_twice(looked.version_table, twice)
    heads = sorted(set(rows) & known)
    below = sorted(head for head in heads if any(head in _below(scripts, other) for other in heads if other != head))
    if below and looked.version_table is not None:
        yield kinds.overlapping_rows(looked.version_table, below, sorted(set(heads) - set(below)))
    if not rows and looked.populated:
        tips = tips_of(scripts, [each for each in looked.ledger.applied if each in known])
        if tips:
            yield kinds.lost_version(tips)
    longest = max(map(len, known), default=0)
    if looked.width is not None and looked.version_table is not None and longest > looked.width:
        yield kinds.narrow_column(looked.version_table, looked.width, longest)


def _below(scripts: ScriptDirectory, revision: str) -> frozenset[str]:
    return applied_revisions(scripts, [revision]) - {revision}


def tips_of(scripts: ScriptDirectory, revisions: Sequence[str]) -> tuple[str, ...]:
    """Those of some revisions that none of the others builds on.

    Args:
        scripts: the revision graph.
        revisions: the revisions, all of them known.
    """
    below: set[str] = set()
    for each in revisions:
        below |= _below(scripts, each)
    return tuple(sorted(set(revisions) - below))


def _edited(opened: Opened, looked: Looked, scripts: ScriptDirectory) -> Iterator[Damage]:
    """Applied revisions whose code is another one now."""
    heads = [row for row in looked.rows if row in known_revisions(scripts)]
    for revision in sorted(applied_revisions(scripts, heads) & looked.ledger.sources.keys()):
        applied, facts = looked.ledger.sources[revision], read_facts(opened.project, script_of(scripts, revision))
        if not _is_same(applied, facts, Path(script_of(scripts, revision).path)):
            yield kinds.edited_revision(facts)


def _is_same(applied: AppliedSource, facts: RevisionFacts, path: Path) -> bool:
    if applied.source_hash == facts.source_hash or stands_for(path.read_bytes(), facts.revision, applied.source_hash):
        return True
    return same_code(applied.source, facts.source)


def _of_ledger(looked: Looked, scripts: ScriptDirectory) -> Iterator[Damage]:
    """Where the ledger and the version table say something else; one that erm never wrote says nothing."""
    known = known_revisions(scripts)
    remembered = [each for each in looked.ledger.applied if each in known]
    if not remembered or not looked.rows or set(looked.rows) - known:
        return
    recorded = applied_revisions(scripts, looked.rows)
    behind = [each for each in in_order(scripts, sorted(set(looked.rows))) if each not in looked.ledger.applied]
    if behind:
        yield kinds.ledger_behind(behind)
    ahead = [each for each in remembered if each not in recorded]
    if ahead:
        yield kinds.ledger_ahead(ahead)
