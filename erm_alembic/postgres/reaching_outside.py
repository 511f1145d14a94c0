"""Functions of a database that reach outside its transactions by what they call, and what runs them unnamed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["reaching_outside"]

# Those of extensions are known by their names, or are not known at all.
DEFINITIONS = """
    SELECT p.proname::text, pg_catalog.pg_get_functiondef(p.oid), l.lanpltrusted
      FROM pg_catalog.pg_proc p
      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      JOIN pg_catalog.pg_language l ON l.oid = p.prolang
     WHERE p.prokind IN ('f', 'p') AND l.lanname NOT IN ('internal', 'c')
       AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""
# What comes to run what: by whichever of the catalog's ways, each as (what runs, what then runs it, its name).
# A function that a default, a check, a domain, a rule, an aggregate, a trigger, a policy, an index, a partition's key
# or a cast calls; a relation that a view, a rule or a policy reads; a table that a foreign key of another one changes,
# or that has it for a partition; a type that another one is made of.
RUNS = """
    WITH carried (classid, objid, kind, carrier) AS (
        SELECT 'pg_catalog.pg_attrdef'::regclass, oid, 'c', adrelid FROM pg_catalog.pg_attrdef
        UNION ALL SELECT 'pg_catalog.pg_constraint'::regclass, oid, 'c', conrelid FROM pg_catalog.pg_constraint
                   WHERE conrelid <> 0 AND contype = 'c'
        UNION ALL SELECT 'pg_catalog.pg_constraint'::regclass, oid, 't', contypid FROM pg_catalog.pg_constraint
                   WHERE contypid <> 0
        UNION ALL SELECT 'pg_catalog.pg_rewrite'::regclass, oid, 'c', ev_class FROM pg_catalog.pg_rewrite
        UNION ALL SELECT 'pg_catalog.pg_trigger'::regclass, oid, 'c', tgrelid FROM pg_catalog.pg_trigger
                   WHERE NOT tgisinternal AND tgenabled <> 'D'
        UNION ALL SELECT 'pg_catalog.pg_proc'::regclass, oid, 'p', oid FROM pg_catalog.pg_proc WHERE prokind = 'a'
        UNION ALL SELECT 'pg_catalog.pg_policy'::regclass, oid, 'c', polrelid FROM pg_catalog.pg_policy
        UNION ALL SELECT 'pg_catalog.pg_class'::regclass, indexrelid, 'c', indrelid FROM pg_catalog.pg_index
        UNION ALL SELECT 'pg_catalog.pg_class'::regclass, partrelid, 'c', partrelid
                    FROM pg_catalog.pg_partitioned_table
        UNION ALL SELECT 'pg_catalog.pg_cast'::regclass, c.oid, 't', t.oid FROM pg_catalog.pg_cast c
                    JOIN pg_catalog.pg_type t ON t.oid IN (c.castsource, c.casttarget)
                   WHERE t.typnamespace <> 'pg_catalog'::regnamespace
    ), runs (from_kind, from_oid, kind, carrier) AS (
        SELECT CASE d.refclassid WHEN 'pg_catalog.pg_proc'::regclass THEN 'p' WHEN 'pg_catalog.pg_type'::regclass
                    THEN 't' ELSE 'c' END, d.refobjid, c.kind, c.carrier
          FROM pg_catalog.pg_depend d
          JOIN carried c ON c.classid = d.classid AND c.objid = d.objid
         WHERE d.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_type'::regclass)
            OR d.refclassid = 'pg_catalog.pg_class'::regclass
                AND d.classid IN ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_policy'::regclass)
        UNION ALL SELECT 't', refobjid, 'c', objid FROM pg_catalog.pg_depend
                   WHERE (classid, refclassid) = ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_type'::regclass)
        UNION ALL SELECT 't', refobjid, 't', objid FROM pg_catalog.pg_depend
                   WHERE (classid, refclassid) = ('pg_catalog.pg_type'::regclass, 'pg_catalog.pg_type'::regclass)
        UNION ALL SELECT 'c', oid, 't', reltype FROM pg_catalog.pg_class WHERE relkind = 'c'
        UNION ALL SELECT 'c', conrelid, 'c', confrelid FROM pg_catalog.pg_constraint
                   WHERE contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))
        UNION ALL SELECT 'c', inhrelid, 'c', inhparent FROM pg_catalog.pg_inherits
    )
    SELECT r.from_kind || r.from_oid, r.kind || r.carrier, coalesce(c.relname, t.typname, p.proname)::text
      FROM runs r
      LEFT JOIN pg_catalog.pg_class c ON r.kind = 'c' AND c.oid = r.carrier
      LEFT JOIN pg_catalog.pg_type t ON r.kind = 't' AND t.oid = r.carrier
      LEFT JOIN pg_catalog.pg_proc p ON r.kind = 'p' AND p.oid = r.carrier
"""
FUNCTIONS = "SELECT 'p' || oid FROM pg_catalog.pg_proc WHERE proname = ANY(%s)"
# A name, quoted or not, and what may stand before its parenthesis.
CALL = re.compile(r"""(?:"((?:[^"]|""){1,63})"|([^\W\d][\w$]*))(?:\s|/\*(?:(?!\*/).)*\*/|--[^\n]*\n)*\(""", re.DOTALL)
WORD = re.compile(r"[^\W\d][\w$]*")


@dataclass(frozen=True)
class _Body:
    """What is written in the functions of one name."""

    called: frozenset[str]
    words: frozenset[str]
    text: str

    @classmethod
    def of(cls, definitions: Iterable[str]) -> _Body:
        text = "\n".join(definitions).lower()
        called = frozenset(quoted.replace('""', '"') or plain for quoted, plain in CALL.findall(text))
        return cls(called, frozenset(WORD.findall(text)), text)

    def names(self, others: Collection[str]) -> bool:
        """Whether relations and types are named in it, by a word or in quotes."""
        return any(name in self.words or f'"{name}"' in self.text for name in others)


def reaching_outside(cursor: Any, outside: Collection[str]) -> frozenset[str]:
    """The names of functions that call, by whichever ways, one that acts outside; and of what runs such a one.

    Nobody knows what one in a language that is not trusted does: it is among them, and so is a function in which such a
    table, view or type is named. A text that is put together while it runs is not seen through.

    Args:
        cursor: of the database.
        outside: the names of the functions that act outside.
    """
    cursor.execute(DEFINITIONS)
    definitions: dict[str, list[str]] = {}
    reaching: set[str] = set()
    for name, definition, is_trusted in cursor.fetchall():
        definitions.setdefault(name, []).append(definition)
        if not is_trusted:
            reaching.add(name)
    bodies = {name: _Body.of(its) for name, its in definitions.items()}
    running: frozenset[str] = frozenset()
    while True:
        known = set(outside) | {name.lower() for name in reaching}
        run = {name.lower() for name in running}
        found = {
            name
            for name, body in bodies.items()
            if name not in reaching and ((body.called - {name.lower()}) & known or body.names(run - {name.lower()}))
        }
        reaching |= found
        before, running = running, _running(cursor, known | reaching)
        if not found and running == before:
            return frozenset(reaching) | running


def _running(cursor: Any, functions: Collection[str]) -> frozenset[str]:
    """The names of what runs one of these functions without naming it."""
    cursor.execute(RUNS)
    run_by: dict[str, list[tuple[str, str]]] = {}
    for what, by, name in cursor.fetchall():
        run_by.setdefault(what, []).append((by, name))
    cursor.execute(FUNCTIONS, [sorted(functions)])
    waiting = [key for (key,) in cursor.fetchall()]
    seen, names = set(waiting), set()
    while waiting:
        for by, name in run_by.get(waiting.pop(), ()):
            names.add(name)
            if by not in seen:
                seen.add(by)
                waiting.append(by)
    return frozenset(names - {None})
