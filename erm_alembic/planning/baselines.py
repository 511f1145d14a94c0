"""What becomes of a baseline: values, for Python callers and for render/."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from erm_alembic.planning.model import Drift

__all__ = ["Baseline", "Proof", "RecordedBaseline", "RecordedState"]

RecordedState = Literal["recorded", "already", "ahead", "looked"]


@dataclass(frozen=True)
class Proof:
    """What came of comparing a live database with what revisions make in the shadow.

    Args:
        verdict: `same`, `differs` or `unknown`.
        reason: why it is unknown.
        wrong: what differs and belongs to the schema.
        other: what differs and belongs to an environment (rights, owners, subscriptions), or that nobody minds.
        notes: what was stood in for in the shadow.
    """

    verdict: Literal["same", "differs", "unknown"]
    reason: str | None = None
    wrong: tuple[Drift, ...] = ()
    other: tuple[Drift, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the revisions make the schema of the database."""
        return self.verdict != "unknown" and not self.wrong


@dataclass(frozen=True)
class Baseline:
    """What became of a live database's schema.

    Args:
        environment: the profile.
        database_url: the target's URL without its password.
        server_version: the server's version.
        script: the script of the revision.
        notes: what is not in the script, or has to be there before it runs.
        revision: the revision's id; None when it was only looked.
        files: what was written: the revision, its script and the one down; empty when it was only looked.
        proof: what came of replaying it; None when it was only looked.
    """

    environment: str
    database_url: str
    server_version: str
    script: str = field(repr=False)
    notes: tuple[str, ...] = ()
    revision: str | None = None
    files: tuple[Path, ...] = ()
    proof: Proof | None = None


@dataclass(frozen=True)
class RecordedBaseline:
    """What became of a database that has the schema of a revision which was never run there.

    Args:
        environment: the profile.
        database_url: the target's URL without its password.
        server_version: the server's version.
        revision: the revision that it was compared with.
        state: `recorded` now; `already`; `ahead`, where it records more; `looked`, where nothing was to be written.
        proof: what came of the comparison; None where it records the revision already.
        run_id: the run's number in the ledger; None where nothing was recorded.
    """

    environment: str
    database_url: str
    server_version: str
    revision: str
    state: RecordedState
    proof: Proof | None = None
    run_id: int | None = None
