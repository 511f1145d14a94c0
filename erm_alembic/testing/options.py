"""What a run of pytest may be told about databases: options of its command line, keys of its ini file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

__all__ = ["Chosen", "chosen", "pytest_addoption"]

URL = (
    "the server on which databases for the tests are made and dropped, as the address of one of its databases; that one"
    " itself is left alone. ${VAR} is replaced, file: and cmd: are read. Default: a private server under .erm/"
)
ENV = "the profile of erm.yaml whose rules and settings hold in the tests; its database is never used. Default: dev"
FRESH = "make the template of the databases anew, whatever is kept of earlier runs"
CONFIG = "the path of erm.yaml, from the rootdir. Default: the one in the rootdir or above"
POSTGRES = "the major version of the private server. Default: the first that is found"
NAME = "the section of alembic.ini. Default: alembic"
ARGUMENTS = "arguments for env.py, each as alembic's -x takes it; one a line"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare them; `pytest --help` shows them."""
    group = parser.getgroup("erm", "erm: databases for tests")
    group.addoption("--erm-url", metavar="URL", help=URL)
    group.addoption("--erm-env", metavar="NAME", help=ENV)
    group.addoption("--erm-fresh", action="store_true", help=FRESH)
    parser.addini("erm_url", URL, type="string", default="")
    parser.addini("erm_env", ENV, type="string", default="")
    parser.addini("erm_config", CONFIG, type="string", default="")
    parser.addini("erm_postgres", POSTGRES, type="string", default="")
    parser.addini("erm_name", NAME, type="string", default="alembic")
    parser.addini("erm_x", ARGUMENTS, type="linelist", default=[])


@dataclass(frozen=True)
class Chosen:
    """What was chosen for one run.

    Args:
        root: the rootdir of pytest, where the project is looked for.
        url: the server that was named; None for the private one.
        env: the profile; None means ERM_ENV, else `dev`.
        config: the path of erm.yaml; None looks for it.
        major: the major version of the private server; None for the first that is found.
        name: the section of alembic.ini.
        x: arguments for env.py.
        fresh: whether a kept template is made anew.
    """

    root: Path
    url: str | None = field(default=None, repr=False)
    env: str | None = None
    config: Path | None = None
    major: int | None = None
    name: str = "alembic"
    x: tuple[str, ...] = ()
    fresh: bool = False


def chosen(config: pytest.Config) -> Chosen:
    """What the command line and the ini file say; the command line wins.

    Raises:
        ConfigurationError: `erm_postgres` is no number.
    """
    told = {key: str(config.getini(f"erm_{key}")).strip() for key in ("url", "env", "config", "postgres", "name")}
    return Chosen(
        root=config.rootpath,
        url=config.getoption("--erm-url") or told["url"] or None,
        env=config.getoption("--erm-env") or told["env"] or None,
        config=config.rootpath / told["config"] if told["config"] else None,
        major=_major(told["postgres"]),
        name=told["name"] or "alembic",
        x=tuple(config.getini("erm_x")),
        fresh=bool(config.getoption("--erm-fresh")),
    )


def _major(text: str) -> int | None:
    if text and not (text.isascii() and text.isdecimal()):
        from erm_alembic.errors import ConfigurationError

        raise ConfigurationError(
            f"erm_postgres is {text!r}, which is no major version of PostgreSQL.",
            effect="No test database was made.",
            cure="Write it as in  erm_postgres = 16  or leave it out.",
        )
    return int(text) if text else None
