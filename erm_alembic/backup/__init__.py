"""Backups: taken before what destroys, looked at before they count, and brought back when something went wrong.

`take`, `backups`, `verify` and `restore` are for Python callers, and for a release, which has a backup as a stage of
its own: the gate inside apply and rollback then finds it fresh (`backup.max_age`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from erm_alembic.ledger.backups import Backup, LostObject

if TYPE_CHECKING:
    from erm_alembic.backup.commands import Listed, backups, put_back, restore, take, verify

__all__ = ["Backup", "Listed", "LostObject", "backups", "put_back", "restore", "take", "verify"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from erm_alembic.backup import commands

    return getattr(commands, name)
