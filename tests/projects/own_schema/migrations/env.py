"""env.py makes the schema that everything stands in, Alembic's table included."""

from alembic import context
from models import metadata
from sqlalchemy import create_engine, text

config = context.config
engine = create_engine(config.get_main_option("sqlalchemy.url"))

with engine.connect() as connection:
    connection.execute(text("CREATE SCHEMA IF NOT EXISTS library"))
    connection.commit()
    context.configure(
        connection=connection, target_metadata=metadata, include_schemas=True, version_table_schema="library"
    )
    with context.begin_transaction():
        context.run_migrations()
