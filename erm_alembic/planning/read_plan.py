"""A plan read back from its JSON: for what shows a plan again, in another format, without a database.

It is the inverse of what `--format json` prints, and it runs nothing: what is run is read by `approved_plan`, which
looks at its checksum and compares it with a plan that was just made.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from erm_alembic.errors import UsageError
from erm_alembic.planning.model import Plan, Statement, Step
from erm_alembic.planning.rehearsal import Observed

__all__ = ["ReadPlan", "read_plan"]

SCHEMA_VERSION = 1

# By class, the types of its members: reading them takes longer than reading a statement.
_known: dict[type[Any], dict[str, Any]] = {}


@dataclass(frozen=True)
class ReadPlan(Plan):
    """A plan as its JSON tells it.

    Args:
        digest: what it says of itself: not all that the digest was taken of stands in the JSON.
    """

    digest: str = ""


class _Shape(ValueError):
    """A member that is missing, or of another kind than the model has."""


def read_plan(content: bytes, name: str) -> ReadPlan:
    """Read what `erm migrate --mode plan --format json` has printed, or `--out` has kept.

    Args:
        content: the bytes.
        name: what they were read from, for messages.

    Raises:
        UsageError: it is no plan, tells an error instead of one, or is of another version.

    Example:
        >>> from erm_alembic.planning.model import Plan
        >>> read_plan(b'{"schema_version": 1, "error": {"what": "The server is gone."}}', "plan.json")
        Traceback (most recent call last):
        ...
        erm_alembic.errors.UsageError: plan.json is no plan: the command that wrote it failed: The server is gone.
    """
    try:
        document = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise _no_plan(name, "is not JSON" if content.strip() else "is empty") from None
    if isinstance(document, dict) and isinstance(document.get("error"), dict):
        what = document["error"].get("what")
        raise _no_plan(name, f"is no plan: the command that wrote it failed: {what}", sentence=True)
    if not isinstance(document, dict) or "pending" not in document:
        raise _no_plan(name, "is JSON, but no plan")
    if document.get("schema_version") != SCHEMA_VERSION:
        raise _no_plan(name, f"was written by another version of erm: its format is {document.get('schema_version')!r}")
    try:
        return _plan(document)
    except (_Shape, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _no_plan(name, f"lacks what a plan has, or has it in another shape ({error})") from None


def _refuse_constant(name: str) -> Any:
    """Python reads NaN and Infinity, which are no JSON, and which no duration is."""
    raise ValueError(name)


def _plan(document: Mapping[str, Any]) -> ReadPlan:
    hints = _hints(ReadPlan)
    members = {
        "database_url": document["database"]["url"],
        "server_version": document["database"]["server_version"],
        "steps": [{**step, "down_revisions": step["down_revision"]} for step in document["pending"]],
    }
    told = {**document, **members}
    # The basis and the request of a kept plan are not shown; those of a printed one are not there.
    names = [name for name in hints if name in told and name not in ("basis", "request")]
    return ReadPlan(**{name: _value(hints[name], told[name], name) for name in names})


def _value(hint: Any, value: Any, place: str) -> Any:
    """The value of a member, as its type hint says."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (hint,) = [each for each in arguments if each is not type(None)]
        return _value(hint, value, place)
    if origin is tuple:
        return _sequence(arguments, value, place)
    if origin is Literal:
        return _checked(value in arguments, value, place)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _record(hint, value, place)
    if hint is datetime:
        return datetime.fromisoformat(value)
    if hint is float:
        return float(_checked(isinstance(value, int | float), value, place))
    return _checked(isinstance(value, hint), value, place)


def _sequence(arguments: tuple[Any, ...], value: Any, place: str) -> tuple[Any, ...]:
    _checked(isinstance(value, list), value, place)
    if arguments[-1] is Ellipsis:
        return tuple(_value(arguments[0], each, f"{place}[{number}]") for number, each in enumerate(value))
    _checked(len(arguments) == len(value), value, place)
    return tuple(_value(hint, each, place) for hint, each in zip(arguments, value, strict=True))


def _record(kind: type[Any], value: Any, place: str) -> Any:
    """A dataclass; a member that is not there is left to its default, one that is unknown is left out."""
    _checked(isinstance(value, dict), value, place)
    if kind is Statement:
        value = {**value, "observed": _observed(value)}
    elif kind is Step and "down_revisions" not in value:
        value = {**value, "down_revisions": value["down_revision"]}
    hints = _hints(kind)
    return kind(**{name: _value(hints[name], value[name], f"{place}.{name}") for name in hints if name in value})


def _observed(statement: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a rehearsal saw of a statement, which stands beside its own members; null where it saw nothing."""
    members = {field.name: statement.get(field.name) for field in dataclasses.fields(Observed)}
    return None if members["locks"] is None else members


def _hints(kind: type[Any]) -> dict[str, Any]:
    if kind not in _known:
        hints = get_type_hints(kind)
        _known[kind] = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    return _known[kind]


def _checked(holds: bool, value: Any, place: str) -> Any:
    if not holds:
        raise _Shape(place)
    return value


def _no_plan(name: str, why: str, *, sentence: bool = False) -> UsageError:
    return UsageError(
        f"{name} {why}" + ("" if sentence else "."),
        effect="Nothing was read from it.",
        cure="Give what `erm migrate --mode plan --format json` has printed, or a file that --out has kept.",
    )
