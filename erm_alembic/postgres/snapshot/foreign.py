"""Foreign data: wrappers, servers and user mappings; foreign tables stand with the tables.

Options hold passwords as well as names of tables. Only those that are known to hold no secret are read with their
value; of the rest the name counts.
"""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family
from erm_alembic.postgres.snapshot.options import open_options

__all__ = ["FOREIGN_SERVERS", "USER_MAPPINGS", "WRAPPERS"]

WRAPPERS = Family(f"""
    SELECT 'foreign-data-wrapper' AS kind, quote_ident(w.fdwname) AS name,
           NULL::text AS parent_kind, NULL::text AS parent,
           nullif(w.fdwhandler, 0)::regproc::text AS handler, nullif(w.fdwvalidator, 0)::regproc::text AS validator,
           {open_options("w.fdwoptions")} AS options, d.description AS comment
      FROM pg_foreign_data_wrapper w
      LEFT JOIN pg_description d ON d.objoid = w.oid AND d.classoid = 'pg_foreign_data_wrapper'::regclass
     WHERE NOT EXISTS (
         SELECT FROM members e WHERE e.classid = 'pg_foreign_data_wrapper'::regclass AND e.objid = w.oid)
""")  # noqa: S608 - nothing from outside

FOREIGN_SERVERS = Family(f"""
    SELECT 'foreign-server' AS kind, quote_ident(v.srvname) AS name, 'foreign-data-wrapper' AS parent_kind,
           (SELECT quote_ident(fdwname) FROM pg_foreign_data_wrapper w WHERE w.oid = v.srvfdw) AS parent,
           (SELECT quote_ident(fdwname) FROM pg_foreign_data_wrapper w WHERE w.oid = v.srvfdw) AS wrapper,
           v.srvtype AS type, v.srvversion AS version, {open_options("v.srvoptions")} AS options,
           d.description AS comment
      FROM pg_foreign_server v
      LEFT JOIN pg_description d ON d.objoid = v.oid AND d.classoid = 'pg_foreign_server'::regclass
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_foreign_server'::regclass AND e.objid = v.oid)
""")  # noqa: S608 - nothing from outside

# The view, which everybody may read; nothing of its options, which are credentials.
USER_MAPPINGS = Family("""
    SELECT 'user-mapping' AS kind,
           quote_ident(u.srvname) || ': ' || CASE u.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(u.usename) END AS name,
           'foreign-server' AS parent_kind, quote_ident(u.srvname) AS parent
      FROM pg_user_mappings u
""")
