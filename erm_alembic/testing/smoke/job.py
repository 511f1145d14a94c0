"""What the process of the smoke tests is told: a value that travels as one line of JSON on its standard input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

__all__ = ["APPLICATION", "FILES_CLOSED", "HERE", "SmokeJob"]

# How its session is seen in pg_stat_activity.
APPLICATION = "erm smoke"
# The host that stands for the target in what the tests know: a name that never resolves (RFC 2606).
HERE = "erm-smoke.invalid"
# What its process exits with when a test has closed the files by which it is heard.
FILES_CLOSED = 5


@dataclass(frozen=True)
class SmokeJob:
    """One run of smoke tests.

    Args:
        dsn: the target as a libpq URI, with its password; never shown.
        database: the name of its database.
        major: the server's major version.
        is_standby: whether it takes no writes.
        environment: the profile.
        limits: milliseconds by setting of the session.
        role: what the tests act as; None for the login role.
        hosts: the hosts of other services that tests may reach.
        arguments: those of pytest.
        environ: the variables that the tests see.
        events: the file descriptor that events go to.
    """

    dsn: str = field(repr=False)
    database: str
    major: int
    is_standby: bool
    environment: str
    limits: Mapping[str, int]
    role: str | None
    hosts: tuple[str, ...]
    arguments: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    events: int

    def to_json(self) -> str:
        """The job as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> SmokeJob:
        """Read what `to_json` wrote.

        Example:
            >>> job = SmokeJob("postgresql:///shop", "shop", 18, False, "dev", {}, None, (), ("-q",), {}, 3)
            >>> SmokeJob.from_json(job.to_json()) == job
            True
        """
        told = json.loads(line)
        return cls(**{**told, "hosts": tuple(told["hosts"]), "arguments": tuple(told["arguments"])})
