"""What a writer of SQL is told: one object, as it is to be and as it is; and what a writer is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from erm_alembic.postgres.snapshot import ObjectKey, Snapshot
from erm_alembic.postgres.snapshot.dependents import Dependents

__all__ = ["Change", "Properties", "Sides", "Writer", "guarded", "only_if", "only_if_steadily", "remark", "words_of"]

Properties = Mapping[str, str]
REMARK = "-- "


@dataclass(frozen=True)
class Sides:
    """Two schemas: the one that is wanted, and the one that there is.

    Args:
        wanted: how it shall be.
        have: how it is.
        major: the major version of the server that the SQL is for.
        dependents: what depends on what in the schema that there is.
        with_rights: whether what is made again gets its owner and the rights on it, which belong to an environment.
    """

    wanted: Snapshot
    have: Snapshot
    major: int
    dependents: Dependents = field(default_factory=dict)
    with_rights: bool = True


@dataclass(frozen=True)
class Change:
    """One object that is to be made, dropped or changed.

    Args:
        kind: its kind.
        name: its name.
        wanted: its properties as they shall be; empty where it shall not be.
        have: its properties as they are; empty where it is not there.
        sides: both schemas, for what it depends on.
    """

    kind: str
    name: str
    wanted: Properties
    have: Properties
    sides: Sides

    @property
    def parent(self) -> ObjectKey:
        """What it belongs to; empty where it stands alone."""
        key = (self.kind, self.name)
        return self.sides.wanted.parents.get(key) or self.sides.have.parents.get(key) or ("", "")

    @property
    def own_name(self) -> str:
        """Its name without that of what it belongs to, quoted where it must be."""
        return self.name.removeprefix(f"{self.parent[1]}.")

    def differs(self, name: str) -> bool:
        """Whether a property shall be otherwise."""
        return self.wanted.get(name) != self.have.get(name)


Write = Callable[[Change], Iterator[str]]


@dataclass(frozen=True)
class Writer:
    """How the SQL of a kind of object is written: statements without their semicolons, or remarks.

    Args:
        create: makes it.
        drop: takes it away.
        alter: makes it as it shall be.
    """

    create: Write
    drop: Write
    alter: Write


def remark(text: str) -> str:
    """What cannot be said in SQL is said to whoever reads it.

    Args:
        text: one or more sentences.
    """
    return "\n".join(f"{REMARK}{line}" for line in text.splitlines())


def only_if(condition: str, *statements: str) -> str:
    """Statements that are run only where a condition holds, as one statement.

    Args:
        condition: an SQL condition.
        statements: what is run then.
    """
    body = " ".join(f"{statement};" for statement in statements)
    return guarded(f"BEGIN IF {condition} THEN {body} END IF; END")


def only_if_steadily(condition: str, *statements: str) -> str:
    """The same with a condition that compares what the catalog says, which names things as the search_path lets it.

    Args:
        condition: an SQL condition, in which every name but those of pg_catalog has its schema.
        statements: what is run then.
    """
    body = " ".join(f"{statement};" for statement in statements)
    return guarded(
        "DECLARE before text := pg_catalog.current_setting('search_path'); holds boolean; "
        "BEGIN PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true); "
        f"holds := {condition}; PERFORM pg_catalog.set_config('search_path', before, true); "
        f"IF holds THEN {body} END IF; END"
    )


def guarded(body: str) -> str:
    """A block of PL/pgSQL as one statement.

    Args:
        body: the block.
    """
    tag = "erm"
    while f"${tag}$" in body:
        tag += "_"
    return f"DO ${tag}$ {body} ${tag}$"


def words_of(kind: str) -> str:
    """A kind of object as SQL calls it.

    Example:
        >>> words_of("materialized-view"), words_of("partition"), words_of("enum")
        ('MATERIALIZED VIEW', 'TABLE', 'TYPE')
    """
    return SPECIAL.get(kind, kind.replace("-", " ").upper())


SPECIAL = {
    "partition": "TABLE",
    "enum": "TYPE",
    "composite-type": "TYPE",
    "range-type": "TYPE",
    "base-type": "TYPE",
    "foreign-server": "SERVER",
}
