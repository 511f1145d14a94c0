"""Deployments: that one could begin on the database, and that the ones before it have ended."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from erm_alembic.doctor.evidence import PRIMARY, Evidence
from erm_alembic.doctor.model import Diagnosis, NotNeeded, NotTold
from erm_alembic.errors import ErmError

__all__ = ["database_for_migrations", "runs"]


def database_for_migrations(evidence: Evidence) -> Iterator[Diagnosis | NotNeeded]:
    """A deployment could begin on this database."""
    target = evidence.target
    if evidence.servers[PRIMARY].pooled:
        yield NotNeeded("a pooler is in the way")
    elif isinstance(target, ErmError):
        yield Diagnosis("error", target.what, target.effect, target.cure, PRIMARY)


def runs(evidence: Evidence) -> Iterator[Diagnosis | NotTold]:
    """No deployment is half done, and none was made under another name."""
    found = evidence.runs
    if isinstance(found, ErmError):
        yield NotTold(f"The ledger cannot be read: {found.what}", found.cure, PRIMARY)
        return
    environment = evidence.settings.environment
    named = shlex.quote(environment)
    if found.last is not None and found.last.state == "died":
        yield Diagnosis(
            "warning",
            f"Run {found.last.run.id} ended without a word.",
            "What it had committed stays; the next run goes on from there, and writes down that this one died.",
            f"erm status --env {named}",
            PRIMARY,
        )
    for revision in found.half_done if found.last is None or found.last.state != "running" else ():
        yield Diagnosis(
            "error",
            f"Revision {revision} is half done.",
            "The database is between two revisions: what is deployed may fail on it.",
            f"erm repair {shlex.quote(revision)} --env {named}",
            PRIMARY,
        )
    if found.environments and environment not in found.environments:
        others = ", ".join(sorted(found.environments))
        yield Diagnosis(
            "error",
            f"This database was deployed as {others}, and never as {environment}.",
            "Deployments are refused: the address may lead to another environment's database.",
            f"Correct the address; or, if it is meant: erm migrate --accept-environment --env {named}",
            PRIMARY,
        )
