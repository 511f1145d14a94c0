"""The trial: what the project's revisions need, as a shadow of the target has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg2

from erm_alembic.config.redaction import first_line, redact
from erm_alembic.errors import ShadowUnavailable
from erm_alembic.grants.model import Trial
from erm_alembic.planning.build import Survey
from erm_alembic.postgres.rights.objects import Address, own_relations
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.shadow.opened import open_shadow
from erm_alembic.shadow.rights.told import Need, address_from_json, need_from_json
from erm_alembic.target import Target
from erm_alembic.under_way import under_way

__all__ = ["Tried", "try_out", "untried"]

# Alembic's own name for it; env.py may choose another one.
VERSION_TABLE = "alembic_version"


@dataclass(frozen=True)
class Tried:
    """What the trial has shown.

    Args:
        trial: how it went.
        needs: the rights without which a revision is refused.
        relations: the tables, views and sequences that the project has where the target stands.
        later: those that it has at the heads.
        version_table: Alembic's version table, with its schema; empty where that is not known.
    """

    trial: Trial
    needs: tuple[Need, ...] = ()
    relations: tuple[Address, ...] = ()
    later: tuple[Address, ...] = ()
    version_table: str = ""


def try_out(target: Target, project: AlembicProject, survey: Survey) -> Tried:
    """Run the revisions in a shadow as a role without rights: up, down as far as there is a way, and up again.

    Args:
        target: the database, which is only read.
        project: the Alembic project.
        survey: where the target stands.
    """
    current = survey.plan.current
    under_way("trying the revisions in a shadow, as a role without rights")
    try:
        with (
            open_shadow(target.settings, project, target, survey.scripts, current) as shadow,
            shadow.at(current) as database,
        ):
            events = shadow.run("try_rights", database, {})
    except ShadowUnavailable as error:
        reason = redact(" ".join(filter(None, (error.reason, error.cure))))
        return Tried(Trial("unknown", reason))
    except psycopg2.Error as error:
        return Tried(Trial("unknown", redact(f"The shadow's server is gone: {first_line(error)}")))
    return _heard(events, target.database)


def untried(cursor: Any, tried: Tried, ledger_schema: str) -> Tried:
    """What the target has, where no shadow could show what the project makes.

    Args:
        cursor: a plain cursor of the target.
        tried: why there was none.
        ledger_schema: the schema of the ledger, which is no part of the project.
    """
    relations = tuple(each for each in own_relations(cursor) if each.names[0] != ledger_schema)
    table = next((each.identity for each in relations if each.names[-1] == VERSION_TABLE), "")
    return replace(tried, relations=relations, later=relations, version_table=table)


def _heard(events: Sequence[Mapping[str, Any]], database: str) -> Tried:
    needs: list[Need] = []
    objects: dict[str, tuple[Address, ...]] = {}
    counts = {"upgrade": 0, "downgrade": 0}
    table, reason = "", None
    for event in events:
        told = {name: value for name, value in event.items() if name != "event"}
        if event["event"] == "need":
            needs.append(_of_target(need_from_json(told), database))
        elif event["event"] == "objects":
            objects[told["at"]] = tuple(map(address_from_json, told["objects"]))
        elif event["event"] == "version_table":
            table = told["name"]
        elif event["event"] == "ran":
            counts[told["direction"]] += 1
        elif event["event"] == "stopped":
            way = "upgrade" if told["direction"] == "upgrade" else "downgrade"
            reason = f"The {way} of {told['revision']} fails in the shadow ({told['place']}: {told['error']})."
    trial = Trial("partial" if reason else "done", reason, counts["upgrade"], counts["downgrade"])
    now = objects.get("current", ())
    return Tried(trial, tuple(needs), now, objects.get("heads", now), table)


def _of_target(need: Need, database: str) -> Need:
    """The scratch database has a name of its own."""
    if need.object is None or need.object.type != "database":
        return need
    return replace(need, object=Address("database", (database,), (), ""))
