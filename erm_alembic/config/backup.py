"""What is in force of the section `backup`: how backups are taken, and when a profile demands one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

__all__ = ["BackupMethod", "BackupSettings", "Demand"]

BackupMethod = Literal["pg_dump", "pg_basebackup", "command", "none"]
Demand = Literal["destructive", "every", "never"]


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """How backups are taken, and when apply and rollback must have one before their first step.

    Args:
        method: what takes them; `none` takes none, so that what demands one is refused.
        before: which runs must have one: those that may lose data (`destructive`), `every` one, or none (`never`).
        directory: the folder that holds them; None for `.erm/backups` of the project.
        tables: whether a run's own backup holds `all` tables, or those `at-risk` only.
        max_age: how old a backup may be to count for a run, which has none taken then; zero takes one each time.
        keep: how many of them are kept, the newest; zero keeps all.
        compress: as pg_dump's `--compress` has it: `none`, `6`, `gzip:6`, `lz4`, `zstd:3`; None leaves it to pg_dump.
        jobs: how many connections dump and restore tables at once.
        verify: how a backup is looked at before it counts: `listed` reads it from one end to the other, `restored`
            restores it into a scratch database too.
        timeout: how long taking one may take; zero means no limit.
        command: what takes them, as a shell would read it, where the method is `command`.

    Example:
        >>> BackupSettings().demanded, BackupSettings(before="destructive").demanded
        (False, True)
    """

    method: BackupMethod = "pg_dump"
    before: Demand = "never"
    directory: Path | None = None
    tables: Literal["all", "at-risk"] = "all"
    max_age: timedelta = timedelta(minutes=15)
    keep: int = 0
    compress: str | None = None
    jobs: int = 1
    verify: Literal["listed", "restored"] = "listed"
    timeout: timedelta = timedelta(0)
    command: str | None = None

    @property
    def demanded(self) -> bool:
        """Whether a run may have to have one."""
        return self.before != "never"
