"""What no writer makes: it is dropped where it is too much, and otherwise told."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.drift.fix.change import Change, Writer, remark, words_of

__all__ = ["EVENT_TRIGGER", "OTHER"]


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


OTHER = Writer(_told, _drop, _told)
EVENT_TRIGGER = Writer(_create_event_trigger, _drop, _create_event_trigger)
