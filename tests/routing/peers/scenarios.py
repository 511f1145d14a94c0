"""The pitfalls of reading from replicas, one scenario each; whoever gets through one without an error has passed it."""

from __future__ import annotations

from tests.routing.peers import of_servers, of_writes
from tests.routing.peers.pitfall import Pitfall

__all__ = ["PITFALLS", "Pitfall"]

PITFALLS = (
    Pitfall(1, "after a commit a session reads what it wrote", of_writes.own_writes),
    Pitfall(2, "after a flush it counts what was flushed", of_writes.after_a_flush),
    Pitfall(3, "what was read stale does not undo another's write", of_writes.lost_update),
    Pitfall(4, "one replica a transaction", of_servers.one_replica),
    Pitfall(5, "bulk writes go to the primary", of_writes.bulk),
    Pitfall(6, "so does what is sent over `session.connection()`", of_writes.bare_connection),
    Pitfall(7, "and text, DDL, sequences, Core inserts", of_writes.unknown),
    Pitfall(8, "and a write in a CTE, a lock in a subquery", of_writes.hidden_writes),
    Pitfall(9, "and volatile functions, advisory locks among them", of_writes.volatile),
    Pitfall(10, "and what was begun explicitly", of_writes.begin),
    Pitfall(11, "a killed backend harms neither the read nor the commit", of_servers.killed_backend),
    Pitfall(12, "a recovery conflict is known by every driver's error", of_servers.error_identity),
    Pitfall(13, "two-phase sessions stay on the primary", of_writes.two_phases),
    Pitfall(14, "options of a call open no further connections", of_servers.options),
    Pitfall(15, "`bind_arguments`, `binds` and a bound connection come first", of_servers.own_binds),
    Pitfall(16, "asyncio", of_servers.asynchronous),
    Pitfall(17, "blocks hold for nobody else: tasks, generators, threads", of_servers.contexts),
    Pitfall(18, "the primary is kept through a commit; no session sticks for another", of_servers.stickiness),
    Pitfall(19, "no idle transaction on a replica", of_servers.idle),
    Pitfall(20, "a demoted primary is noticed at the first refused write", of_servers.demoted, alone=True),
    Pitfall(21, "a limit for the lag holds, whatever the clocks say", of_servers.lag),
    Pitfall(22, "a token is neither too early nor out of reach", of_servers.tokens),
)
