"""What makes a database worse than before, rule by rule, in the exact words that are told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from erm_alembic.config.observing_settings import ObserveSettings
from erm_alembic.config.sizes import Size
from erm_alembic.errors import ConfigurationError
from erm_alembic.observing.model import ReplicaLag
from erm_alembic.observing.rules import RULES, refuse_unknown
from erm_alembic.postgres.health.counters import COUNTED, Counters
from erm_alembic.postgres.health.sessions import Connections, LockWait, OpenTransaction
from erm_alembic.postgres.health.tables import TableState
from erm_alembic.postgres.server_facts import Slot
from tests.observing.observed import of, sample, seen
from tests.support.cli import REPOSITORY

LIMITS = ObserveSettings(max_slot=Size(1024**3))
MB, GB = 1024**2, 1024**3


def counted(**counters: int) -> dict[str, Any]:
    """The counters of a sample."""
    return {"counters": Counters({**dict.fromkeys(COUNTED, 0), **counters})}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "lock-wait": (
        {},
        {"waiting": 3, "waits": (LockWait(7, 12.0, "ACCESS EXCLUSIVE on table public.a", ("pid 8 (psql): idle",)),)},
        "pid 7 has waited 12s for ACCESS EXCLUSIVE on table public.a. 3 sessions wait in all. "
        "In the way is pid 8 (psql): idle.",
    ),
    "long-transaction": (
        {},
        {"transactions": (OpenTransaction(3600.0, "pid 8 (psql): idle"),)},
        "A transaction has been open for 1h: pid 8 (psql): idle. "
        "No row that it might still see can be cleaned up, and what it locked stays locked.",
    ),
    "connections-used-up": (
        {},
        {"connections": Connections(95, 97, 3, 0)},
        "95 of 97 connections are in use (98%): soon nobody else gets one.",
    ),
    "lost-sessions": (
        counted(sessions=100),
        counted(sessions=120, sessions_fatal=2, sessions_killed=3),
        "5 sessions did not end by themselves: 2 fatal, 3 killed.",
    ),
    "replica-lag": (
        {"replicas": (ReplicaLag("east", 0.0),)},
        {"replicas": (ReplicaLag("east", 45.0, True, 12 * MB),)},
        "east is at least 45s behind (12.0 MB of log): what is read there is as old.",
    ),
    "replica-away": (
        {"replicas": (ReplicaLag("east", 0.0), ReplicaLag("west", 0.0))},
        {"replicas": (ReplicaLag("east", problem="connection refused"), ReplicaLag("west", 0.0))},
        "east cannot be read from: connection refused.",
    ),
    "slot-keeps-log": (
        {"slots": (Slot("old", "physical", False, held_bytes=10, wal_status="reserved"),)},
        {"slots": (Slot("old", "physical", False, held_bytes=2 * GB, wal_status="extended"),)},
        "The replication slot old, which nobody uses, keeps 2.0 GB of log: the disk fills up.",
    ),
    "more-rollbacks": (
        counted(xact_commit=1000, xact_rollback=10),
        counted(xact_commit=1090, xact_rollback=20),
        "10.0% of the transactions are rolled back (10); before it were 1.0%.",
    ),
    "deadlocks": (
        counted(xact_commit=1000),
        counted(xact_commit=1100, deadlocks=2),
        "2 deadlocks: the server has ended a transaction each time.",
    ),
    "recovery-conflicts": (
        {"replicas": (ReplicaLag("east", 0.0, conflicts=2),)},
        {"replicas": (ReplicaLag("east", 0.0, conflicts=5),)},
        "Replay has cancelled 3 queries on east.",
    ),
    "temporary-files": (
        counted(xact_commit=1000),
        counted(xact_commit=1100, temp_bytes=200 * MB, temp_files=4),
        "Statements have written 200.0 MB into 4 temporary files: their memory does not suffice.",
    ),
    "checksum-failures": (
        counted(checksum_failures=0),
        counted(checksum_failures=1),
        "1 pages have a wrong checksum: data on the disk is damaged.",
    ),
    "dead-rows": (
        {"tables": (TableState("public.a", 100_000, 100),)},
        {"tables": (TableState("public.a", 100_000, 50_000),)},
        "33% of the rows of public.a are dead (50000): scans read them all the same.",
    ),
    "invalid-index": (
        {"invalid_indexes": ("public.old",)},
        {"invalid_indexes": ("public.new", "public.old")},
        "The index public.new is invalid: writes keep it up, and no query uses it.",
    ),
    "unvalidated-constraint": (
        {},
        {"unvalidated": (('public."a.b"', '"c.d"'),)},
        'The constraint "c.d" of public."a.b" was not checked against the rows that are there.',
    ),
}


@pytest.mark.parametrize("rule", CASES)
def test_what_became_worse_is_told_in_these_words(rule: str) -> None:
    """A rule says what is worse, and nothing while everything is as before."""
    before, now, message = CASES[rule]
    calm = seen(sample(0, **before), sample(1, **before), limits=LIMITS)
    assert of(calm, rule) == [] and not calm.is_worse
    found = of(seen(sample(0, **before), sample(1, **now), limits=LIMITS), rule)
    assert [each.message for each in found] == [message]
    assert all(each.help for each in found)


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_every_rule_has_its_section(rule: str) -> None:
    """The page on observing explains each rule under its name."""
    assert f"\n### {rule}\n" in (REPOSITORY / "docs" / "observe.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("rule", "before", "now"),
    [
        ("deadlocks", {"deadlocks": 10}, {"deadlocks": 30}),
        ("temporary-files", {"temp_bytes": 1000 * MB}, {"temp_bytes": 3000 * MB}),
        ("lost-sessions", {"sessions": 1000, "sessions_fatal": 100}, {"sessions": 2000, "sessions_fatal": 300}),
    ],
)
def test_slower_than_is_the_factor_of_what_goes_wrong_more_often(
    rule: str, before: dict[str, int], now: dict[str, int]
) -> None:
    """Twice as many for each transaction is not more than twice as many; the page says whose factor it is."""
    samples = sample(0, **counted(xact_commit=1000, **before)), sample(1, **counted(xact_commit=2000, **now))
    assert seen(*samples, limits=ObserveSettings(slower_than=2), before=samples[0]).findings == ()
    strict = seen(*samples, limits=ObserveSettings(slower_than=1.9), before=samples[0])
    assert [each.rule for each in strict.findings] == [rule]
    page = (REPOSITORY / "docs" / "observe.md").read_text(encoding="utf-8")
    assert "`slower_than`" in page.split(f"\n### {rule}\n")[1].split("\n### ")[0]


def test_a_rule_that_is_off_says_nothing_and_one_that_warns_makes_nothing_worse() -> None:
    """`observe.rules` says how loud a rule is."""
    before, now, _ = CASES["deadlocks"]
    samples = sample(0, **before), sample(1, **now)
    loud = seen(*samples, limits=LIMITS)
    assert loud.is_worse
    mild = seen(*samples, limits=ObserveSettings(rules={"deadlocks": "warning"}))
    assert [each.severity for each in of(mild, "deadlocks")] == ["warning"] and not mild.is_worse
    assert seen(*samples, limits=ObserveSettings(rules={"deadlocks": "off"})).findings == ()


def test_a_name_that_no_rule_has_is_refused() -> None:
    """A typo would silence nothing."""
    with pytest.raises(ConfigurationError, match=r"there is no rule 'lock-waits'. Did you mean 'lock-wait'?"):
        refuse_unknown({"lock-waits": "off"})


def test_few_transactions_are_not_judged() -> None:
    """One rollback of three transactions is no sign of anything."""
    observation = seen(
        sample(0, **counted(xact_commit=1000)), sample(1, **counted(xact_commit=1002, xact_rollback=1)), limits=LIMITS
    )
    assert observation.findings == ()


def test_a_standby_that_is_gone_altogether_is_told() -> None:
    """One that no longer follows has no lag any more: it is away."""
    observation = seen(sample(0, replicas=(ReplicaLag("east", 0.0),)), sample(1), limits=LIMITS)
    assert [each.message for each in of(observation, "replica-away")] == ["east no longer follows the server."]


def test_a_lost_slot_is_an_error_also_where_nothing_is_kept_for_it() -> None:
    """Whoever follows a lost slot must be made anew, which no warning suffices for."""
    observation = seen(
        sample(0, slots=(Slot("old", "physical", True, wal_status="reserved"),)),
        sample(1, slots=(Slot("old", "physical", False, wal_status="lost"),)),
        limits=LIMITS,
    )
    assert [each.severity for each in of(observation, "slot-keeps-log")] == ["error"]


def test_a_lock_wait_is_told_at_its_worst() -> None:
    """Of a wait that grew, the longest is kept, with when it was first and last seen."""
    waits = [sample(second, waits=(LockWait(7, length, "a lock"),)) for second, length in enumerate((10.0, 20.0, 8.0))]
    (found,) = of(seen(*waits, limits=LIMITS), "lock-wait")
    assert found.worst == 20.0 and found.seen == 3
    assert found.first_at is not None and found.last_at is not None
    assert found.last_at - found.first_at == timedelta(seconds=2)
