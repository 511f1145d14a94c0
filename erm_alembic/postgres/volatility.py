"""What must not be answered by a standby, as the catalogs know it: volatile functions, and all that leads to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Volatility", "read_volatility"]

# An aggregate is said to be immutable whatever its parts are. Its parts are functions themselves.
FUNCTIONS = """
    WITH volatile AS (SELECT oid, proname FROM pg_catalog.pg_proc WHERE provolatile = 'v')
    SELECT proname::text, pg_catalog.bool_or(volatile) FROM (
        SELECT p.proname,
               p.provolatile = 'v' OR EXISTS (
                   SELECT FROM pg_catalog.pg_aggregate a JOIN volatile v
                       ON v.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
                                    a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
                    WHERE a.aggfnoid = p.oid AND p.prokind = 'a') AS volatile
          FROM pg_catalog.pg_proc p
    ) found GROUP BY proname
"""
OPERATORS = """
    SELECT DISTINCT o.oprname::text FROM pg_catalog.pg_operator o
      JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode WHERE p.provolatile = 'v'
"""
# `a.f` calls f of the whole row where a has no column f.
OF_ROWS = """
    SELECT DISTINCT p.proname::text FROM pg_catalog.pg_proc p
      JOIN pg_catalog.pg_type t ON t.oid = p.proargtypes[0]
     WHERE p.provolatile = 'v' AND p.pronargs >= 1 AND p.pronargs - p.pronargdefaults <= 1
       AND t.typtype IN ('c', 'p') AND p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype
"""
# What a view or a policy reads and calls stands in its parsed tree. The catalog of dependencies would say it too, but
# leaves out the server's own functions (nextval, random). A materialized view is not among them: it is read as a table.
# What has no copy on a standby (temporary, unlogged), differs there (a sequence is logged ahead of its use) or is not
# the cluster's at all (foreign) is where the recursion begins, together with the volatile functions.
RELATIONS = """
    WITH RECURSIVE trees AS (
        SELECT r.ev_class AS relation, r.ev_action::text AS tree
          FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
         WHERE r.ev_type = '1' AND c.relkind = 'v'
        UNION ALL
        SELECT p.polrelid, p.polqual::text
          FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
         WHERE c.relrowsecurity AND p.polcmd IN ('r', '*')
    ), parts AS (
        SELECT DISTINCT t.relation, found[1] AS kind, part::oid AS part
          FROM trees t,
               pg_catalog.regexp_matches(
                   t.tree, ':(relid|funcid|aggfnoid|winfnoid|tsmhandler|opno|opnos) (?:[(]o )?([0-9]+(?: [0-9]+)*)', 'g'
               ) found,
               pg_catalog.regexp_split_to_table(found[2], ' ') part
    ), volatile AS (
        SELECT oid FROM pg_catalog.pg_proc WHERE provolatile = 'v'
        UNION
        SELECT a.aggfnoid::oid FROM pg_catalog.pg_aggregate a JOIN pg_catalog.pg_proc p
            ON p.provolatile = 'v'
           AND p.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
                         a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
    ), reached AS (
        SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relkind IN ('f', 'S') OR c.relpersistence <> 'p'
        UNION
        SELECT p.relation FROM parts p
          LEFT JOIN pg_catalog.pg_operator o ON p.kind IN ('opno', 'opnos') AND o.oid = p.part
         WHERE p.kind <> 'relid' AND coalesce(o.oprcode::oid, p.part) IN (SELECT oid FROM volatile)
        UNION
        SELECT above.relation FROM reached r
          JOIN (SELECT relation, part FROM parts WHERE kind = 'relid'
                UNION ALL SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits) above ON above.part = r.oid
    )
    SELECT DISTINCT c.relname::text FROM reached r JOIN pg_catalog.pg_class c ON c.oid = r.oid
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
"""
# All that a FROM can name.
NAMES = "SELECT DISTINCT relname::text FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"


@dataclass(frozen=True, slots=True)
class Volatility:
    """Names, without their schemas, by which a statement is known to be more than a read that any standby answers.

    Args:
        functions: every function that there is.
        volatile: those of which at least one of the name is volatile, aggregates of volatile parts included.
        operators: the operators that a volatile function carries out.
        relations: the views and tables that reach a volatile function through a view or a policy, and those that a
            standby has not, or not alike: temporary and unlogged tables, sequences, foreign tables; and what reads one.
        names: every relation that there is.
        of_rows: volatile functions of one row, which are called as if they were one of its columns.
    """

    functions: frozenset[str]
    volatile: frozenset[str]
    operators: frozenset[str]
    relations: frozenset[str]
    names: frozenset[str]
    of_rows: frozenset[str] = frozenset()


def read_volatility(cursor: Any) -> Volatility:
    """Read what the catalogs of a database say of its functions, operators and relations.

    Args:
        cursor: a psycopg2 cursor that gives tuples.
    """
    cursor.execute(FUNCTIONS)
    functions = dict(cursor.fetchall())
    cursor.execute(OPERATORS)
    operators = frozenset(name for (name,) in cursor.fetchall())
    cursor.execute(OF_ROWS)
    of_rows = frozenset(name for (name,) in cursor.fetchall())
    cursor.execute(RELATIONS)
    relations = frozenset(name for (name,) in cursor.fetchall())
    cursor.execute(NAMES)
    names = frozenset(name for (name,) in cursor.fetchall())
    return Volatility(
        functions=frozenset(functions),
        volatile=frozenset(name for name, volatile in functions.items() if volatile),
        operators=operators,
        relations=relations,
        names=names,
        of_rows=of_rows,
    )
