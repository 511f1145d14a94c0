"""Finds every problem of an erm.yaml, so that they are corrected in one go."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from erm_alembic.config.backup_model import backup_problems
from erm_alembic.config.document import Document, KeyPath, Problem, dotted
from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.interpolation import has_variables
from erm_alembic.config.model import FileModel
from erm_alembic.config.profiles import Effective, declared_profiles, effective
from erm_alembic.config.redaction import redact
from erm_alembic.config.release_model import BUILT_IN_STAGES, OwnStageModel
from erm_alembic.config.secrets import scheme_of
from erm_alembic.config.secrets_model import reference_problem
from erm_alembic.errors import ConfigurationError
from erm_alembic.spelling import nearest

__all__ = ["find_problems"]

_MESSAGES = {
    "extra_forbidden": "unknown key",
    "missing": "this key is missing",
    "string_type": "a text is expected here",
    "int_parsing": "a whole number is expected here",
    "int_type": "a whole number is expected here",
    "float_parsing": "a number is expected here",
    "float_type": "a number is expected here",
    "finite_number": "a number is expected here",
    "bool_parsing": "true or false is expected here",
    "bool_type": "true or false is expected here",
    "dict_type": "keys and values are expected here",
    "model_type": "keys and values are expected here",
    "list_type": "a list is expected here",
    "tuple_type": "a list is expected here",
    "string_too_short": "the value is empty",
    "too_short": "the list is empty",
    "time_delta_type": "a duration is expected here, as 500ms, 15s, 45m or 1h",
}


# What is called otherwise in Python, and here.
_MEANT = {"max_lag": "max_follower_lag"}


def find_problems(document: Document, resolved: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Everything that is wrong in a file, in the order of its lines.

    Args:
        document: the file.
        resolved: its data with the variables put in.
    """
    problems = list(document.problems)
    try:
        FileModel.model_validate(resolved)
    except ValidationError as error:
        problems += [_from_pydantic(document, details) for details in error.errors(include_url=False)]
    else:
        problems += _across_keys(document, resolved)
    problems += _addresses(document, resolved)
    unique = dict.fromkeys(problems)
    return tuple(sorted(unique, key=lambda problem: (problem.line or 0, problem.key)))


def _from_pydantic(document: Document, details: Any) -> Problem:
    path: KeyPath = tuple(details["loc"])
    kind, context = details["type"], details.get("ctx", {})
    near = None
    if kind == "extra_forbidden":
        key, known = str(path[-1]), _known_keys(path[:-1])
        near = _MEANT[key] if _MEANT.get(key) in known else nearest(key, known)
        message = _MESSAGES[kind]
    elif kind == "value_error":
        message = str(context["error"])
    elif kind == "literal_error":
        message = f"one of {context['expected']} is expected here"
    elif kind == "greater_than_equal":
        message = f"the number must be {context['ge']:g} or more"
    elif kind == "less_than_equal":
        message = f"the number must be {context['le']:g} or less"
    elif kind == "greater_than":
        message = f"the number must be more than {context['gt']:g}"
    elif kind == "string_pattern_mismatch":
        message = "module:attribute is expected here, as app.models:Base.metadata"
    else:
        message = _MESSAGES.get(kind) or str(details["msg"])
    return Problem(document.line_of(path), dotted(path), redact(message), near)


def _known_keys(path: KeyPath) -> list[str]:
    """The keys that the model knows at a place."""
    kind: Any = FileModel
    for part in path:
        kind = _inside(kind, part)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [field.alias or name for name, field in kind.model_fields.items()]
    return []


def _inside(kind: Any, part: str | int) -> Any:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {field.alias or name: field for name, field in kind.model_fields.items()}
        return _bare(fields[str(part)].annotation) if part in fields else None
    arguments = get_args(kind)
    return _bare(arguments[-1]) if arguments else None


def _bare(kind: Any) -> Any:
    """A type without `| None` and without annotations."""
    if get_origin(kind) in (Union, types.UnionType):
        return _bare(next(item for item in get_args(kind) if item is not type(None)))
    return _bare(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


def _across_keys(document: Document, resolved: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong between keys, in what each profile has in force."""
    for profile in (None, *declared_profiles(resolved)):
        yield from _of_profile(document, effective(resolved, profile))


def _of_profile(document: Document, found: Effective) -> Iterator[Problem]:
    def problem(*path: str | int, message: str, near: str | None = None) -> Problem:
        source = found.sources.get(path, path)
        return Problem(document.line_of(source), dotted(source), message, near)

    for key, message in backup_problems(found.backup):
        yield problem("backup", key, message=message)
    pool = found.pool
    if pool.min_conns > pool.max_conns:
        yield problem(
            "pool", "min_conns", message=f"min_conns ({pool.min_conns}) is more than max_conns ({pool.max_conns})"
        )
    if pool.health_check_period.total_seconds() <= 0:
        yield problem("pool", "health_check_period", message="the period must be longer than nothing")
    routing = found.routing
    if routing.default_policy is not None and routing.default_policy not in routing.policies:
        known = list(routing.policies)
        yield problem(
            "routing",
            "default_policy",
            message=f"there is no policy {routing.default_policy!r}",
            near=nearest(routing.default_policy, known),
        )
    budget, heartbeat = routing.fallback_budget, routing.heartbeat
    if budget is not None and budget.share is None and budget.rate is None:
        message = "share or rate is expected here: this would bound nothing"
        yield problem("routing", "fallback_budget", message=message)
    if heartbeat is not None and heartbeat.schema_ is None:
        yield problem("routing", "heartbeat", message="its schema is missing, in which the table is made")
    if (discovery := routing.discovery) is not None and (discovery.dns is None) == (discovery.patroni is None):
        yield problem("routing", "discovery", message="one of dns and patroni is expected here; `off` takes one away")
    seen: set[str] = set()
    for index, replica in enumerate(found.replicas):
        if replica.name in seen:
            yield problem("replicas", index, "name", message=f"another replica is already named {replica.name!r}")
        seen.add(replica.name)
    for stage, own in found.release.stages.items():
        known = [*BUILT_IN_STAGES, *(name for name in found.release.stages if name != stage)]
        if stage in BUILT_IN_STAGES:
            yield problem("release", "stages", stage, message="a stage of erm's own has this name; choose another one")
        elif own.after not in known:
            near = nearest(own.after, known)
            yield problem("release", "stages", stage, "after", message=f"there is no stage {own.after!r}", near=near)
        elif _in_a_circle(stage, found.release.stages):
            yield problem("release", "stages", stage, "after", message="it comes after itself")
    if found.migrations.directory is not None and found.migrations.alembic_ini is not None:
        yield problem(
            "migrations", "alembic_ini", message="alembic_ini stands instead of directory; take one of them away"
        )


def _in_a_circle(stage: str, stages: Mapping[str, OwnStageModel]) -> bool:
    """Whether a stage comes after one that comes after it."""
    seen: set[str] = set()
    at = stage
    while at in stages and at not in seen:
        seen.add(at)
        at = stages[at].after
    return at == stage


def _addresses(document: Document, resolved: Mapping[str, Any]) -> Iterator[Problem]:
    """Addresses, and what says where their logins are kept, as far as they can be judged without opening them."""
    own = _own_schemes(resolved)
    for path, text in _texts(resolved, (), "credentials"):
        if said := reference_problem(text, own):
            yield Problem(document.line_of(path), dotted(path), said)
    for path, text in _texts(resolved, (), "url"):
        if scheme_of(text, own) is not None or not text.strip():
            continue
        literal = text
        if has_variables(text):
            scheme, separator, _ = text.partition("://")
            if not separator or has_variables(scheme):
                continue
            literal = scheme + separator + ("name" if scheme == "embedded" else "")
        try:
            DatabaseUrl.parse(literal.replace("$$", "$"))
        except ConfigurationError as error:
            yield Problem(document.line_of(path), dotted(path), redact(error.what.rstrip(".")))


def _own_schemes(data: Any) -> dict[str, str]:
    """The schemes of the team's own providers, in whichever profile they are declared."""
    profiles = ((data.get("database") or {}).get("environments") or {}).values() if isinstance(data, dict) else ()
    found: dict[str, str] = {}
    for section in (data, *(profile for profile in profiles if isinstance(profile, dict))):
        providers = ((section.get("secrets") or {}) if isinstance(section, dict) else {}).get("providers")
        found |= providers if isinstance(providers, dict) else {}
    return found


def _texts(data: Any, path: KeyPath, name: str) -> Iterator[tuple[KeyPath, str]]:
    """The texts of one key within `database` and `shadow`, at every depth."""
    if path[:1] in ((), ("database",), ("shadow",)):
        items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
        for key, value in items:
            if key == name and isinstance(value, str):
                yield (*path, key), value
            elif "backup" not in path:
                yield from _texts(value, (*path, key), name)
