"""Real trouble of a real primary with its standby: slow statements, a lag, a hang, a restart, a failover.

One pair of servers for all of it: the last test of the module takes the primary away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from erm_alembic.config.settings import ReplicaSettings
from erm_alembic.observing import before, observe
from erm_alembic.observing.sampling import Sampler
from erm_alembic.target import Target
from tests.observing.observed import AT_ONCE, Watch, target_of
from tests.support.databases import one_per_major
from tests.support.processes import freeze, thaw
from tests.support.standbys import Replicated, has_basebackup, replicated
from tests.support.waiting import until

_ABLE = [binaries for binaries in one_per_major() if has_basebackup(binaries)]
CALLS = 25


@pytest.fixture(scope="module")
def pair() -> Iterator[Replicated]:
    """A primary that counts statements, and its standby."""
    if not _ABLE:
        pytest.skip("no PostgreSQL here has pg_basebackup to make standbys with")
    binaries = _ABLE[-1]
    if not list(binaries.program("postgres").parent.parent.rglob("pg_stat_statements.*")):
        pytest.skip("this PostgreSQL comes without pg_stat_statements")
    settings = {"shared_preload_libraries": "pg_stat_statements", "wal_retrieve_retry_interval": "100ms"}
    with replicated(binaries, **settings) as pair:
        pair.primary.execute("CREATE SCHEMA stats")
        pair.primary.execute("CREATE EXTENSION pg_stat_statements SCHEMA stats")
        pair.primary.execute("CREATE TABLE orders (id int, customer text)")
        pair.primary.execute("INSERT INTO orders SELECT n, 'c' || n FROM generate_series(1, 100000) n")
        pair.primary.execute("CREATE INDEX orders_id ON orders (id); ANALYZE orders")
        pair.catch_up()
        yield pair


@pytest.fixture
def target(pair: Replicated) -> Target:
    """The primary of the moment, with the limits of tests."""
    return target_of(pair.url())


def ask(pair: Replicated, statement: str, times: int = CALLS) -> None:
    """Run a statement on the primary, again and again."""
    pair.primary.execute(f"DO $$ BEGIN FOR n IN 1..{times} LOOP PERFORM {statement}; END LOOP; END $$")


def counting_nested(pair: Replicated) -> None:
    pair.primary.execute("ALTER SYSTEM SET pg_stat_statements.track = 'all'")
    pair.primary.execute("SELECT pg_reload_conf()")


def test_a_statement_that_lost_its_index_is_told_against_how_long_it_took_before(
    pair: Replicated, target: Target
) -> None:
    """The same statement takes longer than before: with its text, without the values, and without those of others."""
    counting_nested(pair)
    ask(pair, "count(*) FROM orders WHERE id = n")
    formerly = before(target, ["public.orders"])
    with Sampler(target, ["public.orders"]) as sampler:
        watch = Watch(sampler, before=formerly)
        watch.look()
        pair.primary.execute("DROP INDEX orders_id")
        ask(pair, "count(*) FROM orders WHERE id = n")
        watch.look()
        (found,) = watch.of("slower-statement")
        (change,) = watch.observation.changed
        assert change.before_ms is not None and change.now_ms > 2 * change.before_ms and change.calls == CALLS
        assert "orders" in change.text and change.text in found.message
        assert watch.observation.is_worse
        tables = {table.name: table for table in formerly.tables if table.is_asked_for}
        assert tables["public.orders"].live == 100_000


def test_a_statement_that_is_new_and_slow_is_told_and_one_of_a_known_text_is_not_new(
    pair: Replicated, target: Target
) -> None:
    """A table that is made anew changes the ids of its statements, not their texts."""
    limits = replace(AT_ONCE, slow_new_query=timedelta(0))
    ask(pair, "count(*) FROM orders WHERE id = n")
    with Sampler(target) as sampler:
        watch = Watch(sampler, limits)
        watch.look()
        pair.primary.execute(
            "CREATE TABLE again AS TABLE orders; DROP TABLE orders; ALTER TABLE again RENAME TO orders"
        )
        ask(pair, "count(*) FROM orders WHERE id = n")
        ask(pair, "count(*) FROM orders WHERE customer = 'Erika Mustermann'")
        watch.look()
        new = {change.text for change in watch.observation.changed if change.before_ms is None}
        assert any("customer" in text for text in new), new
        assert not any("id = n" in text for text in new), new
        assert "Mustermann" not in repr(watch.observation)


def test_statistics_that_are_reset_in_the_middle_are_no_news(pair: Replicated, target: Target) -> None:
    """What was counted before the reset counts once, and what comes after it from nothing."""
    with Sampler(target) as sampler:
        watch = Watch(sampler)
        watch.look()
        ask(pair, "count(*) FROM orders WHERE id = n", 10)
        watch.look()
        pair.primary.execute("SELECT stats.pg_stat_statements_reset(), pg_stat_reset()")
        ask(pair, "count(*) FROM orders WHERE id = n", 7)
        watch.look()
        calls = [total.calls for total in watch.observation.statements.values()]
        assert 17 in calls, calls
        assert all(number >= 0 for number in watch.observation.totals.values())
        assert watch.observation.gaps == ()


def test_a_password_in_a_utility_statement_is_never_told(pair: Replicated, target: Target, secret: str) -> None:
    """pg_stat_statements has the whole text of some statements: values are taken out of it here."""
    pair.primary.execute(f"CREATE ROLE told_{secret[:6].lower()} PASSWORD '{secret}'")
    with Sampler(target) as sampler:
        sample = sampler.take()
        assert not isinstance(sample, str) and sample.statements is not None
        texts = sampler.texts(list(sample.statements.totals))
        assert any("CREATE ROLE" in text for text in texts.values())
        assert secret not in repr(texts)


def test_without_pg_monitor_the_statements_of_others_are_hidden_and_that_is_said(
    pair: Replicated, target: Target
) -> None:
    """A role sees the statements that it ran itself."""
    pair.primary.execute("CREATE ROLE few LOGIN; GRANT USAGE ON SCHEMA stats TO few")
    try:
        with Sampler(target_of(pair.primary.url(user="few"))) as sampler:
            sample = sampler.take()
            assert not isinstance(sample, str) and sample.statements is not None
            assert sample.statements.hidden > 0
            assert "statements of other roles are hidden (GRANT pg_monitor" in sample.unseen["pg_stat_statements"]
            pair.primary.execute("GRANT pg_monitor TO few")
            sample = sampler.take()
            assert not isinstance(sample, str) and "pg_stat_statements" not in sample.unseen
    finally:
        pair.primary.execute("DROP OWNED BY few; DROP ROLE few")


def test_an_extension_that_was_not_updated_has_its_former_columns(pair: Replicated) -> None:
    """After an upgrade of the server, pg_stat_statements stays what it was until somebody updates it."""
    pair.primary.execute("CREATE DATABASE former")
    pair.primary.execute("CREATE EXTENSION pg_stat_statements VERSION '1.7'", dbname="former")
    with Sampler(target_of(pair.primary.url("former"))) as sampler:
        sample = sampler.take()
        assert not isinstance(sample, str) and sample.statements is not None, sample
        assert sample.statements.totals and sample.statements.reset_at is None


def test_a_standby_can_be_observed_too(pair: Replicated) -> None:
    """It has its own statistics and locks; what only a primary has is left out."""
    pair.catch_up()
    with Sampler(target_of(pair.standby.url())) as sampler:
        watch = Watch(sampler)
        watch.look()
        observation = watch.look()
        assert not observation.is_worse and observation.last is not None
        assert observation.last.server.in_recovery and observation.unseen == {}


def test_a_standby_that_stands_still_is_behind_whether_it_is_configured_or_not(
    pair: Replicated, target: Target
) -> None:
    """The primary sees the lag of any standby; of one in erm.yaml, routing's monitor does."""
    pair.standby.execute("SELECT pg_wal_replay_pause()")
    until(lambda: _write(pair) and pair.standby.execute("SELECT pg_get_wal_replay_pause_state() = 'paused'")[0][0])
    try:
        with Sampler(target) as sampler:
            watch = Watch(sampler)
            _until_worse(watch, "replica-lag", lambda: _write(pair))
            (found,) = watch.of("replica-lag")
            assert found.subject == pair.standby.folder.name
        url = replace(target.settings.url, text=pair.standby.url(), key="database.replicas[0].url")  # type: ignore[type-var]
        settings = replace(target.settings, replicas=(ReplicaSettings("east", url),))
        with Sampler(replace(target, settings=settings)) as sampler:
            watch = Watch(sampler)
            _until_worse(watch, "replica-lag", lambda: _write(pair))
            assert [finding.subject for finding in watch.of("replica-lag")] == ["east"]
            assert watch.observation.last is not None
            assert [replica.name for replica in watch.observation.last.replicas] == ["east"]
    finally:
        pair.standby.execute("SELECT pg_wal_replay_resume()")


def _write(pair: Replicated) -> bool:
    pair.primary.execute("SELECT pg_logical_emit_message(true, 'test', 'x')")
    return True


def _until_worse(watch: Watch, rule: str, meanwhile: Callable[[], object]) -> None:
    def looked() -> bool:
        meanwhile()
        watch.look()
        return bool(watch.of(rule))

    until(looked, lambda: watch.observation.last)


def test_a_server_that_does_not_answer_is_a_gap_and_a_restart_another_one(pair: Replicated, target: Target) -> None:
    """Neither a server that hangs nor one that is restarted ends the observation."""
    with Sampler(target, patience=2.0) as sampler:
        watch = Watch(sampler)
        watch.look()
        freeze(pair.primary)
        try:
            watch.look()
        finally:
            thaw(pair.primary)
        assert watch.observation.is_away
        until(lambda: not watch.look().is_away)
        pair.primary.restart("immediate")
        watch.look()
        assert [gap.kind for gap in watch.observation.gaps] == ["silence", "restart"]
        messages = [finding.message for finding in watch.of("server-away")]
        assert "it did not answer within 2 s" in messages[0] and "The server was restarted" in messages[1]


def test_a_failover_in_the_middle_is_survived_and_told(pair: Replicated, target: Target) -> None:
    """The server that the address leads to is another one: observed on, with counters of its own."""
    looks = 0

    def fail_over(_observation: object) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            pair.switch_over()

    observation = observe(
        target,
        duration=timedelta(seconds=60),
        interval=timedelta(milliseconds=100),
        told=fail_over,
        stop=lambda: looks >= 5,
    )
    assert [gap.kind for gap in observation.gaps] == ["failover"] or "failover" in observation.gaps[-1].why
    assert observation.is_worse and not observation.is_away and not observation.is_complete
    assert observation.last is not None and observation.last.server.timeline == 2
    assert all(number >= 0 for number in observation.totals.values())
