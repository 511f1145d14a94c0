# Alembic's settings, as Alembic documents them; `alembic` and `erm` both read this file.
# Run either from the folder in which it stands.

[alembic]
script_location = ${script_location}
prepend_sys_path = .
path_separator = os

# The address that plain `alembic` connects to. `erm` takes its own from erm.yaml (or ERM_DATABASE_URL) and hands it in.
sqlalchemy.url = postgresql+psycopg2://localhost/${database}

# file_template = %%(year)d_%%(month).2d_%%(day).2d_%%(rev)s_%%(slug)s

[post_write_hooks]
# hooks = ruff
# ruff.type = module
# ruff.module = ruff
# ruff.options = format REVISION_SCRIPT_FILENAME

[loggers]
keys = root,sqlalchemy,alembic

[handlers]
keys = console

[formatters]
keys = generic

[logger_root]
level = WARNING
handlers = console
qualname =

[logger_sqlalchemy]
level = WARNING
handlers =
qualname = sqlalchemy.engine

# erm tells the progress of a run itself; with INFO, plain `alembic` tells its own.
[logger_alembic]
level = WARNING
handlers =
qualname = alembic

[handler_console]
class = StreamHandler
args = (sys.stderr,)
level = NOTSET
formatter = generic

[formatter_generic]
format = %(levelname)-5.5s [%(name)s] %(message)s
datefmt = %H:%M:%S
