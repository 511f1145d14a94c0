"""The values: a snapshot, the kinds of object that it holds, and a difference between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["KINDS", "Difference", "Kind", "ObjectKey", "Snapshot", "belongs_to_environment"]

# The kind and the name of an object.
ObjectKey = tuple[str, str]


@dataclass(frozen=True)
class Kind:
    """A kind of object that a snapshot holds, or of difference.

    Args:
        name: as it stands in a difference and in `drift.ignore`.
        of_environment: whether it belongs to an environment rather than to a history: what a team sets up differently
            in staging and in production without a revision.
    """

    name: str
    of_environment: bool = False


KINDS = (
    Kind("schema"),
    Kind("table"),
    Kind("partition", of_environment=True),
    Kind("foreign-table"),
    Kind("view"),
    Kind("materialized-view"),
    Kind("column"),
    Kind("column-order"),
    Kind("constraint"),
    Kind("index"),
    Kind("sequence"),
    Kind("enum"),
    Kind("domain"),
    Kind("composite-type"),
    Kind("range-type"),
    Kind("base-type"),
    Kind("function"),
    Kind("procedure"),
    Kind("aggregate"),
    Kind("trigger"),
    Kind("event-trigger"),
    Kind("rule"),
    Kind("policy"),
    Kind("statistics"),
    Kind("extension"),
    Kind("collation"),
    Kind("conversion"),
    Kind("cast"),
    Kind("operator"),
    Kind("operator-class"),
    Kind("operator-family"),
    Kind("language"),
    Kind("transform"),
    Kind("access-method"),
    Kind("text-search-parser"),
    Kind("text-search-template"),
    Kind("text-search-dictionary"),
    Kind("text-search-configuration"),
    Kind("foreign-data-wrapper"),
    Kind("foreign-server"),
    Kind("user-mapping", of_environment=True),
    Kind("publication", of_environment=True),
    Kind("publication-table", of_environment=True),
    Kind("publication-schema", of_environment=True),
    Kind("subscription", of_environment=True),
    Kind("owner", of_environment=True),
    Kind("grant", of_environment=True),
    Kind("default-privileges", of_environment=True),
    # Its provider is loaded by the server, where it is.
    Kind("security-label", of_environment=True),
    Kind("database-setting", of_environment=True),
    Kind("extension-dependency"),
)

_OF_ENVIRONMENT = frozenset(kind.name for kind in KINDS if kind.of_environment)


def belongs_to_environment(kind: str) -> bool:
    """Whether differences of a kind belong to an environment rather than to a history.

    Args:
        kind: the name of a kind.

    Example:
        >>> belongs_to_environment("grant"), belongs_to_environment("index")
        (True, False)
    """
    return kind in _OF_ENVIRONMENT


@dataclass(frozen=True)
class Snapshot:
    """Everything that the schemas of a database are made of, at one moment.

    Args:
        objects: the properties of each object, by its kind and name. A property that is not set is not there. The
            name is quoted, with its schema, as a human reads it; that of a part begins with its whole's:
            `public.users.email`.
        parents: for an object that cannot be without another, that other: the table of a column, the constraint of
            an index, the object of a grant.
    """

    objects: Mapping[ObjectKey, Mapping[str, str]]
    parents: Mapping[ObjectKey, ObjectKey] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """One thing in which two snapshots differ.

    Args:
        kind: the kind of the object.
        object: its name.
        expected: what it was expected to be, for a human; None where it was not expected at all.
        found: what it is; None where it is absent.
        property: what of the object differs; empty where the object is as a whole absent or not expected.
    """

    kind: str
    object: str
    expected: str | None
    found: str | None
    property: str = ""
