"""What hangs on other objects, and what no writer makes: it is dropped where it is too much, and otherwise told."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.drift.fix.change import Change, Writer, remark, words_of
from erm_alembic.postgres.text.literals import sql_literal

__all__ = ["EVENT_TRIGGER", "EXTENSION_DEPENDENCY", "OTHER", "SECURITY_LABEL"]


def _told(change: Change) -> Iterator[str]:
    properties = "; ".join(f"{name}: {value}" for name, value in change.wanted.items())
    yield remark(f"{change.kind} {change.name} shall be: {properties or 'as it is by default'}. Write it by hand.")


def _drop(change: Change) -> Iterator[str]:
    name = change.name
    if change.kind == "cast":
        yield f"DROP CAST IF EXISTS ({name.replace(' as ', ' AS ', 1)})"
    elif change.kind == "transform":
        type_, _, language = name.rpartition(" in ")
        yield f"DROP TRANSFORM IF EXISTS FOR {type_} LANGUAGE {language}"
    elif change.kind == "user-mapping":
        server, _, role = name.partition(": ")
        yield f"DROP USER MAPPING IF EXISTS FOR {role} SERVER {server}"
    elif change.kind == "subscription":
        yield remark(f"subscription {name} shall not be there; DROP SUBSCRIPTION cannot run in a transaction.")
    elif change.kind == "database-setting":
        yield remark(f"The setting {name} of the database shall be as it is by default: ALTER DATABASE ... RESET.")
    elif change.kind == "column-order":
        yield from _told(change)
    else:
        yield f"DROP {words_of(change.kind)} IF EXISTS {name.replace(' using ', ' USING ')}"


def _create_event_trigger(change: Change) -> Iterator[str]:
    wanted, name = change.wanted, change.name
    yield f"DROP EVENT TRIGGER IF EXISTS {name}"
    tags = "".join(f", '{tag}'" for tag in (wanted.get("tags") or "").split(", ") if tag).removeprefix(", ")
    when = f" WHEN TAG IN ({tags})" if tags else ""
    yield f"CREATE EVENT TRIGGER {name} ON {wanted['event']}{when} EXECUTE FUNCTION {wanted['function']}"
    if wanted.get("enabled", "yes") != "yes":
        words = {"no": "DISABLE", "on replicas": "ENABLE REPLICA", "always": "ENABLE ALWAYS"}
        yield f"ALTER EVENT TRIGGER {name} {words[wanted['enabled']]}"


def _label(change: Change) -> Iterator[str]:
    kind, name = change.parent
    provider = change.name.removeprefix(f"{kind.replace('-', ' ')} {name} for ")
    label = change.wanted.get("label")
    said = "NULL" if label is None else sql_literal(label)
    yield f"SECURITY LABEL FOR {provider} ON {words_of(kind)} {name} IS {said}"


def _depends(change: Change) -> Iterator[str]:
    yield f"ALTER {_as_altered(change)} DEPENDS ON EXTENSION {change.wanted['extension']}"


def _depends_not(change: Change) -> Iterator[str]:
    yield f"ALTER {_as_altered(change)} NO DEPENDS ON EXTENSION {change.have['extension']}"


def _as_altered(change: Change) -> str:
    """An object as ALTER names it; a trigger is named with its table."""
    kind, name = change.parent
    if kind != "trigger":
        return f"{words_of(kind)} {name}"
    parents = {**change.sides.have.parents, **change.sides.wanted.parents}
    table = parents[kind, name][1]
    return f"TRIGGER {name.removeprefix(f'{table}.')} ON {table}"


OTHER = Writer(_told, _drop, _told)
SECURITY_LABEL = Writer(_label, _label, _label)
EXTENSION_DEPENDENCY = Writer(_depends, _depends_not, _depends)
EVENT_TRIGGER = Writer(_create_event_trigger, _drop, _create_event_trigger)
