# Which databases there are. `erm migrate --env NAME` chooses one; without --env it is ERM_ENV, or else dev.
# ERM_DATABASE_URL, when it is set, beats all of them.
database:
  environments:
    # A private PostgreSQL server, kept under .erm/ of this project and started when needed.
    dev:
      url: "embedded://${database}"

    # Secrets come from the environment, a file or a command, never from this file:
    # staging:
    #   url: "postgresql://app:${'${'}STAGING_DB_PASSWORD}@staging-db/${database}"
    # prod:
    #   url: "file:/run/secrets/${database}_dsn"

migrations:
  alembic_ini: alembic.ini
