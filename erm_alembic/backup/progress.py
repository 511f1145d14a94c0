"""What taking a backup, or bringing one back, tells of itself while it goes on."""

from __future__ import annotations

from typing import Protocol

__all__ = ["BackupProgress", "QuietProgress"]


class BackupProgress(Protocol):
    """Told what happens; it decides nothing."""

    def note(self, message: str) -> None:
        """Something to know."""

    def at(self, what: str, done: int, total: int) -> None:
        """So much of it is done.

        Args:
            what: what is worked on now.
            done: how many tables, or steps, are done.
            total: how many there are; zero where nobody knows.
        """


class QuietProgress:
    """Tells nobody.

    Example:
        >>> QuietProgress().at("public.users", 1, 2)
    """

    def note(self, message: str) -> None:
        """Do nothing."""

    def at(self, what: str, done: int, total: int) -> None:
        """Do nothing."""
