"""Mixed load from threads and tasks while servers are killed, frozen, promoted and cut off, by a seed."""

from __future__ import annotations

import os

from tests.chaos.run import run
from tests.support.load.topology import Topology

SECONDS = float(os.environ.get("ERM_CHAOS_SECONDS", "8"))
SEED = int(os.environ.get("ERM_CHAOS_SEED", "1"))


def test_nothing_that_was_promised_is_broken_whatever_happens_to_the_servers(servers: Topology) -> None:
    """No answer is older than its token or policy allows, no write is lost or sent to a standby, no session is left
    broken, nobody hangs or dies, nothing is left over; and there were faults, reads and writes enough to say so."""
    truth = run(servers, SEED, SECONDS)
    print(f"ERM_CHAOS_SEED={SEED} ERM_CHAOS_SECONDS={SECONDS:g}")
    print(*(f"{count:8} {what}" for what, count in sorted(truth.counts.items())), sep="\n")
    assert not truth.violations, "\n".join([f"{len(truth.violations)} violations", *truth.violations[:20]])
