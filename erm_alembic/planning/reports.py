"""What a command that looks at a database, or repairs it, has to tell: values, for Python callers and for render/."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from erm_alembic.ledger.leftovers import InvalidIndex
from erm_alembic.ledger.model import RunRecord
from erm_alembic.planning.model import HalfDoneRevision, Outcome

if TYPE_CHECKING:
    from erm_alembic.planning.ways import Action, Ways

__all__ = ["HalfDoneReport", "Repaired", "Status"]


@dataclass(frozen=True)
class Status:
    """Where a database stands.

    Args:
        environment: the profile.
        database_url: the target's URL without its password.
        server_version: the server's version.
        current: the revisions recorded in the database.
        heads: the heads of the project's files.
        pending: revisions that apply would run, in order.
        unknown: recorded revisions that no file declares.
        last_run: the ledger's most recent run.
        run_state: whether it `ended`, is `running` (its own server process holds the deploy lock), or `died`: it ended
            without a word; None where there is no run.
        last_sign: when something is last known of that run, with time zone.
        half_done: revisions of which only a part is committed, with what comes next in them.
        invalid_indexes: indexes that a build left behind, and whether the next run builds them again.
        deployed_as: the environments that the database was deployed under, where this one is none of them.
    """

    environment: str
    database_url: str
    server_version: str
    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: tuple[str, ...]
    unknown: tuple[str, ...]
    last_run: RunRecord | None
    run_state: Literal["ended", "running", "died"] | None = None
    last_sign: datetime | None = None
    half_done: tuple[HalfDoneRevision, ...] = ()
    invalid_indexes: tuple[InvalidIndex, ...] = ()
    deployed_as: tuple[str, ...] = ()


@dataclass(frozen=True)
class HalfDoneReport:
    """What is half done in a database, and what can be done about it.

    Args:
        environment: the profile.
        database_url: the target's URL without its password.
        server_version: the server's version.
        revisions: the half-done revisions, each with the ways out of it.
    """

    environment: str
    database_url: str
    server_version: str
    revisions: tuple[Ways, ...]


@dataclass(frozen=True)
class Repaired:
    """How a repair ended.

    Args:
        action: what was done: `resume`, `mark-done`, `take-back` or `forget`.
        half_done: the revision as it was before.
        outcome: how it ended.
        passed_over: what was taken back of parts that were not there, each with what the server said.
    """

    action: Action
    half_done: HalfDoneRevision
    outcome: Outcome
    passed_over: tuple[str, ...] = ()
