"""Where a database stands, without running env.py, while everything that env.py was read from is still the same."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from erm_alembic.drift.memory import told_apart
from erm_alembic.drift.position import Position
from erm_alembic.ledger.store import open_ledger
from erm_alembic.postgres.catalog import read_heads, session_basis
from erm_alembic.postgres.snapshot import catalog_fingerprint
from erm_alembic.revisions.cache.inputs import Inputs
from erm_alembic.revisions.cache.known import known_graph
from erm_alembic.revisions.cache.place import is_off, read_kept, write_kept

if TYPE_CHECKING:
    from erm_alembic.planning.build import Survey
    from erm_alembic.revisions.project import AlembicProject
    from erm_alembic.target import Target

__all__ = ["Standing", "known_standing", "remember_standing"]


@dataclass(frozen=True)
class Standing:
    """Where a database stands: at the heads of its history, nothing pending, nothing half done, no file edited.

    Args:
        position: the revisions that it records, and its version table.
        live: the fingerprint of its catalog.
        inputs: the hash of everything that env.py was read from.
        has_models: whether env.py names models.
    """

    position: Position
    live: str
    inputs: str
    has_models: bool


def known_standing(target: Target, project: AlembicProject) -> Standing | None:
    """Where a database stands, as far as that is certain without running env.py.

    Args:
        target: the database.
        project: the Alembic project.

    Returns:
        None where env.py, or what it imports, has changed, and where anything is pending, half done or odd.

    Raises:
        TargetError: the database cannot be read.
    """
    memo = _read(target, project)
    if memo is None or not memo["inputs"].are_the_same():
        return None
    with open_ledger(target) as ledger:
        hashes, half_done = ledger.applied_hashes(), ledger.half_done()
    if half_done:
        return None
    with project.entered():
        known = known_graph(project.root, project.script_directory(project.config()))
    if known is None or not known.agrees_with(hashes):
        return None
    table, schema = memo["version_table"], target.settings.ledger.schema
    with target.reading("erm drift") as cursor:
        if session_basis(cursor) != memo["session"]:
            return None
        current = read_heads(cursor, table)
        if not current or frozenset(current) != known.complete_at:
            return None
        cursor.connection.rollback()
        live = catalog_fingerprint(cursor, (schema,), (table,))
    return Standing(Position(current, current, table, schema), live, memo["inputs"].digest, memo["has_models"])


def remember_standing(target: Target, project: AlembicProject, survey: Survey, inputs: Inputs) -> None:
    """Remember what env.py said of the version table; where that is not possible, nothing happens.

    Args:
        target: the database.
        project: the Alembic project.
        survey: what was read through env.py.
        inputs: everything that env.py was read from.
    """
    if is_off() or survey.plan.basis is None:
        return
    with target.reading("erm drift") as cursor:
        session = session_basis(cursor)
    told = {
        "inputs": asdict(inputs),
        "version_table": survey.plan.basis.version_table,
        "session": session,
        "has_models": survey.metadata is not None,
    }
    content = json.dumps(told, separators=(",", ":")).encode("utf-8", "surrogatepass")
    write_kept(target.settings.project_dir, _name(target, project), content)


def _read(target: Target, project: AlembicProject) -> dict[str, Any] | None:
    content = None if is_off() else read_kept(target.settings.project_dir, _name(target, project))
    try:
        if content is None:
            return None
        memo: dict[str, Any] = json.loads(content)
        return {**memo, "inputs": Inputs(**memo["inputs"]), "has_models": bool(memo["has_models"])}
    except (ValueError, TypeError, KeyError):
        return None


def _name(target: Target, project: AlembicProject) -> str:
    options = project.options
    told = [
        *(str(path) for path in (project.root, project.ini, project.toml, project.directory)),
        [*options.x],
        *(options.name, options.tag, target.redacted, target.settings.migrations.metadata),
    ]
    return f"standing-{told_apart(told)}.json"
