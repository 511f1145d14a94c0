"""Two databases, migrated in one run."""

from alembic import context
from sqlalchemy import MetaData, create_engine

config = context.config

for name in config.get_main_option("databases", "").split(", "):
    engine = create_engine(config.get_section_option(name, "sqlalchemy.url"))
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=MetaData(), upgrade_token=f"{name}_upgrades")
        with context.begin_transaction():
            context.run_migrations(engine_name=name)
