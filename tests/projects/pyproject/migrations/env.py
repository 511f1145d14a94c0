"""A project without alembic.ini: its settings stand in pyproject.toml, its address in the environment."""

import os

from alembic import context
from models import metadata
from sqlalchemy import create_engine

config = context.config
engine = create_engine(config.get_main_option("sqlalchemy.url") or os.environ["APP_DATABASE_URL"])

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
