"""Every option that a grown env.py hands to Alembic."""

from logging.config import fileConfig

from alembic import context
from alembic.operations.ops import MigrationScript
from models import metadata
from sqlalchemy import Column, Integer, MetaData, Table, create_engine

config = context.config
fileConfig(config.config_file_name, disable_existing_loggers=False)

elsewhere = MetaData()
Table("kept_elsewhere", elsewhere, Column("id", Integer, primary_key=True))


def include_object(_object, name, type_, _reflected, _compare_to) -> bool:
    return not (type_ == "table" and name in ("kept_elsewhere", "kept_by_hand"))


def leave_no_empty_revision(_context, _revision, directives: list[MigrationScript]) -> None:
    if getattr(config.cmd_opts, "autogenerate", False) and directives[0].upgrade_ops.is_empty():
        directives[:] = []


engine = create_engine(config.get_main_option("sqlalchemy.url"))
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=[metadata, elsewhere],
        include_object=include_object,
        include_schemas=True,
        process_revision_directives=leave_no_empty_revision,
        transaction_per_migration=True,
        compare_server_default=True,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()
