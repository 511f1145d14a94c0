"""Alembic's own table has another name, and stands in a schema that an administrator made."""

from alembic import context
from models import metadata
from sqlalchemy import create_engine

config = context.config
engine = create_engine(config.get_main_option("sqlalchemy.url"))

with engine.connect() as connection:
    context.configure(
        connection=connection, target_metadata=metadata, version_table="deployed", version_table_schema="ops"
    )
    with context.begin_transaction():
        context.run_migrations()
