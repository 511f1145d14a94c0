"""The kinds of objects that have an owner or rights: how the server calls them, and in which catalog they stand."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "RELATION", "Kind", "keyword_of", "kind_of_catalog", "kind_of_word", "privileges_of"]


@dataclass(frozen=True)
class Kind:
    """One catalog, and what stands in it.

    Args:
        catalog: the catalog's name.
        owner: its column with the owner.
        name: its column with the name.
        words: how the server's messages call what stands in it.
        keyword: how GRANT calls it; None where there is nothing to grant on it.
        privileges: what can be granted on it, the most far-reaching first.
        tested: the function that says whether a role has a privilege on it; empty where there is none.
    """

    catalog: str
    owner: str
    name: str
    words: tuple[str, ...]
    keyword: str | None = None
    privileges: tuple[str, ...] = ()
    tested: str = ""


TABLE_PRIVILEGES = ("MAINTAIN", "TRUNCATE", "TRIGGER", "REFERENCES", "DELETE", "UPDATE", "INSERT", "SELECT")
SEQUENCE_PRIVILEGES = ("UPDATE", "USAGE", "SELECT")
MAINTAIN_SINCE = 17

RELATION = Kind(
    "pg_class",
    "relowner",
    "relname",
    ("table", "view", "materialized view", "foreign table", "index", "sequence", "relation", "partitioned table"),
    "TABLE",
    TABLE_PRIVILEGES,
    "has_table_privilege",
)
KINDS: tuple[Kind, ...] = (
    RELATION,
    Kind("pg_namespace", "nspowner", "nspname", ("schema",), "SCHEMA", ("CREATE", "USAGE"), "has_schema_privilege"),
    Kind(
        "pg_proc",
        "proowner",
        "proname",
        ("function", "procedure", "routine", "aggregate"),
        "ROUTINE",
        ("EXECUTE",),
        "has_function_privilege",
    ),
    Kind("pg_type", "typowner", "typname", ("type", "domain"), "TYPE", ("USAGE",), "has_type_privilege"),
    Kind("pg_language", "lanowner", "lanname", ("language",), "LANGUAGE", ("USAGE",), "has_language_privilege"),
    Kind(
        "pg_database",
        "datdba",
        "datname",
        ("database",),
        "DATABASE",
        ("CREATE", "TEMPORARY", "CONNECT"),
        "has_database_privilege",
    ),
    Kind(
        "pg_tablespace", "spcowner", "spcname", ("tablespace",), "TABLESPACE", ("CREATE",), "has_tablespace_privilege"
    ),
    Kind(
        "pg_foreign_server",
        "srvowner",
        "srvname",
        ("foreign server", "server"),
        "FOREIGN SERVER",
        ("USAGE",),
        "has_server_privilege",
    ),
    Kind(
        "pg_foreign_data_wrapper",
        "fdwowner",
        "fdwname",
        ("foreign-data wrapper", "foreign data wrapper"),
        "FOREIGN DATA WRAPPER",
        ("USAGE",),
        "has_foreign_data_wrapper_privilege",
    ),
    Kind("pg_extension", "extowner", "extname", ("extension",)),
    Kind("pg_event_trigger", "evtowner", "evtname", ("event trigger",)),
    Kind("pg_publication", "pubowner", "pubname", ("publication",)),
    Kind("pg_statistic_ext", "stxowner", "stxname", ("statistics object",)),
    Kind("pg_operator", "oprowner", "oprname", ("operator",)),
    Kind("pg_opclass", "opcowner", "opcname", ("operator class",)),
    Kind("pg_opfamily", "opfowner", "opfname", ("operator family",)),
    Kind("pg_collation", "collowner", "collname", ("collation",)),
    Kind("pg_conversion", "conowner", "conname", ("conversion",)),
    Kind("pg_ts_dict", "dictowner", "dictname", ("text search dictionary",)),
    Kind("pg_ts_config", "cfgowner", "cfgname", ("text search configuration",)),
)


def kind_of_word(word: str) -> Kind | None:
    """The kind that a message means; None for one that is not known.

    Example:
        >>> kind_of_word("materialized view").catalog
        'pg_class'
    """
    return next((kind for kind in KINDS if word in kind.words), None)


def kind_of_catalog(catalog: str) -> Kind:
    """The kind whose objects stand in a catalog.

    Example:
        >>> kind_of_catalog("pg_namespace").keyword
        'SCHEMA'
    """
    return next(kind for kind in KINDS if kind.catalog == catalog)


def keyword_of(kind: Kind, type_: str) -> str:
    """How GRANT calls an object of a kind: sequences stand in the same catalog as tables.

    Args:
        kind: the kind.
        type_: the object's type, as `pg_identify_object` says it.

    Example:
        >>> keyword_of(RELATION, "sequence"), keyword_of(RELATION, "view")
        ('SEQUENCE', 'TABLE')
    """
    if kind is RELATION and type_ == "sequence":
        return "SEQUENCE"
    assert kind.keyword is not None
    return kind.keyword


def privileges_of(kind: Kind, type_: str, major: int) -> tuple[str, ...]:
    """What can be granted on an object, the most far-reaching first.

    Args:
        kind: its kind.
        type_: its type, as `pg_identify_object` says it.
        major: the server's major version.

    Example:
        >>> privileges_of(RELATION, "table", 16)[0], privileges_of(RELATION, "sequence", 18)
        ('TRUNCATE', ('UPDATE', 'USAGE', 'SELECT'))
    """
    if kind is not RELATION:
        return kind.privileges
    if type_ == "sequence":
        return SEQUENCE_PRIVILEGES
    return kind.privileges if major >= MAINTAIN_SINCE else kind.privileges[1:]
