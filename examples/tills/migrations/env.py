"""Tells Alembic what the models look like; the connection is erm's."""

from alembic import context
from sqlalchemy import engine_from_config, pool
from tills.models import Base

section = context.config.get_section(context.config.config_ini_section, {})
engine = engine_from_config(section, prefix="sqlalchemy.", poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
