"""Blocks: which one code is in, across tasks, threads, generators and contexts."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from erm_alembic.errors import ConfigurationError
from erm_alembic.routing import Cluster, ReplicaReadOptions, causal, primary, replica_policy, replica_read
from erm_alembic.routing.blocks import ReadBlock, innermost_block
from erm_alembic.routing.limits import LagLimit, lag_limit
from erm_alembic.routing.options import PRIMARY_ONLY, ReadMode
from erm_alembic.routing.positions import Position
from erm_alembic.routing.tokens import read_token, write_token

HERE = Position(system=7_123_456_789_012_345_678, timeline=3, lsn=0x16B3748)


def _choice() -> ReadMode | str | None:
    block = innermost_block()
    return None if block is None else block.entered.choice


def test_the_innermost_block_holds_and_the_one_around_it_after_it() -> None:
    """A block within another replaces it for as long as it lasts."""
    with replica_policy("reporting"):
        with primary():
            assert _choice() == PRIMARY_ONLY
        assert _choice() == "reporting"
    assert _choice() is None


def test_a_block_ends_with_an_exception() -> None:
    """What a block chose does not outlive an error within it."""
    with pytest.raises(ZeroDivisionError), replica_policy("reporting"):
        raise ZeroDivisionError
    assert _choice() is None


def test_one_block_is_entered_again_within_itself_and_in_many_threads() -> None:
    """The same object serves every entry; each is left on its own."""
    block = replica_policy("reporting")
    with block:
        with block:
            pass
        assert _choice() == "reporting"

        def enter(_: int) -> object:
            with block:
                return _choice()

        with ThreadPoolExecutor(4) as threads:
            assert set(threads.map(enter, range(64))) == {"reporting"}
    assert _choice() is None


def test_decorated_functions_keep_their_name_and_their_kind() -> None:
    """Frameworks ask what kind of function they were given."""
    decorate = replica_policy("reporting")

    @decorate
    def function() -> object:
        """What it says."""
        return _choice()

    @decorate
    async def coroutine() -> object:
        return _choice()

    @decorate
    def generator() -> Iterator[object]:
        yield _choice()

    @decorate
    async def asynchronous_generator() -> AsyncIterator[object]:
        yield _choice()

    assert (function.__name__, function.__doc__, function()) == ("function", "What it says.", "reporting")
    assert inspect.iscoroutinefunction(coroutine) and asyncio.run(coroutine()) == "reporting"
    assert inspect.isgeneratorfunction(generator) and list(generator()) == ["reporting"]
    assert inspect.isasyncgenfunction(asynchronous_generator)


def test_a_suspended_generator_is_not_in_its_block() -> None:
    """Whoever takes its items does not read where the generator reads."""

    @replica_policy("reporting")
    def generator() -> Iterator[object]:
        got = yield _choice()
        try:
            yield got
        except ValueError:
            yield _choice()

    steps = generator()
    assert next(steps) == "reporting"
    assert _choice() is None
    assert steps.send("sent") == "sent"  # type: ignore[attr-defined]
    assert steps.throw(ValueError) == "reporting"  # type: ignore[attr-defined]
    assert _choice() is None


def test_a_suspended_asynchronous_generator_is_not_in_its_block() -> None:
    """The same for asyncio, and when it is closed before its end."""

    @replica_policy("reporting")
    async def generator() -> AsyncIterator[object]:
        yield _choice()
        yield _choice()

    async def main() -> None:
        steps = generator()
        async for item in steps:
            assert (item, _choice()) == ("reporting", None)
            break
        await steps.aclose()  # type: ignore[attr-defined]
        assert _choice() is None

    asyncio.run(main())


def test_a_task_that_outlives_the_block_it_was_started_in_leaves_it_too() -> None:
    """A task inherits the block while that lasts, and no longer."""

    async def main() -> list[object]:
        left = asyncio.Event()
        seen: list[object] = []

        async def task() -> None:
            seen.append(_choice())
            await left.wait()
            seen.append(_choice())

        with replica_policy("outer"):
            with replica_policy("inner"):
                started = asyncio.create_task(task())
                await asyncio.sleep(0)
            left.set()
            await started
        return seen

    assert asyncio.run(main()) == ["inner", "outer"]


def test_a_block_that_is_left_in_another_context_is_over_everywhere() -> None:
    """As when a framework closes a generator in a context of its own."""
    block = replica_policy("reporting")
    elsewhere = contextvars.copy_context()
    elsewhere.run(block.__enter__)
    assert _choice() is None
    contextvars.copy_context().run(block.__exit__, None, None, None)
    assert elsewhere.run(_choice) is None


def test_durations_and_lags_are_read_where_they_are_written() -> None:
    """Seconds, a timedelta, a text with its unit, bytes of log; anything else is refused at once."""
    written = [5, 5.0, "5s", timedelta(seconds=5)]
    assert {lag_limit(lag) for lag in written} == {LagLimit(seconds=5.0)}
    assert lag_limit("16MB") == LagLimit(bytes=16 * 1024 * 1024)
    for wrong in (-1, float("nan"), float("inf"), "5", "soon", "5 parsecs", "-5s", ""):
        with pytest.raises(ValueError):
            replica_read(max_lag=wrong)
    for wrong_kind in (True, b"5s", [5]):
        with pytest.raises(TypeError):
            replica_read(max_lag=wrong_kind)  # type: ignore[arg-type]


def test_a_token_comes_back_as_it_was_and_no_other_text_is_one() -> None:
    """Cut, changed, empty, foreign: none of them is taken for a position."""
    token = write_token(HERE)
    assert read_token(token) == HERE
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    altered = token[:9] + ("A" if token[9] != "A" else "B") + token[10:]
    for wrong in ("", token[:-1], token + "A", altered, "é" * 34, "\x00", "null", token.swapcase()):
        assert read_token(wrong) is None


def test_a_token_that_cannot_be_read_asks_for_the_primary() -> None:
    """Nobody reads less than they wrote because a cookie was cut; no token at all asks for nothing."""
    assert causal(write_token(HERE)).after == HERE
    broken: ReadBlock = causal("broken")
    assert (broken.after, broken.unreachable) == (None, True)
    assert (causal(None).after, causal(None).unreachable) == (None, False)


@pytest.mark.parametrize("brought", [b"AQ", 5, "é", object()])
def test_whatever_is_brought_as_a_token_and_is_none_asks_for_the_primary(brought: Any) -> None:
    """It may come from anywhere."""
    with causal(brought) as block:
        assert block.entered.unreachable


@pytest.mark.parametrize("endless", [10**400, 1e300], ids=["int", "float"])
def test_a_lag_that_no_timedelta_holds_is_refused(endless: float) -> None:
    """In the words of any other that is none."""
    with pytest.raises(ValueError, match="timedelta"):
        ReplicaReadOptions(max_lag=endless)


def test_policies_are_replaced_as_one_or_not_at_all() -> None:
    """A default that is none of them leaves what there was."""
    cluster = Cluster("postgresql://app@db/shop")
    cluster.use_replica_policies("reporting", {"reporting": ReplicaReadOptions(max_lag="20s")})
    before, default = cluster.policies, cluster.default_mode
    with pytest.raises(ConfigurationError, match="There is no replica policy 'typo'"):
        cluster.use_replica_policies("typo", {"other": None})
    assert cluster.policies is before
    assert cluster.default_mode is default
    assert cluster.use_replica_policies(None, {"other": None}).default_mode is PRIMARY_ONLY
    assert list(cluster.policies) == ["other"]
