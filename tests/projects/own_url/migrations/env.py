"""An env.py with its own idea of the database."""

import os

from alembic import context
from models import metadata
from sqlalchemy import create_engine

config = context.config
engine = create_engine(os.environ.get("APP_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/elsewhere"))

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
