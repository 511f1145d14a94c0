"""Addresses of databases: every shape is read, kept, and never shown with its password."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import asyncpg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg2.extensions import parse_dsn
from sqlalchemy import create_engine, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.dialects.postgresql.psycopg2 import dialect as psycopg2_dialect

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.errors import ConfigurationError
from tests.support.databases import Database

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://",
        "postgres://db/shop",
        "postgresql://app:pw@db:5433/shop?sslmode=require&connect_timeout=3",
        "postgresql://app@h1:5432,h2:5433/shop?target_session_attrs=read-write",
        "postgresql://app@[2001:db8::1]:5432,[::1]:5433/shop",
        "postgresql://app:a%40b%2F%25@db/my%20%22shop%22%F0%9F%90%98",
        "postgresql://%2Frun%2Fpostgresql/shop",
        "postgresql:///shop?host=/run/postgresql&port=5433",
        "postgresql:///?service=shop",
        "postgresql://db/shop?options=-c%20search_path%3Dapp%2Cpublic&application_name=a%2Bb",
        "postgresql://app:p?w@db/shop",
        "postgresql://db/shop?user=app&password=pw&ssl=true",
        "postgresql://db/shop?hostaddr=10.0.0.1",
    ],
)
def test_what_libpq_reads_is_kept_as_libpq_reads_it(uri: str) -> None:
    """A URI that libpq understands means the same to libpq after erm has read and written it."""
    assert parse_dsn(DatabaseUrl.parse(uri).dsn()) == parse_dsn(uri)


@given(user=words, password=words, database=words)
@example(user="a", password="***", database="%41")
@example(user=",", password=",", database=",")
def test_any_name_and_password_survive_reading_and_writing(user: str, password: str, database: str) -> None:
    """Names and passwords of any characters come out of the address as they went in, for libpq and for SQLAlchemy."""
    text_ = f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@db/{quote(database, safe='')}"
    url = DatabaseUrl.parse(text_)
    assert parse_dsn(url.dsn()) == {"user": user, "password": password, "host": "db", "dbname": database}
    alchemy = url.sqlalchemy_url("postgresql+psycopg2")
    assert (alchemy.username, alchemy.password, alchemy.database) == (user, password, database)
    assert url.database == database


@given(password=words.filter(lambda word: len(word) > 3 and not set(word) <= set("*appdbsho")))
def test_the_redacted_address_never_holds_the_password(password: str) -> None:
    """Neither `redacted` nor the repr holds the password, whatever its characters."""
    secret = "Zq" + password
    url = DatabaseUrl.parse(f"postgresql://app:{quote(secret, safe='')}@db/shop")
    assert url.redacted == "postgresql://app:***@db/shop"
    assert repr(url) == "DatabaseUrl('postgresql://app:***@db/shop')"


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg", "asyncpg"])
def test_a_driver_in_the_scheme_is_stripped_for_libpq_and_remembered(driver: str) -> None:
    """`+driver` is SQLAlchemy's; libpq gets the URI without it."""
    url = DatabaseUrl.parse(f"postgresql+{driver}://app@db/shop")
    assert (url.driver, url.dsn()) == (driver, "postgresql://app@db/shop")


@pytest.mark.parametrize(
    ("written", "password", "host"),
    [
        ("postgresql://app:pa ss#[\\:@db:5432/shop", "pa ss#[\\:", "db"),
        ("postgresql://app:pa?s@s@db:5432/shop", "pa?s@s", "db"),
        ("postgresql://app:pa@ss@db:5432/shop", "pa@ss", "db"),
        ("postgresql://app:100%@db:5432/shop", "100%", "db"),
    ],
)
def test_a_password_with_bare_special_characters_is_understood(written: str, password: str, host: str) -> None:
    """A password that its owner forgot to encode is still read as the password."""
    parameters = DatabaseUrl.parse(written).parameters
    assert (parameters["password"], parameters["host"]) == (password, host)


@pytest.mark.parametrize(
    "written",
    [
        "postgresql://app:4711/{}@localhost/db",
        "postgresql://u:/{}@127.0.0.1/db",
        "postgresql://app:pa/{}@db:5432/shop",
        "postgresql://app:pa@x/{}@db/shop",
        "postgresql://app:pa@x?{}@db/shop",
        "postgresql://app:1/?{}@db/shop",
        "postgresql+asyncpg://app:1/{}@db/shop",
        "postgresql://db/shop?user=app@{}",
    ],
)
def test_an_address_with_two_readings_is_refused_in_words_without_it(written: str, secret: str) -> None:
    """A bare `/` before the last `@` is never guessed about, and nothing after the scheme is shown."""
    with pytest.raises(ConfigurationError) as caught:
        DatabaseUrl.parse(written.format(secret))
    assert "encode / as %2F" in caught.value.cure
    assert caught.value.what == (
        "The URL can be read in more than one way: a bare `/` or `?` stands before its last `@`."
    )


MARK = "Zq7x"
pieces = st.one_of(st.text(st.characters(), max_size=8), st.text("/?#[]@:%&= \\'\"4", max_size=8))
FORMS = (
    "postgresql://app:{}@localhost/db",
    "postgres://:{}@[::1]:5432/db?sslmode=require",
    "postgresql+asyncpg://app:{}@h1:5433,h2/db?ssl=true",
    "embedded://app:{}@db",
)


@given(form=st.sampled_from(FORMS), before=pieces, after=pieces)
@example(form=FORMS[0], before="4711/", after="")
@example(form=FORMS[0], before="/", after="")
@example(form=FORMS[0], before="a@b?", after="=1")
@example(form=FORMS[0], before="\ud800", after="")
def test_a_password_written_without_encoding_is_never_shown(form: str, before: str, after: str) -> None:
    """Whatever its characters, a bare password stands neither in what is understood nor in what is refused."""
    written = form.format(before + MARK + after)
    try:
        url = DatabaseUrl.parse(written)
    except ConfigurationError as error:
        shown = f"{error.what}{error.effect}{error.cure}"
    else:
        shown = f"{url.redacted}{url!r}{url.database}"
    assert MARK not in shown


def test_sqlalchemys_form_of_several_hosts_becomes_libpqs() -> None:
    """Repeated `host=h:port` parameters are read as several hosts."""
    url = DatabaseUrl.parse("postgresql+psycopg2://app@/shop?host=h1:5433&host=h2")
    assert url.dsn() == "postgresql://app@h1:5433,h2/shop"


def test_several_hosts_reach_psycopg2_and_asyncpg() -> None:
    """Both drivers are given both hosts and both ports, an unsaid port being 5432."""
    url = DatabaseUrl.parse("postgresql://app:pw@h1:5433,h2/shop?target_session_attrs=any")
    sync_args = psycopg2_dialect().create_connect_args(url.sqlalchemy_url("postgresql+psycopg2"))[1]
    assert (sync_args["host"], sync_args["port"]) == ("h1,h2", "5433,")
    async_args = asyncpg_dialect().create_connect_args(url.sqlalchemy_url("postgresql+asyncpg"))[1]
    assert (async_args["host"], async_args["port"]) == (["h1", "h2"], [5433, 5432])
    assert async_args["target_session_attrs"] == "any"


@pytest.mark.parametrize("hosts", ["one,two", "replicas"])
def test_asyncpg_connects_to_the_address_where_one_stands_beside_the_name(hosts: str) -> None:
    """It has no word for `hostaddr`, and would look the name up and take any of its addresses."""
    addresses = ",".join(["10.0.0.7", "fd00::1"][: hosts.count(",") + 1])
    url = DatabaseUrl.parse(f"postgresql://app@/shop?host={hosts}&hostaddr={addresses}&port=6000")
    arguments = asyncpg_dialect().create_connect_args(url.sqlalchemy_url("postgresql+asyncpg"))[1]
    assert arguments["host"] == (addresses.split(",") if "," in addresses else addresses)
    assert url.sqlalchemy_url("postgresql+psycopg").query["hostaddr"] == addresses


def test_sslmode_becomes_asyncpgs_ssl_and_back() -> None:
    """asyncpg's word for libpq's sslmode is ssl, in both directions."""
    url = DatabaseUrl.parse("postgresql://db/shop?sslmode=verify-full&sslrootcert=/etc/ca.pem")
    query = url.sqlalchemy_url("postgresql+asyncpg").query
    assert query == {"ssl": "verify-full", "dsn": "postgresql://?sslrootcert=%2Fetc%2Fca.pem"}
    assert DatabaseUrl.parse("postgresql+asyncpg://db/shop?ssl=require").dsn() == "postgresql://db/shop?sslmode=require"


def test_a_keyword_string_is_an_address_too() -> None:
    """libpq's `key=value` string is read, a `://` in its password included."""
    url = DatabaseUrl.parse("host=db dbname='my shop' password='a://b'")
    assert url.dsn() == "postgresql://db/my%20shop?password=a%3A//b"
    assert url.redacted == "postgresql://db/my%20shop?password=***"


def test_an_embedded_address_names_one_database() -> None:
    """`embedded://NAME` holds a percent-encoded name, and has no DSN before its server runs."""
    url = DatabaseUrl.parse("embedded://app%20dev")
    assert (url.embedded_name, url.database, url.redacted) == ("app dev", "app dev", "embedded://app%20dev")
    with pytest.raises(ConfigurationError, match="before its server runs"):
        url.dsn()


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("mysql://app:{}@db/shop", "The URL is one of mysql://, not of PostgreSQL."),
        ("sqlite:///shop.db", "The URL is one of sqlite://, not of PostgreSQL."),
        ("postgresql+pg9000://app:{}@db/shop", "The URL names the driver 'pg9000', which erm does not know."),
        ("postgresql://app:{}@db:http/shop", "The port of a host is not a number between 1 and 65535."),
        ("postgresql://app:{}@[::1/shop", "An IPv6 host is not closed by `]`."),
        ("postgresql://app:{}@db/shop?ssl_mode=require", "libpq knows no parameter 'ssl_mode' in the URL."),
        ("postgresql://app:{}@db/shop?sslmode", "The parameter 'sslmode' of the URL has no value."),
        ("postgresql://app:{}@a,b,c:1/shop?port=1,2", "The URL has 3 hosts but 2 ports."),
        ("postgresql://app:{}%00@db/shop", "The password in the URL holds a NUL character."),
        ("postgresql://app:{}%ff@db/shop", "The password in the URL is not UTF-8 when percent-decoded."),
        ("host=db password={} nonsense", "The keyword string of the database cannot be read by libpq."),
        ("{}", "The text is not a URL of a database."),
        ("embedded://", "An embedded:// URL holds the name of one database and nothing else."),
    ],
)
def test_what_is_no_address_is_refused_without_its_password(written: str, says: str, secret: str) -> None:
    """Each wrong address is refused in clear words, and the password stands in none of them."""
    with pytest.raises(ConfigurationError) as caught:
        DatabaseUrl.parse(written.format(secret))
    error = caught.value
    assert error.what == says
    assert error.cure
    assert secret not in f"{error.what}{error.effect}{error.cure}{error.__cause__!r}"
    assert error.__cause__ is None


def test_a_mistyped_parameter_is_answered_with_the_nearest_one() -> None:
    """The cure for an unknown parameter names the one that was probably meant."""
    with pytest.raises(ConfigurationError) as caught:
        DatabaseUrl.parse("postgresql://db/shop?ssl_mode=require")
    assert caught.value.cure == "Write 'sslmode'."


def test_psycopg2_connects_by_the_url_for_sqlalchemy(one_database: Database) -> None:
    """The SQLAlchemy URL of a socket address opens the right database with psycopg2."""
    engine = create_engine(DatabaseUrl.parse(one_database.url).sqlalchemy_url("postgresql+psycopg2"))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT current_database()")) == one_database.name
    engine.dispose()


def test_asyncpg_connects_by_the_url_for_sqlalchemy(one_database: Database) -> None:
    """asyncpg opens the same database, over the unix socket, with sslmode and application_name understood."""
    url = DatabaseUrl.parse(one_database.url).with_parameters(sslmode="disable", application_name="a b")
    arguments = asyncpg_dialect().create_connect_args(url.sqlalchemy_url("postgresql+asyncpg"))[1]

    async def names() -> tuple[str, ...]:
        connection = await asyncpg.connect(**arguments)
        row = await connection.fetchrow("SELECT current_database(), current_setting('application_name')")
        await connection.close()
        return tuple(row)

    assert asyncio.run(names()) == (one_database.name, "a b")
