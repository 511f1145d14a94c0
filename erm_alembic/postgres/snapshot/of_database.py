"""What belongs to a database as a whole: settings and grants that a dump of its schema leaves out.

A shadow has none of it, since a revision that changes the database as a whole is stood in for there; two databases can
be compared by it.
"""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family
from erm_alembic.postgres.snapshot.privileges import CHANGED

__all__ = ["DATABASE_GRANTS", "DATABASE_SETTINGS"]

# ALTER DATABASE ... SET, ALTER ROLE ... IN DATABASE ... SET. A setting with a dot in its name is somebody's own, and
# may be a secret.
DATABASE_SETTINGS = Family("""
    SELECT 'database-setting' AS kind,
           o.name || coalesce(' of ' || quote_ident((SELECT rolname FROM pg_roles WHERE oid = s.setrole)), '') AS name,
           NULL::text AS parent_kind, NULL::text AS parent,
           CASE WHEN o.name LIKE '%%.%%' THEN '(not read)' ELSE o.value END AS value
      FROM pg_db_role_setting s
      CROSS JOIN LATERAL (
          SELECT split_part(each, '=', 1) AS name, substr(each, strpos(each, '=') + 1) AS value
            FROM unnest(s.setconfig) each
      ) o
     WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
""")

DATABASE_GRANTS = Family(f"""
    SELECT 'grant' AS kind, 'database to ' || changed.who AS name,
           'database' AS parent_kind, 'database' AS parent, changed.privileges
      FROM (
          SELECT datdba AS owner, datacl AS acl, acldefault('d', datdba) AS usual
            FROM pg_database WHERE datname = current_database() AND datacl IS NOT NULL
      ) a
      CROSS JOIN LATERAL ({CHANGED}) changed
""")  # noqa: S608 - nothing from outside
