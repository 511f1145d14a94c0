"""An application on psycopg 3, with its own connect arguments."""

from alembic import context
from models import metadata
from sqlalchemy import create_engine

config = context.config
engine = create_engine(
    config.get_main_option("sqlalchemy.url"), connect_args={"options": "-c lock_timeout=9s", "connect_timeout": 5}
)

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
