"""One deployer at a time, by an advisory lock on env.py's own connection; commits by itself."""

from alembic import context
from models import metadata
from sqlalchemy import create_engine, text

config = context.config
engine = create_engine(config.get_main_option("sqlalchemy.url"))

with engine.connect() as connection:
    connection.execute(text("SELECT pg_advisory_lock(4711)"))
    connection.execute(text("SET lock_timeout = '7s'"))
    connection.commit()
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
    context.get_bind().execute(text("SELECT 1"))
    context.get_bind().commit()
