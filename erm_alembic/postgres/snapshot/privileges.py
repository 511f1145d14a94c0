"""Owners, grants and default privileges: they differ between environments without anybody's mistake.

A grant is told where it differs from what an object of its kind has by default, so that it does not matter whether a
privilege was never touched or was taken and given again. What belongs to the owner is told as such, without the name.
"""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family

__all__ = ["DEFAULT_PRIVILEGES", "GRANTS", "OWNERS"]

# PostgreSQL itself gave the schema `public` to the first superuser until PostgreSQL 14, and to pg_database_owner since.
OWNERS = Family("""
    SELECT 'owner' AS kind, replace(t.kind, '-', ' ') || ' ' || t.name AS name,
           t.kind AS parent_kind, t.name AS parent,
           CASE WHEN t.kind = 'schema' AND t.name = 'public' AND t.owner IN (10, 6171) THEN 'pg_database_owner'
                ELSE quote_ident(pg_get_userbyid(t.owner)) END AS owner
      FROM things t
     WHERE t.owned_alone
     UNION ALL
    SELECT 'owner', replace(o.kind, '-', ' ') || ' ' || s.name || '.' || quote_ident(o.name), o.kind,
           s.name || '.' || quote_ident(o.name), quote_ident(pg_get_userbyid(o.owner))
      FROM (
          SELECT 'statistics' AS kind, oid, 'pg_statistic_ext'::regclass AS of, stxname AS name,
                 stxnamespace AS space, stxowner AS owner FROM pg_statistic_ext
          UNION ALL
          SELECT 'collation', oid, 'pg_collation'::regclass, collname, collnamespace, collowner FROM pg_collation
          UNION ALL
          SELECT 'conversion', oid, 'pg_conversion'::regclass, conname, connamespace, conowner FROM pg_conversion
          UNION ALL
          SELECT 'text-search-dictionary', oid, 'pg_ts_dict'::regclass, dictname, dictnamespace, dictowner
            FROM pg_ts_dict
          UNION ALL
          SELECT 'text-search-configuration', oid, 'pg_ts_config'::regclass, cfgname, cfgnamespace, cfgowner
            FROM pg_ts_config
      ) o
      JOIN spaces s ON s.oid = o.space
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = o.of AND e.objid = o.oid)
     UNION ALL
    SELECT 'owner', 'operator ' || o.oid::regoperator, 'operator', o.oid::regoperator::text,
           quote_ident(pg_get_userbyid(o.oprowner))
      FROM pg_operator o
      JOIN spaces s ON s.oid = o.oprnamespace
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_operator'::regclass AND e.objid = o.oid)
     UNION ALL
    SELECT 'owner', 'operator family ' || s.name || '.' || quote_ident(f.opfname) || ' using ' || quote_ident(m.amname),
           'operator-family', s.name || '.' || quote_ident(f.opfname) || ' using ' || quote_ident(m.amname),
           quote_ident(pg_get_userbyid(f.opfowner))
      FROM pg_opfamily f
      JOIN spaces s ON s.oid = f.opfnamespace
      JOIN pg_am m ON m.oid = f.opfmethod
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_opfamily'::regclass AND e.objid = f.oid)
     UNION ALL
    SELECT 'owner', 'operator class ' || s.name || '.' || quote_ident(c.opcname) || ' using ' || quote_ident(m.amname),
           'operator-class', s.name || '.' || quote_ident(c.opcname) || ' using ' || quote_ident(m.amname),
           quote_ident(pg_get_userbyid(c.opcowner))
      FROM pg_opclass c
      JOIN spaces s ON s.oid = c.opcnamespace
      JOIN pg_am m ON m.oid = c.opcmethod
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_opclass'::regclass AND e.objid = c.oid)
""")

# The privileges of each grantee in an access control list: who, and which.
EXPLODED = """
    SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC' WHEN a.owner THEN 'its owner'
                          ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS who,
           string_agg(x.privilege_type || CASE WHEN x.is_grantable THEN ' with grant option' ELSE '' END
                      || CASE WHEN x.grantor <> a.owner THEN ' by ' || quote_ident(pg_get_userbyid(x.grantor))
                              ELSE '' END,
                      ', ' ORDER BY x.privilege_type COLLATE "C", x.is_grantable,
                                    pg_get_userbyid(x.grantor) COLLATE "C") AS privileges
      FROM aclexplode({acl}) x
     GROUP BY 1
"""
# What a list says beyond, or short of, the one that it is compared with.
CHANGED = f"""
    SELECT coalesce(given.who, usual.who) AS who, coalesce(given.privileges, 'nothing') AS privileges
      FROM ({EXPLODED.format(acl="a.acl")}) given
      FULL JOIN ({EXPLODED.format(acl="a.usual")}) usual ON usual.who = given.who
     WHERE given.privileges IS DISTINCT FROM usual.privileges
"""  # noqa: S608 - nothing from outside

# Many objects have the same list: each is taken apart once.
GRANTS = Family(f"""
    WITH columns AS MATERIALIZED (
        SELECT r.name || '.' || quote_ident(a.attname) AS name, r.relowner AS owner, a.attacl AS acl
          FROM (SELECT attrelid, attname, attacl FROM pg_attribute WHERE attacl IS NOT NULL AND NOT attisdropped) a
          JOIN relations r ON r.oid = a.attrelid
    )
    SELECT 'grant' AS kind, g.kind || ' ' || g.name || ' to ' || lists.who AS name,
           g.parent_kind, g.name AS parent, lists.privileges
      FROM (
          SELECT replace(t.kind, '-', ' ') AS kind, t.name, t.kind AS parent_kind, t.owner, t.letter, t.acl::text AS acl
            FROM things t WHERE t.acl IS NOT NULL
          UNION ALL
          SELECT 'column', name, 'column', owner, 'c', acl::text FROM columns
      ) g
      JOIN (
          SELECT a.owner, a.letter, a.acl::text AS acl, changed.*
            FROM (
                SELECT DISTINCT t.owner, t.letter, t.acl, acldefault(t.letter, t.owner) AS usual FROM things t
                 WHERE t.acl IS NOT NULL
                 UNION
                SELECT DISTINCT owner, 'c'::"char", acl, acldefault('c', owner) FROM columns
            ) a CROSS JOIN LATERAL ({CHANGED}) changed
      ) lists ON lists.owner = g.owner AND lists.letter = g.letter AND lists.acl = g.acl
""")  # noqa: S608 - nothing from outside

# Those for all schemas stand in place of the usual ones, those for one schema come on top.
DEFAULT_PRIVILEGES = Family(f"""
    SELECT 'default-privileges' AS kind,
           'of ' || quote_ident(pg_get_userbyid(a.owner)) || coalesce(' in ' || s.name, '') || ' on '
           || CASE a.letter WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                            WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE 'large objects' END
           || ' to ' || changed.who AS name,
           CASE WHEN s.oid IS NOT NULL THEN 'schema' END AS parent_kind, s.name AS parent, changed.privileges
      FROM (
          SELECT defaclrole AS owner, defaclnamespace, defaclobjtype AS letter, defaclacl AS acl,
                 CASE WHEN defaclnamespace = 0
                      THEN acldefault(CASE defaclobjtype WHEN 'S' THEN 's' ELSE defaclobjtype END, defaclrole)
                 END AS usual
            FROM pg_default_acl
      ) a
      LEFT JOIN spaces s ON s.oid = a.defaclnamespace
      CROSS JOIN LATERAL ({CHANGED}) changed
     WHERE a.defaclnamespace = 0 OR s.oid IS NOT NULL
""")  # noqa: S608 - nothing from outside
