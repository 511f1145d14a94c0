"""What is damaged in a database's record of its history, and the ways out: values, for Python and for render/."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Damage", "Exit", "Mended", "Needed"]

Needed = Literal["reason", "to"]


@dataclass(frozen=True)
class Exit:
    """One way out of a damage.

    Args:
        name: what is typed after `--do`.
        does: what it does, in a few words.
        needs: what else must be typed: a `reason`, or the revision that the record goes `to`.
    """

    name: str
    does: str
    needs: tuple[Needed, ...] = ()


@dataclass(frozen=True)
class Damage:
    """One thing that is not as it should be.

    Args:
        kind: what kind of damage, as in `missing-revision`.
        object: what it is about: a revision, a table, an index, a run.
        found: what was found, as a sentence.
        follows: what follows from it.
        exits: the ways out; none where only a person can do something, which `follows` says.
        also: further objects of the same damage.
    """

    kind: str
    object: str
    found: str
    follows: str
    exits: tuple[Exit, ...] = ()
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mended:
    """What was done about a damage.

    Args:
        damage: the damage as it was.
        exit: the way that was gone.
        done: what was done, as a sentence.
        run_id: the run's number in the ledger; None where nothing could be written there.
    """

    damage: Damage
    exit: Exit
    done: str
    run_id: int | None = None
