"""How a run of smoke tests ended: values."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FAILED", "RAN", "SmokeReport", "SmokeTest"]

FAILED = ("failed", "error", "xpassed")
RAN = ("passed", "failed", "error", "xfailed", "xpassed")


@dataclass(frozen=True)
class SmokeTest:
    """One test.

    Args:
        id: as pytest calls it.
        outcome: `passed`, `failed`, `error` (outside of the test itself), `skipped`, `xfailed`, `xpassed`.
        seconds: how long it took, with its fixtures.
        reason: why it did not pass, on one line.
        writes: whether it could change rows.
        sequences: what it took numbers from, which no rollback gives back.
        transaction_id: of its transaction, where it wrote; it was rolled back.
    """

    id: str
    outcome: str
    seconds: float
    reason: str | None = None
    writes: bool = False
    sequences: tuple[str, ...] = ()
    transaction_id: str | None = None


@dataclass(frozen=True)
class SmokeReport:
    """A run.

    Args:
        environment: the profile.
        database_url: the server's address without its password.
        server_version: the server's version.
        replica: the replica that the tests ran on; None for the primary.
        outcome: `passed`, `failed`, `nothing-ran` or `timed-out`.
        tests: each test, in order.
        problems: what failed besides tests: modules that could not be collected, options that pytest does not know.
        escapes: what was refused because it would have outlived its transaction.
        kept: what is left all the same, as far as the server says, or not known to be rolled back.
        notes: what else is to be known.
        seconds: how long all of it took.
    """

    environment: str
    database_url: str
    server_version: str
    replica: str | None
    outcome: str
    tests: tuple[SmokeTest, ...] = ()
    problems: tuple[str, ...] = ()
    escapes: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether tests ran, and nothing objects."""
        return self.outcome == "passed"

    def count(self, *outcomes: str) -> int:
        """How many tests ended so.

        Args:
            outcomes: of tests.
        """
        return sum(test.outcome in outcomes for test in self.tests)
