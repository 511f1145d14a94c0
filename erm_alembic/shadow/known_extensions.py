"""What the target knows of its extensions, for a shadow that may lack their files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from erm_alembic.postgres.extension_members import read_members
from erm_alembic.postgres.shadow_facts import ShadowFacts
from erm_alembic.postgres.stand_ins import available_extensions

__all__ = ["known_extensions"]


def known_extensions(
    facts: ShadowFacts, here: Any, reading_target: Callable[[], AbstractContextManager[Any]]
) -> dict[str, Any]:
    """The `version` of each extension of the target, with the `statements` of stand-ins where the shadow lacks it.

    Args:
        facts: what the target is like.
        here: a cursor of the shadow's server.
        reading_target: gives a cursor of the target, in a transaction that only reads.
    """
    known: dict[str, Any] = {name: {"version": version} for name, (version, _) in facts.extensions.items()}
    missing = sorted(known.keys() - available_extensions(here))
    if missing:
        with reading_target() as cursor:
            for name, statements in read_members(cursor, missing).items():
                known[name]["statements"] = statements
    return known
