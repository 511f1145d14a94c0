"""Functions, procedures and aggregates."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family

__all__ = ["AGGREGATES", "FUNCTIONS"]

FUNCTIONS = Family("""
    SELECT r.kind, r.name, NULL::text AS parent_kind, NULL::text AS parent,
           pg_get_functiondef(r.oid) AS definition, d.description AS comment
      FROM routines r
      LEFT JOIN pg_description d ON d.objoid = r.oid AND d.classoid = 'pg_proc'::regclass
     WHERE r.prokind <> 'a'
""")

AGGREGATES = Family("""
    SELECT r.kind, r.name, NULL::text AS parent_kind, NULL::text AS parent,
           pg_get_function_arguments(r.oid) AS arguments, pg_get_function_result(r.oid) AS result,
           CASE a.aggkind WHEN 'n' THEN 'normal' WHEN 'o' THEN 'ordered set' ELSE 'hypothetical set' END AS form,
           a.aggnumdirectargs::text AS "direct arguments",
           a.aggtransfn::regprocedure::text AS "state function", format_type(a.aggtranstype, NULL) AS "state type",
           a.aggtransspace::text AS "state size", a.agginitval AS "initial state",
           nullif(a.aggfinalfn::oid, 0)::regprocedure::text AS "final function",
           a.aggfinalextra::text AS "final function's extra arguments",
           a.aggfinalmodify::text AS "final function's effect",
           nullif(a.aggcombinefn::oid, 0)::regprocedure::text AS "combine function",
           nullif(a.aggserialfn::oid, 0)::regprocedure::text AS "serial function",
           nullif(a.aggdeserialfn::oid, 0)::regprocedure::text AS "deserial function",
           nullif(a.aggmtransfn::oid, 0)::regprocedure::text AS "moving state function",
           nullif(a.aggminvtransfn::oid, 0)::regprocedure::text AS "moving inverse function",
           nullif(a.aggmfinalfn::oid, 0)::regprocedure::text AS "moving final function",
           CASE WHEN a.aggmtranstype <> 0 THEN format_type(a.aggmtranstype, NULL) END AS "moving state type",
           a.aggmtransspace::text AS "moving state size", a.aggminitval AS "moving initial state",
           a.aggmfinalextra::text AS "moving final function's extra arguments",
           a.aggmfinalmodify::text AS "moving final function's effect",
           nullif(a.aggsortop, 0)::regoperator::text AS "sort operator",
           CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS parallel,
           d.description AS comment
      FROM routines r
      JOIN pg_proc p ON p.oid = r.oid
      JOIN pg_aggregate a ON a.aggfnoid = r.oid
      LEFT JOIN pg_description d ON d.objoid = r.oid AND d.classoid = 'pg_proc'::regclass
     WHERE r.prokind = 'a'
""")
