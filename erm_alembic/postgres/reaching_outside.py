"""Functions of a database that reach outside its transactions by what they call, and tables whose triggers do."""

from __future__ import annotations

import re
from collections.abc import Collection
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
TRIGGERS = """
    SELECT DISTINCT c.relname::text
      FROM pg_catalog.pg_trigger t
      JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
      JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
     WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND p.proname = ANY(%s)
"""
CALL = re.compile(r"([^\W\d][\w$]*)\"?\s*\(")


def reaching_outside(cursor: Any, outside: Collection[str]) -> frozenset[str]:
    """The names of functions that call, by whichever ways, one that acts outside; and of tables with such triggers.

    Nobody knows what one in a language that is not trusted does: it is among them. A text that is put together while it
    runs is not seen through.

    Args:
        cursor: of the database.
        outside: the names of the functions that act outside.
    """
    cursor.execute(DEFINITIONS)
    words: dict[str, set[str]] = {}
    reaching: set[str] = set()
    for name, definition, is_trusted in cursor.fetchall():
        words.setdefault(name, set()).update(called.lower() for called in CALL.findall(definition))
        if not is_trusted:
            reaching.add(name)
    known = set(outside) | {name.lower() for name in reaching}
    while found := {name for name, its in words.items() if name not in reaching and (its - {name.lower()}) & known}:
        reaching |= found
        known |= {name.lower() for name in found}
    cursor.execute(TRIGGERS, [sorted(reaching)])
    return frozenset(reaching) | {name for (name,) in cursor.fetchall()}
