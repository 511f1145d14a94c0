"""SQL of what belongs to a table: constraints, indexes, triggers, rules, policies, statistics objects."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.drift.fix.change import Change, Writer, only_if, remark
from erm_alembic.drift.fix.relations import comment_on, parent_of
from erm_alembic.drift.scope import schema_of
from erm_alembic.postgres.existence import constraint_exists
from erm_alembic.postgres.text.literals import sql_literal

__all__ = ["CONSTRAINT", "INDEX", "POLICY", "RULE", "STATISTICS", "TRIGGER", "of_other_definition"]

NOT_VALID = " NOT VALID"
ENABLING = {"yes": "ENABLE", "no": "DISABLE", "on replicas": "ENABLE REPLICA", "always": "ENABLE ALWAYS"}


def _of_whom(change: Change) -> str:
    """The table, or the domain, as it stands after ALTER and after ON."""
    kind, name = change.parent
    return f"DOMAIN {name}" if kind == "domain" else f"TABLE {name}"


def _create_constraint(change: Change) -> Iterator[str]:
    if change.wanted.get("inherited") == "only":
        return  # it comes with the parent's
    kind, owner = change.parent
    missing = f"NOT {constraint_exists(owner, change.own_name, of_domain=kind == 'domain')}"
    yield only_if(missing, f"ALTER {_of_whom(change)} ADD CONSTRAINT {change.own_name} {change.wanted['definition']}")
    yield from _comment_on_constraint(change)


def _comment_on_constraint(change: Change) -> Iterator[str]:
    kind, owner = change.parent
    on = f"DOMAIN {owner}" if kind == "domain" else owner
    yield from comment_on(change, f"CONSTRAINT {change.own_name} ON {on}", change.wanted)


def _drop_constraint(change: Change) -> Iterator[str]:
    if change.have.get("inherited") != "only":
        yield f"ALTER {_of_whom(change)} DROP CONSTRAINT IF EXISTS {change.own_name}"


def of_other_definition(change: Change) -> str | None:
    """The condition that a constraint has not the definition yet that it shall have; None where it need not go for it.

    Args:
        change: the constraint.
    """
    wanted, have = change.wanted.get("definition", ""), change.have.get("definition", "")
    if wanted == have or f"{wanted}{NOT_VALID}" == have or change.have.get("inherited") == "only":
        return None
    kind, owner = change.parent
    has = f" AND pg_catalog.pg_get_constraintdef(oid) = {sql_literal(wanted)}"
    return f"NOT {constraint_exists(owner, change.own_name, has, of_domain=kind == 'domain')}"


def _alter_constraint(change: Change) -> Iterator[str]:
    # Any other definition is dropped and made again, and a part's comes with its parent's.
    if change.differs("definition") and change.have.get("inherited") != "only":
        yield f"ALTER {_of_whom(change)} VALIDATE CONSTRAINT {change.own_name}"
    if change.differs("inherited"):
        yield remark(f"{change.name}: whether it is the table's own beside its parent's cannot be changed.")
    if change.differs("comment"):
        yield from _comment_on_constraint(change)


def _create_index(change: Change) -> Iterator[str]:
    if change.parent[0] == "constraint":
        return  # it comes with the constraint
    definition = change.wanted["definition"]
    for begins in ("CREATE INDEX ", "CREATE UNIQUE INDEX "):
        if definition.startswith(begins):
            definition = f"{begins}IF NOT EXISTS {definition.removeprefix(begins)}"
    tablespace = change.wanted.get("tablespace")
    if tablespace is not None:
        yield only_if("true", f"SET LOCAL default_tablespace = {tablespace}", definition)
    else:
        yield definition
    yield from _settings_of_index(change)


def _settings_of_index(change: Change) -> Iterator[str]:
    name, wanted = change.name, change.wanted
    if "attached to" in wanted and change.differs("attached to"):
        yield f"ALTER INDEX {wanted['attached to']} ATTACH PARTITION {name}"
    if change.differs("clustered") and (wanted.get("clustered") == "yes" or change.have.get("clustered") == "yes"):
        own = name.removeprefix(f"{schema_of(name)}.")
        table = _table_of(change)
        cluster = f"CLUSTER ON {own}" if wanted.get("clustered") == "yes" else "SET WITHOUT CLUSTER"
        yield f"ALTER TABLE {table} {cluster}"
    for target in (wanted.get("statistics targets") or "").split(", "):
        number, _, value = target.partition(": ")
        if number:
            yield f"ALTER INDEX {name} ALTER COLUMN {number} SET STATISTICS {value}"
    if change.differs("comment"):
        yield from comment_on(change, f"INDEX {name}", wanted)


def _table_of(change: Change) -> str:
    kind, name = change.parent
    parents = {**change.sides.have.parents, **change.sides.wanted.parents}
    return parents[kind, name][1] if kind == "constraint" else name


def _drop_index(change: Change) -> Iterator[str]:
    if change.parent[0] != "constraint" and "attached to" not in change.have:
        yield f"DROP INDEX IF EXISTS {change.name}"


def _alter_index(change: Change) -> Iterator[str]:
    if change.differs("definition") or (change.differs("valid") and change.wanted.get("valid") == "yes"):
        if change.parent[0] == "constraint":
            yield f"REINDEX INDEX {change.name}"
            return
        yield f"DROP INDEX IF EXISTS {change.name}"
        yield from _create_index(Change(change.kind, change.name, change.wanted, {}, change.sides))
        return
    if change.differs("valid"):
        yield remark(f"{change.name} shall not be valid; an index is made so by a build that is cut off.")
    if change.differs("tablespace"):
        yield f"ALTER INDEX {change.name} SET TABLESPACE {change.wanted.get('tablespace', 'pg_default')}"
    if "attached to" in change.have and change.differs("attached to"):
        yield remark(f"{change.name} is attached to {change.have['attached to']}; it cannot be detached alone.")
    yield from _settings_of_index(change)


def _of_parent(change: Change) -> str | None:
    """When the trigger of the parent, of which a partition has a copy, is enabled; None where there is none."""
    parent = change.parent
    for snapshot in (change.sides.have, change.sides.wanted):
        table: str | None = parent[1]
        while (bound := snapshot.objects.get(("partition", table or ""), {}).get("partition of")) is not None:
            table = parent_of(bound)
            properties = snapshot.objects.get(("trigger", f"{table}.{change.own_name}"))
            if properties is not None:
                return properties.get("enabled", "yes")
    return None


def _create_trigger(change: Change) -> Iterator[str]:
    if _of_parent(change) is not None:
        enabled = ENABLING[change.wanted.get("enabled", "yes")]
        yield f"ALTER TABLE {change.parent[1]} {enabled} TRIGGER {change.own_name}"
        return
    yield from _drop_trigger(change)
    yield change.wanted["definition"]
    yield from _enabled(change, "TRIGGER")
    yield from comment_on(change, f"TRIGGER {change.own_name} ON {change.parent[1]}", change.wanted)


def _enabled(change: Change, what: str) -> Iterator[str]:
    enabled = change.wanted.get("enabled", "yes")
    if enabled != change.have.get("enabled", "yes"):
        yield f"ALTER TABLE {change.parent[1]} {ENABLING[enabled]} {what} {change.own_name}"


def _drop_trigger(change: Change) -> Iterator[str]:
    if (enabled := _of_parent(change)) is not None:
        yield f"ALTER TABLE {change.parent[1]} {ENABLING[enabled]} TRIGGER {change.own_name}"
        return
    yield f"DROP TRIGGER IF EXISTS {change.own_name} ON {change.parent[1]}"


def _alter_trigger(change: Change) -> Iterator[str]:
    if change.differs("definition"):
        yield from _create_trigger(Change(change.kind, change.name, change.wanted, {}, change.sides))
        return
    yield from _enabled(change, "TRIGGER")
    if change.differs("comment"):
        yield from comment_on(change, f"TRIGGER {change.own_name} ON {change.parent[1]}", change.wanted)


def _create_rule(change: Change) -> Iterator[str]:
    definition = change.wanted["definition"].rstrip().removesuffix(";")
    yield definition.replace("CREATE RULE", "CREATE OR REPLACE RULE", 1)
    yield from _enabled(change, "RULE")
    yield from comment_on(change, f"RULE {change.own_name} ON {change.parent[1]}", change.wanted)


def _drop_rule(change: Change) -> Iterator[str]:
    yield f"DROP RULE IF EXISTS {change.own_name} ON {change.parent[1]}"


def _alter_rule(change: Change) -> Iterator[str]:
    if change.differs("definition"):
        yield from _create_rule(change)
        return
    yield from _enabled(change, "RULE")
    if change.differs("comment"):
        yield from comment_on(change, f"RULE {change.own_name} ON {change.parent[1]}", change.wanted)


def _create_policy(change: Change) -> Iterator[str]:
    wanted = change.wanted
    yield from _drop_policy(change)
    text = (
        f"CREATE POLICY {change.own_name} ON {change.parent[1]} AS {wanted['form'].upper()} FOR {wanted['command']}"
        f" TO {wanted['roles']}"
    )
    text += f" USING ({wanted['using']})" if "using" in wanted else ""
    text += f" WITH CHECK ({wanted['check']})" if "check" in wanted else ""
    yield text
    yield from comment_on(change, f"POLICY {change.own_name} ON {change.parent[1]}", wanted)


def _drop_policy(change: Change) -> Iterator[str]:
    yield f"DROP POLICY IF EXISTS {change.own_name} ON {change.parent[1]}"


def _create_statistics(change: Change) -> Iterator[str]:
    definition = change.wanted["definition"]
    yield definition.replace("CREATE STATISTICS ", "CREATE STATISTICS IF NOT EXISTS ", 1)
    if "target" in change.wanted:
        yield f"ALTER STATISTICS {change.name} SET STATISTICS {change.wanted['target']}"
    yield from comment_on(change, f"STATISTICS {change.name}", change.wanted)


def _drop_statistics(change: Change) -> Iterator[str]:
    yield f"DROP STATISTICS IF EXISTS {change.name}"


def _alter_statistics(change: Change) -> Iterator[str]:
    if change.differs("definition"):
        yield from _drop_statistics(change)
        yield from _create_statistics(Change(change.kind, change.name, change.wanted, {}, change.sides))
        return
    if change.differs("target"):
        yield f"ALTER STATISTICS {change.name} SET STATISTICS {change.wanted.get('target', '-1')}"
    if change.differs("comment"):
        yield from comment_on(change, f"STATISTICS {change.name}", change.wanted)


CONSTRAINT = Writer(_create_constraint, _drop_constraint, _alter_constraint)
INDEX = Writer(_create_index, _drop_index, _alter_index)
TRIGGER = Writer(_create_trigger, _drop_trigger, _alter_trigger)
RULE = Writer(_create_rule, _drop_rule, _alter_rule)
POLICY = Writer(_create_policy, _drop_policy, _create_policy)
STATISTICS = Writer(_create_statistics, _drop_statistics, _alter_statistics)
