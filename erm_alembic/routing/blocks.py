"""Blocks around code that choose where its reads go: replicas that are fresh enough, a named policy, the primary.

A block is remembered in a context variable, and marks itself as over when it is left. So a task that was started within
a block and outlives it is not in it any more, and a generator that is closed in some other context does no harm.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, NoReturn, TypeVar, cast

from erm_alembic.errors import ConfigurationError
from erm_alembic.routing.limits import Duration, Lag
from erm_alembic.routing.misuse import refuse
from erm_alembic.routing.options import PRIMARY_ONLY, ReadMode, ReplicaReadOptions
from erm_alembic.routing.positions import Position
from erm_alembic.routing.tokens import read_token

__all__ = [
    "Block",
    "Choice",
    "ReadBlock",
    "causal",
    "chosen_by",
    "chosen_mode",
    "innermost_block",
    "primary",
    "replica_policy",
    "replica_read",
]

# What a block, a session or a statement chooses: a mode, or the name of a policy, which each cluster has its own of.
Choice = ReadMode | str

Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])


class Block:
    """One entry into a `ReadBlock`.

    Args:
        entered: what was entered.
        outer: the block around it.
    """

    __slots__ = ("commits", "entered", "is_open", "outer")

    def __init__(self, entered: ReadBlock, outer: Block | None) -> None:
        self.entered, self.outer, self.is_open = entered, outer, True
        # When a session of a router last committed a write within it, by time.monotonic(); where that is collected.
        self.commits: dict[Any, float] = {}

    def chain(self) -> Iterator[Block]:
        """This block and those around it, from inside out, without those that are over."""
        block: Block | None = self
        while block is not None:
            if block.is_open:
                yield block
            block = block.outer


_innermost: ContextVar[Block | None] = ContextVar("erm_routing_block", default=None)


def innermost_block() -> Block | None:
    """The innermost block that this code runs in; None outside of all."""
    block = _innermost.get()
    while block is not None and not block.is_open:
        block = block.outer
    return block


def chosen_by(block: Block | None) -> Choice | None:
    """What the innermost of some blocks that chooses has chosen; None where none does.

    Args:
        block: the innermost one.
    """
    chosen = (each.entered.choice for each in block.chain()) if block else ()
    return next((choice for choice in chosen if choice is not None), None)


class ReadBlock:
    """What `replica_read`, `replica_policy`, `primary` and `causal` return: a context manager and a decorator.

    It can be entered any number of times, in any thread or task, by `with` or `async with`, which awaits nothing. As a
    decorator it takes functions, coroutines and generators of both kinds; a generator is in the block while its own
    code runs, not while it is suspended.

    Args:
        choice: where reads go; None leaves that to the block around.
        after: a position that a replica must have replayed; None asks for none.
        unreachable: whether no replica can have replayed what is asked for, so that all reads go to the primary.
        collects: whether its sessions see each other's commits, as those of one request.
    """

    def __init__(
        self,
        choice: Choice | None = None,
        after: Position | None = None,
        *,
        unreachable: bool = False,
        collects: bool = False,
    ) -> None:
        self.choice, self.after, self.unreachable, self.collects = choice, after, unreachable, collects
        self._entries: list[Block] = []

    def __enter__(self) -> Block:
        block = Block(self, innermost_block())
        self._entries.append(block)
        _innermost.set(block)
        return block

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        here = _innermost.get()
        own = (block for block in (here.chain() if here else ()) if block.entered is self)
        # Left in another context than it was entered in, it is the one that was entered last.
        block = next(own, self._entries[-1])
        self._entries.remove(block)
        block.is_open = False
        if here is block:
            _innermost.set(block.outer)

    async def __aenter__(self) -> Block:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: Wrapped) -> Wrapped:
        """Run a function, a coroutine, or each step of a generator within the block."""
        if inspect.isasyncgenfunction(function):
            wrapped: Callable[..., Any] = self._asynchronous_generator(function)
        elif inspect.isgeneratorfunction(function):
            wrapped = self._generator(function)
        elif inspect.iscoroutinefunction(function):
            wrapped = self._coroutine(function)
        else:
            wrapped = self._function(function)
        return cast(Wrapped, functools.wraps(function)(wrapped))

    def _function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def within(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return within

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def within(*args: Any, **kwargs: Any) -> Any:
            with self:
                return await function(*args, **kwargs)

        return within

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def within(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            steps: Generator[Any, Any, Any] = function(*args, **kwargs)
            resume, value = steps.send, None
            while True:
                with self:
                    try:
                        item = resume(value)
                    except StopIteration as end:
                        return end.value
                try:
                    value = yield item
                    resume = steps.send
                except GeneratorExit:
                    steps.close()
                    raise
                except BaseException as error:
                    resume, value = steps.throw, error

        return within

    def _asynchronous_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def within(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            steps: AsyncGenerator[Any, Any] = function(*args, **kwargs)
            resume, value = steps.asend, None
            while True:
                with self:
                    try:
                        item = await resume(value)
                    except StopAsyncIteration:
                        return
                try:
                    value = yield item
                    resume = steps.asend
                except GeneratorExit:
                    await steps.aclose()
                    raise
                except BaseException as error:
                    resume, value = steps.athrow, error

        return within


def replica_read(
    *given: NoReturn,
    max_lag: Lag | None = None,
    max_wait: Duration = 0.0,
    prevent_writes: bool = False,
    require_read_only: bool = False,
    disable_fallback: bool = False,
    snapshot: bool = False,
    **misnamed: NoReturn,
) -> ReadBlock:
    """Let the reads within go to a replica that is fresh enough.

    Only what is known to be a pure read does; anything else, and every transaction that was begun explicitly, goes to
    the primary.

    Args:
        max_lag: how stale an answer may be: seconds, a timedelta, "5s", or bytes of log such as "16MB"; None takes any
            replica within its own `max_follower_lag`.
        max_wait: how long to wait for a replica that is fresh enough before the primary is asked.
        prevent_writes: raise `WritePrevented` where something is written.
        require_read_only: only replicas that are declared `read_only`.
        disable_fallback: raise `NoReplicaAvailable` rather than read from the primary.
        snapshot: one snapshot for the whole transaction instead of one for each statement.
        given: nothing: what is asked is named.
        misnamed: nothing.

    Raises:
        ConfigurationError: something is given that it does not take: a policy is chosen by `replica_policy`.
        ValueError: a duration or a lag is none.

    Example:
        >>> with replica_read(max_lag="5s"):
        ...     pass
        >>> @replica_read(max_lag=5)
        ... def report(session): ...
    """
    refuse("replica_read", given, misnamed, tuple(ReplicaReadOptions.__dataclass_fields__))
    options = ReplicaReadOptions(max_lag, max_wait, require_read_only, disable_fallback, prevent_writes, snapshot)
    return ReadBlock(options.mode)


def replica_policy(name: str) -> ReadBlock:
    """Let the reads within go where a policy of the session's cluster says.

    Args:
        name: the policy's name; a session whose cluster has none of that name raises `ConfigurationError`.

    Raises:
        ConfigurationError: it is no name.

    Example:
        >>> @replica_policy("reporting")
        ... def report(session): ...
    """
    if not isinstance(name, str):
        refuse("replica_policy", (name,), known=("the name of a policy",))
    return ReadBlock(name)


def primary(*given: NoReturn) -> ReadBlock:
    """Let everything within go to the primary, whatever stands around it; commits within change nothing about that.

    Args:
        given: nothing.

    Raises:
        ConfigurationError: something is given.

    Example:
        >>> with replica_read(), primary():
        ...     pass
    """
    refuse("primary", given)
    return ReadBlock(PRIMARY_ONLY)


def causal(token: str | None) -> ReadBlock:
    """Let the reads within see at least what a token stands for: a commit of some other session, anywhere.

    Args:
        token: what `session.causal_token` gave there; None, as for a caller who brings none, asks for nothing. One that
            cannot be read lets all reads go to the primary: nobody ever reads less than they wrote.

    Example:
        >>> with causal(None), replica_read():
        ...     pass
    """
    if token is None:
        return ReadBlock()
    position = read_token(token)
    return ReadBlock(after=position, unreachable=position is None)


def chosen_mode(choice: Any) -> Choice:
    """What somebody chose, as routing wants it.

    Args:
        choice: options, a mode, the name of a policy, True for any replica, False for the primary.

    Raises:
        ConfigurationError: it is none of these.
    """
    if isinstance(choice, bool):
        return ReadMode() if choice else PRIMARY_ONLY
    if isinstance(choice, ReplicaReadOptions):
        return choice.mode
    if isinstance(choice, ReadMode | str):
        return choice
    raise ConfigurationError(
        f"{choice!r} does not say where reads go.",
        cure="Give ReplicaReadOptions, the name of a policy, True or False.",
    )
