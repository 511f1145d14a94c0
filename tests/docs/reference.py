"""The reference of `erm_alembic.routing`, made of its signatures and docstrings.

python -m tests.docs.reference > docs/routing-api.md
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from tests.docs.docstrings import Docstring, read, runnable

__all__ = ["PARTS", "Part", "entries", "page", "undocumented"]

_ROUTING = "erm_alembic.routing"


class Part(NamedTuple):
    """A part of the page: its heading, and what stands there, as `module:name`; `_ROUTING` where no module is named."""

    heading: str
    names: tuple[str, ...]


PARTS = (
    Part(
        "A cluster",
        (
            "connect_cluster",
            "connect_cluster_from_config",
            "Cluster",
            "ReplicaConfig",
            "FallbackBudget",
            "HeartbeatTable",
        ),
    ),
    Part("What a read may ask", ("replica_read", "replica_policy", "primary", "causal", "ReplicaReadOptions")),
    Part("Sessions", ("RoutingSession", "sessions.asynchronous:AsyncRoutingSession", "Route", "Explanation")),
    Part(
        "What is known of the servers",
        (
            "watching.state:ClusterState",
            "watching.state:PrimaryState",
            "watching.state:ReplicaState",
            "watching.state:Trouble",
        ),
    ),
    Part(
        "Replicas that come and go",
        ("DnsReplicas", "PatroniReplicas", "discovery:Discovery", "discovery:Found", "discovery:DiscoveryFailed"),
    ),
    Part(
        "In frameworks",
        (
            "integrations.asgi:CausalMiddleware",
            "integrations.wsgi:CausalMiddleware",
            "integrations.celery:CausalTasks",
            "integrations.flask_sqlalchemy:FlaskRoutingSession",
            "integrations.sqlmodel:SQLModelRoutingSession",
            "integrations.sqlmodel:AsyncSQLModelRoutingSession",
            "scope:CausalScope",
        ),
    ),
    Part("OpenTelemetry", ("telemetry:instrument", "telemetry:Telemetry")),
    Part("Errors", ("NoReplicaAvailable", "StaleReplicaWrite", "WritePrevented")),
)

# What is public for the parts of the house, and nothing for an application.
_FOR_THE_HOUSE = frozenset(
    {
        "Cluster.of",
        "Cluster.begin_in_child",
        "Cluster.objections",
        "RoutingSession.router",
        "RoutingSession.on_stale",
        "FlaskRoutingSession.get_bind",
        "Telemetry.fell_back",
        "Telemetry.retried",
        "Telemetry.waited",
        "Telemetry.found_stale",
    }
)
# What an application is given, and does not make.
_GIVEN = frozenset({"Route", "Explanation", "ClusterState", "PrimaryState", "ReplicaState", "Trouble", "Telemetry"})
# Arguments that only catch what was meant otherwise, to say so.
_CATCHES = frozenset({"given", "misnamed"})
_HEAD = """# The Python API of routing

Every public name of `erm_alembic.routing`; what they are for stands in [routing.md](routing.md). This page is made of
the docstrings, by `python -m tests.docs.reference > docs/routing-api.md`; a test compares both.

A `Duration` is seconds, a `timedelta`, or a text such as `"500ms"`, `"5s"`, `"45m"`; a `Lag` is a duration, or bytes of
log such as `"16MB"`. Errors are classes of `erm_alembic.errors` unless they are Python's own; such a one says what is
wrong, what follows, and what to do.
"""


@dataclass(frozen=True)
class Entry:
    """What stands on the page under one name.

    Args:
        title: how it is called and written.
        docstring: what is said of it.
        signature: what it takes; None where nobody calls it.
        types: by name the type of each attribute of a value.
        members: what is said of its methods and properties.
    """

    title: str
    docstring: Docstring
    signature: inspect.Signature | None
    types: Mapping[str, str] = field(default_factory=dict)
    members: tuple[Entry, ...] = ()

    @property
    def is_given(self) -> bool:
        """Whether an application is given it, and does not make it."""
        return self.title.rpartition(".")[2] in _GIVEN


def entries(part: Part) -> Iterator[Entry]:
    """What stands in a part of the page.

    Args:
        part: one of `PARTS`.
    """
    for name in part.names:
        module, _, attribute = name.rpartition(":")
        thing = getattr(importlib.import_module(f"{_ROUTING}.{module}".rstrip(".")), attribute)
        where = f"{_ROUTING}.{module}".rstrip(".")
        docstring = runnable(read(thing.__doc__), where)
        yield Entry(f"{where}.{attribute}", docstring, _signature(thing), _types(thing), tuple(_members(thing)))


def page() -> str:
    """The whole page."""
    lines = [_HEAD]
    for part in PARTS:
        lines.append(f"\n## {part.heading}\n")
        for entry in entries(part):
            lines.append(f"\n### `{entry.title}`\n")
            lines += _shown(entry, 4)
    return "".join(lines)


def _shown(entry: Entry, level: int) -> Iterator[str]:
    docstring = entry.docstring
    if entry.signature is not None:
        yield f"\n```python\n{_written(entry)}\n```\n"
    yield f"\n{docstring.text}\n"
    if entry.types:
        yield "\n| attribute | type | |\n| --- | --- | --- |\n"
        for name, type_ in entry.types.items():
            yield f"| `{name}` | {_cell(type_)} | {_cell(docstring.arguments.get(name, ''))} |\n"
    elif docstring.arguments and not entry.is_given:
        yield "\n| argument | |\n| --- | --- |\n"
        yield from (f"| `{name}` | {_cell(what)} |\n" for name, what in docstring.arguments.items())
    if docstring.returns:
        yield f"\nReturns {docstring.returns[0].lower()}{docstring.returns[1:]}\n"
    if docstring.raises:
        yield "\n| raises | when |\n| --- | --- |\n"
        yield from (f"| `{name}` | {_cell(what)} |\n" for name, what in docstring.raises.items())
    if docstring.example:
        yield f"\n```python\n{docstring.example}\n```\n"
    for member in entry.members:
        yield f"\n{'#' * level} `{member.title}`\n"
        yield from _shown(member, level + 1)


def _signature(thing: Any) -> inspect.Signature | None:
    if not inspect.isclass(thing):
        return inspect.signature(thing)
    is_made = dataclasses.is_dataclass(thing) or "__init__" in vars(thing)
    if not is_made or getattr(thing, "_is_protocol", False) or thing.__name__ in _GIVEN or issubclass(thing, Exception):
        return None
    return inspect.signature(thing).replace(return_annotation=inspect.Signature.empty)


def _types(thing: Any) -> Mapping[str, str]:
    """The attributes of a value that an application is given."""
    if thing.__name__ not in _GIVEN:
        return {}
    if issubclass(thing, Enum):
        return {member.name: thing.__name__ for member in thing}
    return {each.name: str(each.type) for each in dataclasses.fields(thing)} if dataclasses.is_dataclass(thing) else {}


def _members(thing: Any) -> Iterator[Entry]:
    if not inspect.isclass(thing) or issubclass(thing, Exception):
        return
    for name, member in vars(thing).items():
        if name.startswith("_") or f"{thing.__name__}.{name}" in _FOR_THE_HOUSE or _is_sqlalchemys(thing, name):
            continue
        called = getattr(member, "__func__", member)
        read_by = getattr(member, "fget", None) or getattr(member, "func", None)
        if inspect.isfunction(called):
            prefix = "async " if inspect.iscoroutinefunction(called) else ""
            docstring = runnable(read(called.__doc__ or ""), thing.__module__)
            yield Entry(f"{prefix}{thing.__name__}.{name}()", docstring, inspect.signature(called))
        elif read_by is not None:
            yield Entry(f"{thing.__name__}.{name}", read(read_by.__doc__ or ""), None)


def _is_sqlalchemys(kind: type, name: str) -> bool:
    return issubclass(kind, Session | AsyncSession) and (hasattr(Session, name) or hasattr(AsyncSession, name))


def _written(entry: Entry) -> str:
    """A signature as somebody who calls it needs it."""
    assert entry.signature is not None
    name = entry.title.removeprefix("async ").removesuffix("()").rpartition(".")[2]
    signature = entry.signature.replace(
        parameters=[
            each.replace(default=_plain(each.default), annotation=_named(each.annotation)) for each in taken(entry)
        ],
        return_annotation=_named(entry.signature.return_annotation),
    )
    text = f"{name}{signature}"
    if len(text) <= 110:
        return text
    inner = "".join(f"    {each},\n" for each in _listed(signature))
    ending = "" if signature.return_annotation is inspect.Signature.empty else f" -> {signature.return_annotation}"
    return f"{name}(\n{inner}){ending}"


def taken(entry: Entry) -> list[inspect.Parameter]:
    """What somebody who calls it may give."""
    parameters = [] if entry.signature is None else list(entry.signature.parameters.values())
    return [each for each in parameters if each.name not in ("self", "cls")]


def undocumented(entry: Entry) -> Iterator[str]:
    """What is said nothing of: the entry, its arguments, and its members.

    Args:
        entry: what stands on the page.
    """
    if not entry.docstring.text:
        yield entry.title
    # What is given by its place alone is passed on to SQLAlchemy.
    asked = {each.name for each in taken(entry) if each.kind is not each.VAR_POSITIONAL} - _CATCHES
    missing = asked | set(entry.types) if entry.is_given else asked
    missing -= set(entry.docstring.arguments)
    yield from (f"{entry.title}: {name}" for name in sorted(missing))
    for member in entry.members:
        yield from undocumented(member)


def _listed(signature: inspect.Signature) -> Iterator[str]:
    has_star = False
    for each in signature.parameters.values():
        has_star |= each.kind is each.VAR_POSITIONAL
        if each.kind is each.KEYWORD_ONLY and not has_star:
            has_star = True
            yield "*"
        yield str(each)


class _Bare(str):
    """A text that stands as it is in a signature."""

    def __repr__(self) -> str:
        return str(self)


def _named(annotation: Any) -> Any:
    return _Bare(annotation) if isinstance(annotation, str) else annotation


def _plain(default: Any) -> Any:
    """A default as one would write it."""
    shown = repr(default)
    if shown.startswith("mappingproxy("):
        return _Bare(shown.removeprefix("mappingproxy(").removesuffix(")"))
    if shown.startswith("<") and default is not inspect.Parameter.empty:
        return _Bare("...")
    return default


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
