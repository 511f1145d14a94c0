"""Sealed addresses: opened only when used, from variables, files and commands."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from urllib.parse import unquote

import psycopg2
import pytest

from erm_alembic.config.loader import load_settings
from erm_alembic.config.redaction import redact
from erm_alembic.config.secrets import PROVIDERS
from erm_alembic.config.secrets.command import CommandProvider
from erm_alembic.config.secrets.protocol import SecretContext
from erm_alembic.config.settings import SealedUrl
from erm_alembic.errors import ConfigurationError
from tests.support.databases import Database

# The folder of the checkout may have a space in its name.
QUOTED = shlex.quote(sys.executable)


def sealed(folder: Path, value: str, environ: dict[str, str] | None = None) -> SealedUrl:
    """The address of dev in an erm.yaml that holds just that."""
    quoted = value.replace("'", "''")
    folder.joinpath("erm.yaml").write_text(f"database: {{environments: {{dev: {{url: '{quoted}'}}}}}}\n")
    url = load_settings(cwd=folder, environ=environ or {}).url
    assert url is not None
    return url


def test_an_address_is_sealed_until_it_is_used(tmp_path: Path, secret: str) -> None:
    """The repr of the settings holds no password, and the revealed one is masked from then on."""
    url = sealed(tmp_path, f"postgresql://app:{secret}@db/shop")
    assert secret not in repr(url)
    assert url.shown == "postgresql://app:***@db/shop"
    assert url.reveal() == f"postgresql://app:{secret}@db/shop"
    assert redact(f"<{secret}>") == "<***>"


def test_variables_are_put_in_when_the_address_is_used(tmp_path: Path, awkward_secret: str) -> None:
    """`${VAR}` and `${VAR:-default}` are replaced, `$$` is a dollar sign, and the password is masked afterwards."""
    url = sealed(tmp_path, "postgresql://app:${PW}@${HOST:-db}/a$$b", {"PW": awkward_secret, "HOST": ""})
    assert not url.typed_password
    address = url.database_url()
    assert (address.parameters["host"], address.database) == ("db", "a$b")
    # Compared without showing: `%41` in a variable is an encoded A.
    assert (address.parameters["password"] == unquote(awkward_secret)) is True
    shown = redact(f"<{awkward_secret}> {url.reveal()} {address.dsn()}")
    assert shown == "<***> postgresql://app:***@db/a$b postgresql://app:***@db/a%24b"


def test_an_unset_variable_is_named_only_when_the_address_is_used(tmp_path: Path) -> None:
    """Loading does not fail over the variable; using the address names the variable and the key."""
    url = sealed(tmp_path, "postgresql://app:${NOT_SET}@db/shop")
    with pytest.raises(ConfigurationError) as caught:
        url.reveal()
    assert caught.value.what == (
        "database.environments.dev.url (erm.yaml:1) cannot be read: the variable NOT_SET is not set."
    )
    assert caught.value.cure == "Set NOT_SET, or write ${NOT_SET:-default}."


def test_a_file_holds_the_address(tmp_path: Path, secret: str) -> None:
    """`file:` gives the file's content without its last newline, and takes dollars and variables as they are."""
    (tmp_path / "dsn").write_text(f"postgresql://app:{secret}$${{X}}@db/shop\n")
    assert sealed(tmp_path, "file:dsn").reveal() == f"postgresql://app:{secret}$${{X}}@db/shop"
    assert sealed(tmp_path, f"file:{tmp_path}/${{NAME}}", {"NAME": "dsn"}).reveal().endswith("@db/shop")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "which cannot be read: no such file or directory."),
        (b"\n", "which is empty."),
        (b"\xff\xfe", "which is not UTF-8 text."),
        (b"x" * 70_000, "which is too large for a URL."),
    ],
)
def test_a_file_that_holds_no_address_is_explained(tmp_path: Path, content: bytes | None, says: str) -> None:
    """Each way in which a secret's file can be wrong has its own words, with the key and the path."""
    if content is not None:
        (tmp_path / "dsn").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        sealed(tmp_path, "file:dsn").reveal()
    assert caught.value.what == f"database.environments.dev.url is kept in {tmp_path / 'dsn'}, {says}"


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    """`file:` of a folder is refused."""
    with pytest.raises(ConfigurationError, match="is not a file"):
        sealed(tmp_path, "file:.").reveal()


def test_a_command_prints_the_address(tmp_path: Path, secret: str) -> None:
    """`cmd:` runs without a shell: metacharacters and words with blanks reach the program as they are."""
    program = "import os, sys; print(sys.argv[1] + os.environ['PW'] + sys.argv[2])"
    (tmp_path / "print.py").write_text(program)
    command = f'cmd:{QUOTED} print.py "postgresql://app:" "@db/a;b|c $$HOME"'
    url = sealed(tmp_path, command, {"PW": secret})
    assert url.reveal() == f"postgresql://app:{secret}@db/a;b|c $HOME"
    assert url.shown == f"cmd:{QUOTED} ***"
    assert redact(secret) == "***"


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import sys; sys.stderr.write('{}'); print('{}'); sys.exit(3)", "failed with exit code 3."),
        ("pass", "printed nothing."),
        ("import sys; sys.stdout.buffer.write(bytes([255]))", "printed no UTF-8."),
    ],
)
def test_a_failing_command_is_explained_without_its_output(
    tmp_path: Path, program: str, says: str, secret: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither its stdout nor its stderr appear anywhere, only how it ended."""
    (tmp_path / "tool.py").write_text(program.replace("{}", secret))
    with pytest.raises(ConfigurationError) as caught:
        sealed(tmp_path, f"cmd:{QUOTED} tool.py").reveal()
    assert caught.value.what == f"The command {sys.executable}, which prints database.environments.dev.url, {says}"
    assert secret not in "".join(capfd.readouterr())


def test_a_failing_commands_cure_names_where_it_was_written(tmp_path: Path) -> None:
    """The cure sends nobody to erm.yaml for a command that stands in ERM_DATABASE_URL."""
    written = f"cmd:{QUOTED} no-such-tool.py"
    for address, place in (
        (sealed(tmp_path, written), "erm.yaml"),
        (SealedUrl(written, "ERM_DATABASE_URL", "ERM_DATABASE_URL", base_dir=tmp_path), "ERM_DATABASE_URL"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            address.reveal()
        assert caught.value.cure == f"Run {sys.executable} by hand, with the arguments that {place} gives it."


def test_a_command_that_does_not_exist_is_explained(tmp_path: Path) -> None:
    """The program is named; its arguments, which may hold a token, are not."""
    with pytest.raises(ConfigurationError) as caught:
        sealed(tmp_path, "cmd:no-such-program --token t0k3n").reveal()
    assert caught.value.what == (
        "The command no-such-program, which prints database.environments.dev.url, cannot be started: "
        "no such file or directory."
    )


def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    """A command has a limit of time."""
    context = SecretContext("database.url", tmp_path, {})
    (tmp_path / "hang.py").write_text("import threading; threading.Event().wait(60)")
    with pytest.raises(ConfigurationError, match=r"took longer than 0\.2 s"):
        CommandProvider(timeout=0.2).fetch(f"{QUOTED} hang.py", context)


def test_every_provider_has_its_own_scheme() -> None:
    """Two providers of one scheme would hide each other."""
    assert len({provider.scheme for provider in PROVIDERS}) == len(PROVIDERS)


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        ("postgresql://app:hunter2@db/shop", True),
        ("postgresql://app:${PW:-hunter2}@db/shop", True),
        ("postgresql://db/shop?password=hunter2", True),
        ("host=db password=hunter2", True),
        ("postgresql://app:${PW}@db/shop", False),
        ("postgresql://app@db/shop", False),
        ("${DSN}", False),
        ("cmd:print password=x", False),
    ],
)
def test_a_literal_password_is_noticed(tmp_path: Path, value: str, typed: bool) -> None:
    """An address knows whether a password is typed into erm.yaml, and on which line."""
    url = sealed(tmp_path, value)
    assert (url.typed_password, url.line) == (typed, 1)


def test_pgpass_and_service_files_stay_libpqs_own(
    tmp_path: Path, one_database: Database, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password from `.pgpass` and an address from a service file reach the server through erm's DSN."""
    from erm_alembic.config.dsn import DatabaseUrl

    parameters = DatabaseUrl.parse(one_database.url).parameters
    role = "r_" + one_database.name
    one_database.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{secret}'")
    try:
        passfile = tmp_path / "pgpass"
        passfile.write_text(f"*:*:{one_database.name}:{role}:{secret}\n")
        passfile.chmod(0o600)
        service = tmp_path / "pg_service.conf"
        lines = [f"{key}={value}" for key, value in (parameters | {"user": role}).items()]
        service.write_text("[shop]\n" + "\n".join(lines) + "\n")
        monkeypatch.setenv("PGPASSFILE", str(passfile))
        monkeypatch.setenv("PGSERVICEFILE", str(service))
        url = sealed(tmp_path, "postgresql://?service=shop").database_url()
        connection = psycopg2.connect(url.dsn())
        assert connection.info.dbname == one_database.name
        assert connection.info.user == role
        assert connection.info.password == secret
        connection.close()
    finally:
        one_database.execute(f"DROP ROLE {role}")
