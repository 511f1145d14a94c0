"""A schema that is said in models as far as SQLAlchemy, alembic-utils and alembic-postgresql-enum can say it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic_utils.pg_extension import PGExtension
from alembic_utils.pg_function import PGFunction
from alembic_utils.pg_grant_table import PGGrantTable, PGGrantTableChoice
from alembic_utils.pg_materialized_view import PGMaterializedView
from alembic_utils.pg_policy import PGPolicy
from alembic_utils.pg_trigger import PGTrigger
from alembic_utils.pg_view import PGView
from sqlalchemy.dialects import postgresql as pg

__all__ = ["ENTITIES", "METADATA", "PARTITIONS", "REST", "ROLES"]

METADATA = sa.MetaData()
ROLES = ("drift_reader", "drift_owner")
# A partition is no table of the models; projects leave them out by name.
PARTITIONS = ("events_2024",)

customers = sa.Table(
    "customers",
    METADATA,
    sa.Column("id", sa.Integer, sa.Identity(always=True, start=1, increment=1), primary_key=True),
    sa.Column("email", sa.String(200), nullable=False, unique=True, comment="where to write to"),
    sa.Column("name", sa.Text(collation="C"), server_default="nobody"),
    sa.Column("mood", sa.Enum("sad", "happy", name="mood"), nullable=False, server_default="happy"),
    sa.Column("total", sa.Numeric(10, 2)),
    sa.Column("twice", sa.Numeric(10, 2), sa.Computed("total * 2", persisted=True)),
    sa.Column("note", sa.Text),
    sa.CheckConstraint("total >= 0", name="total_positive"),
    comment="who buys",
)
orders = sa.Table(
    "orders",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column(
        "customer_id",
        sa.ForeignKey("customers.id", name="orders_customer_fkey", ondelete="CASCADE", deferrable=True),
        nullable=False,
    ),
    sa.Column("during", pg.TSTZRANGE),
    sa.Column("number", sa.Integer),
    sa.UniqueConstraint("number", name="orders_number_key"),
    pg.ExcludeConstraint(("during", "&&"), name="orders_during_excl", using="gist"),
    sa.Index("orders_customer_idx", "customer_id"),
)
sa.Index(
    "customers_name_idx",
    customers.c.name,
    postgresql_include=["total"],
    postgresql_where=customers.c.total > 1,
    postgresql_ops={"name": "text_pattern_ops"},
)
sa.Index("customers_lower_idx", sa.func.lower(customers.c.name))
documents = sa.Table("documents", METADATA, sa.Column("words", pg.TSVECTOR))
sa.Index("documents_words_idx", documents.c.words, postgresql_using="gist")
events = sa.Table(
    "events",
    METADATA,
    sa.Column("id", sa.Integer, nullable=False),
    sa.Column("at", sa.Date, nullable=False),
    postgresql_partition_by="RANGE (at)",
)
base = sa.Table("base", METADATA, sa.Column("a", sa.Integer))
heir = sa.Table("heir", METADATA, sa.Column("a", sa.Integer), postgresql_inherits="base")
counter = sa.Sequence("counter", metadata=METADATA, start=1, increment=1)

ENTITIES = (
    PGExtension(schema="public", signature="pg_trgm"),
    PGFunction(
        schema="public",
        signature="touch()",
        definition="RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    ),
    PGFunction(schema="public", signature="one()", definition="RETURNS integer LANGUAGE sql STABLE AS $$ SELECT 1 $$"),
    PGFunction(
        schema="public",
        signature="watch()",
        definition="RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$",
    ),
    PGView(schema="public", signature="names", definition="SELECT id, name FROM customers"),
    PGMaterializedView(
        schema="public", signature="moods", definition="SELECT mood, count(*) AS n FROM customers GROUP BY mood"
    ),
    PGTrigger(
        schema="public",
        signature="touch_customers",
        on_entity="public.customers",
        definition="BEFORE UPDATE ON public.customers FOR EACH ROW EXECUTE FUNCTION public.touch()",
    ),
    PGPolicy(
        schema="public", signature="own", on_entity="customers", definition="AS PERMISSIVE FOR SELECT USING (id > 0)"
    ),
    PGGrantTable(
        schema="public",
        table="customers",
        columns=["id", "email", "name"],
        role=ROLES[0],
        grant=PGGrantTableChoice.SELECT,
        with_grant_option=False,
    ),
)

# What no model says.
REST = """
    CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE DOMAIN positive AS integer DEFAULT 1 CHECK (VALUE > 0);
    CREATE TYPE pair AS (a integer, b text);
    CREATE PROCEDURE work() LANGUAGE plpgsql AS $$ BEGIN END $$;
    CREATE AGGREGATE total(integer) (sfunc = int4pl, stype = integer, initcond = '0');
    CREATE STATISTICS together ON name, mood FROM customers;
    CREATE RULE nothing AS ON DELETE TO base DO INSTEAD NOTHING;
    CREATE EVENT TRIGGER watch ON sql_drop EXECUTE FUNCTION watch();
    CREATE COLLATION own_order FROM "C";
    CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
    CREATE FOREIGN DATA WRAPPER elsewhere;
    CREATE SERVER far FOREIGN DATA WRAPPER elsewhere OPTIONS (host 'a');
    CREATE FOREIGN TABLE afar (a integer) SERVER far;
    CREATE PUBLICATION changes FOR TABLE customers;
    CREATE SCHEMA aside;
    CREATE OPERATOR CLASS own_class FOR TYPE integer USING hash AS FUNCTION 1 hashint4(integer);
"""
