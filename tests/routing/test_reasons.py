"""Reasons are of few kinds, whatever they name: for a metric the kind, for people the words."""

from __future__ import annotations

import pytest

from erm_alembic.routing.deciding.reasons import Reason, Why, why_primary, why_replica
from erm_alembic.routing.options import PRIMARY_ONLY, ReadMode

ANY_REPLICA, REPORTING = ReadMode(), ReadMode(policy="reporting")


@pytest.mark.parametrize(
    ("reason", "kind", "words"),
    [
        (Reason(Why.BEGUN), "the transaction was begun explicitly", "the transaction was begun explicitly"),
        (Reason(Why.POLICY, "replica of mine"), "policy", "policy replica of mine"),
        (
            Reason(Why.REPLICA_FAILED, "policy maker"),
            "a replica failed within the transaction",
            "replica policy maker failed within the transaction",
        ),
        (Reason(Why.NOT_A_READ, "policy drift is volatile"), "not known to be a pure read", "policy drift is volatile"),
    ],
)
def test_a_reason_is_of_one_kind_whatever_it_names(reason: Reason, kind: str, words: str) -> None:
    """Also where a server or a function is called like a reason of another kind."""
    assert (reason.why.value, str(reason)) == (kind, words)


def test_no_two_kinds_are_counted_as_one() -> None:
    """Each has a value of its own."""
    assert len({why.value for why in Why}) == len(Why)


def test_the_strongest_reason_for_the_primary_is_said() -> None:
    """The transaction's before the statement's, and that before the mode's; none where a replica may answer."""
    pinned, no_read = Reason(Why.PINNED), Reason(Why.NOT_A_READ, "it writes")
    assert why_primary(PRIMARY_ONLY, pinned, no_read) is pinned
    assert why_primary(PRIMARY_ONLY, None, no_read) is no_read
    assert why_primary(PRIMARY_ONLY, None, None) == Reason(Why.NOTHING_CHOSE)
    assert why_primary(ReadMode(replicas=False, policy="here"), None, None) == Reason(Why.POLICY, "here")
    assert why_primary(ANY_REPLICA, None, None) is None


def test_a_replica_answers_for_a_policy_where_there_is_one() -> None:
    """Else because it is a pure read."""
    assert why_replica(REPORTING) == Reason(Why.POLICY, "reporting")
    assert why_replica(ANY_REPLICA) == Reason(Why.PURE_READ)
