"""One database for a test, as its author sees it."""

from __future__ import annotations

from dataclasses import dataclass

from erm_alembic.config.dsn import DatabaseUrl

__all__ = ["TestDatabase"]


@dataclass(frozen=True)
class TestDatabase:
    """A database of a test's own, with every revision applied; it is dropped when the test is over.

    Args:
        name: its name.
        address: where it is, with its password where it has one; never shown.
        driver: the driver of `url`: `psycopg2` or `psycopg`.
        async_driver: the driver of `async_url`: `asyncpg` or `psycopg`.
    """

    # Not a class of tests, whatever it is called.
    __test__ = False

    name: str
    address: DatabaseUrl
    driver: str = "psycopg2"
    async_driver: str = "asyncpg"

    def __repr__(self) -> str:
        return f"TestDatabase({self.name!r})"

    @property
    def url(self) -> str:
        """The address for `sqlalchemy.create_engine`."""
        return self._for(self.driver)

    @property
    def async_url(self) -> str:
        """The address for `sqlalchemy.ext.asyncio.create_async_engine`."""
        return self._for(self.async_driver)

    @property
    def dsn(self) -> str:
        """The address for libpq: psycopg, psql, pg_dump."""
        return self.address.dsn()

    def _for(self, driver: str) -> str:
        return self.address.sqlalchemy_url(f"postgresql+{driver}").render_as_string(hide_password=False)
