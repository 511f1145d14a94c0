"""A tenant's schema, and the role that shall own what is made in it, set on env.py's own connection."""

from alembic import context
from models import metadata
from sqlalchemy import create_engine, text

config = context.config
engine = create_engine(config.get_main_option("sqlalchemy.url"))

with engine.connect() as connection:
    connection.execute(text("SET search_path TO tenant, public"))
    connection.execute(text("SET ROLE tenant_owner"))
    connection.commit()
    connection.dialect.default_schema_name = "tenant"
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
