"""The environment of the child: what the project's code may expect is there, and leads nowhere but the shadow.

A variable that holds the address of a database holds the shadow's, in the same scheme; other addresses lose their
passwords; what a secret manager or libpq would take for credentials is gone. Limits and the like that only libpq knows
in an address stand in variables of their own: a project may give the address to another driver, whatever its scheme.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.redaction import MASK, redact
from erm_alembic.errors import ConfigurationError

__all__ = ["NOWHERE", "clean_environment"]

# A name that never resolves (RFC 2606).
NOWHERE = "erm-shadow.invalid"
SCHEME = re.compile(r"(postgres(?:ql)?(?:\+\w+)?)://")
REFERENCE = re.compile(r"(?!embedded:)[a-z][a-z0-9+.\-]*:")
LIBPQ = re.compile(r"PG[A-Z]+")
SECRET_NAME = re.compile(r"(?i)pass|pwd|secret|token|key")
# What the programs that erm's secret references run are let in by, and what other secret managers read.
CREDENTIALS = re.compile(
    r"VAULT_\w+|BAO_\w+|ERM_DATABASE_CREDENTIALS|CONSUL_\w+|AWS_(?!REGION$|DEFAULT_REGION$)\w+|AZURE_\w+|ARM_\w+"
    r"|GOOGLE_\w*CREDENTIALS\w*|CLOUDSDK_\w+"
    r"|OP_\w+|BWS_\w+|BW_SESSION|DOPPLER_\w+|INFISICAL_\w+|AKEYLESS_\w+|CONJUR_\w+|SOPS_\w+|KUBECONFIG"
    r"|ACTIONS_ID_TOKEN_\w+|CI_JOB_(?:JWT|TOKEN)\w*|SSH_AUTH_SOCK"
)

# What libpq takes from a variable as well as from an address, where another driver would stumble over it.
IN_VARIABLES = {
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "application_name": "PGAPPNAME",
    "options": "PGOPTIONS",
    "client_encoding": "PGCLIENTENCODING",
    "passfile": "PGPASSFILE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
    "krbsrvname": "PGKRBSRVNAME",
    "requirepeer": "PGREQUIREPEER",
    "sslmode": "PGSSLMODE",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcrl": "PGSSLCRL",
}


def clean_environment(environ: Mapping[str, str], target: DatabaseUrl, shadow: DatabaseUrl) -> dict[str, str]:
    """The variables that the project's code sees while it runs in the shadow.

    Args:
        environ: the variables of this process.
        target: the address of the target, with its password.
        shadow: the address of the scratch database.

    Example:
        >>> shadow = DatabaseUrl.parse("postgresql://postgres@localhost/scratch")
        >>> environ = {"DATABASE_URL": "postgres://app:hunter2@db/shop", "DB_HOST": "db", "VAULT_TOKEN": "s.1"}
        >>> found = clean_environment(environ, DatabaseUrl.parse(environ["DATABASE_URL"]), shadow)
        >>> {name: value for name, value in found.items() if not name.startswith("PG")}
        {'DATABASE_URL': 'postgres://postgres@localhost/scratch', 'DB_HOST': 'erm-shadow.invalid'}
    """
    elsewhere = frozenset(_places(target)) - frozenset(_places(shadow))
    place = shadow.with_parameters(**dict.fromkeys(IN_VARIABLES, ""))
    kept = {
        name: _harmless(name, value, target, place, elsewhere)
        for name, value in environ.items()
        if not LIBPQ.fullmatch(name) and not CREDENTIALS.fullmatch(name)
    }
    return kept | _libpq(shadow)


def _harmless(name: str, value: str, target: DatabaseUrl, shadow: DatabaseUrl, elsewhere: frozenset[str]) -> str:
    scheme = SCHEME.match(value.strip())
    if scheme is not None:
        return f"{scheme[1]}://{_as_url(shadow, scheme[1])}"
    if _is_address(value) or (name == "ERM_DATABASE_URL" and REFERENCE.match(value)):
        return f"postgresql://{_as_url(shadow, 'postgresql')}"
    if value in target.secrets and SECRET_NAME.search(name):
        return MASK
    if value in elsewhere:
        return NOWHERE
    return redact(value)


def _is_address(value: str) -> bool:
    """Whether it is a keyword string of libpq, such as `host=db dbname=shop`."""
    if "=" not in value or "://" in value:
        return False
    try:
        return not {"host", "hostaddr", "dbname", "service"}.isdisjoint(DatabaseUrl.parse(value).parameters)
    except ConfigurationError:
        return False


def _as_url(shadow: DatabaseUrl, scheme: str) -> str:
    """The shadow's address without its scheme, in the words of the driver that the scheme names."""
    driver = scheme.partition("+")[2] or "psycopg2"
    try:
        url = shadow.sqlalchemy_url(f"postgresql+{driver}")
    except ConfigurationError:
        url = shadow.sqlalchemy_url("postgresql+psycopg2")
    return url.render_as_string(hide_password=False).partition("://")[2]


def _places(url: DatabaseUrl) -> Iterator[str]:
    """The server as a variable of its own may name it."""
    hosts = [*url.parameters.get("host", "").split(","), *url.parameters.get("hostaddr", "").split(",")]
    ports = url.parameters.get("port", "").split(",")
    for host in filter(None, hosts):
        yield host
        yield from (f"{host}:{port or 5432}" for port in ports)


def _libpq(shadow: DatabaseUrl) -> dict[str, str]:
    """Whoever names no database, in whatever language, finds the shadow; and nobody finds a file of passwords."""
    named = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE", "password": "PGPASSWORD"}
    known = (named | IN_VARIABLES).items()
    found = {name: shadow.parameters[key] for key, name in known if shadow.parameters.get(key)}
    # Of a file that is there and none, such as /dev/null, libpq complains on stderr at each connection.
    nothing = dict.fromkeys(("PGPASSFILE", "PGSERVICEFILE", "PGSYSCONFDIR"), f"/nonexistent/{NOWHERE}")
    return nothing | found
