"""Which server answers, and which run of it: what was counted before holds only for the same one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from erm_alembic.postgres.replication import available_facts, read_sample

__all__ = ["ServerNow", "server_now"]

WHO = """
    SELECT pg_catalog.current_setting('server_version'), pg_catalog.current_setting('server_version_num')::integer,
           current_user, pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
"""


@dataclass(frozen=True)
class ServerNow:
    """The server that answered; None is unknown.

    Args:
        version: its version, as in `15.18`.
        major: its major version.
        role: the role that asked.
        sees_statistics: whether that sees what other roles' sessions do.
        in_recovery: whether it is a standby.
        system: the system identifier of its cluster.
        timeline: the timeline that it writes or follows: a failover begins another one.
        started: when it was started, in seconds of its own clock.
        written: its position in the log, in bytes; None for a standby.
    """

    version: str
    major: int
    role: str
    sees_statistics: bool
    in_recovery: bool
    system: str | None = None
    timeline: int | None = None
    started: float | None = None
    written: int | None = None

    def is_same_history(self, other: ServerNow) -> bool:
        """Whether both are of one history: what the one counted, the other may go on counting.

        Args:
            other: who answered at another time.
        """
        same_system = self.system is None or other.system is None or self.system == other.system
        same_line = self.timeline is None or other.timeline is None or self.timeline == other.timeline
        return same_system and same_line and self.in_recovery == other.in_recovery

    def is_same_run(self, other: ServerNow) -> bool:
        """Whether it was not restarted in between.

        Args:
            other: who answered at another time.
        """
        return self.is_same_history(other) and self.started == other.started


def server_now(cursor: Any) -> ServerNow:
    """Ask a server which one it is.

    Args:
        cursor: of a connection in autocommit mode.

    Raises:
        psycopg2.Error: it does not answer.
    """
    cursor.execute(WHO)
    version, number, role, sees = cursor.fetchone()
    found = read_sample(cursor, available_facts(cursor))
    return ServerNow(
        version=version.split()[0],
        major=number // 10_000,
        role=role,
        sees_statistics=bool(sees),
        in_recovery=found.in_recovery,
        system=None if found.system is None else str(found.system),
        timeline=found.timeline,
        started=found.started,
        written=found.written,
    )
