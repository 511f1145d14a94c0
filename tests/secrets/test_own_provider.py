"""A provider of a team's own: named in erm.yaml, imported when needed, and told of by its kind alone when it fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from erm_alembic.config.loader import check_file, load_settings
from erm_alembic.config.secrets import Secret
from erm_alembic.config.secrets.reading import as_secret, in_login
from erm_alembic.config.settings import SealedUrl
from erm_alembic.errors import ConfigurationError
from tests.support.cli import run_erm

PROVIDER = """\
from datetime import timedelta

from erm_alembic.config.secrets import Secret
from erm_alembic.errors import ConfigurationError

class Safe:
    scheme = "safe"
    asked = 0

    def fetch(self, reference, context):
        if reference == "broken":
            raise ValueError("hunter2")
        if reference == "exit":
            raise SystemExit("hunter" + "2")
        if reference == "chained":
            raise ConfigurationError("It is away.") from ValueError("hunter" + "2")
        if reference == "login":
            Safe.asked += 1
            return Secret(fields={"username": "ann", "password": context.environ["PW"]}, lasts=timedelta(hours=1))
        return f"postgresql://db/{reference}"

    def describe(self, reference):
        return "safe:" + reference

class NoProvider:
    pass
"""


def project(folder: Path, module: str, place: str, url: str) -> Path:
    """An erm.yaml beside a module with the provider."""
    (folder / f"{module}.py").write_text(PROVIDER)
    (folder / "erm.yaml").write_text(f"database: {{{url}}}\nsecrets: {{providers: {{safe: '{place}'}}}}\n")
    return folder


def address(folder: Path, **environ: str) -> SealedUrl:
    found = load_settings(cwd=folder, environ=environ).url
    assert found is not None
    return found


def test_it_answers_for_its_scheme(tmp_path: Path, secret: str) -> None:
    """For addresses and for logins; one class serves all who ask in a process, and its lease is shared."""
    folder = project(tmp_path, "own_safe_one", "own_safe_one:Safe", "url: 'safe:shop', credentials: 'safe:login'")
    assert check_file(cwd=folder, environ={}) is not None
    assert "own_safe_one" not in sys.modules, "the file is judged without it"
    sealed = address(folder, PW=secret)
    first = sealed.database_url()
    assert (first.dsn() == f"postgresql://ann:{secret}@db/shop") is True
    assert (sealed.shown, sealed.database_url().opened().parameters["user"]) == ("safe:shop", "ann")
    assert sys.modules["own_safe_one"].Safe.asked == 1
    assert str(tmp_path) not in sys.path


def test_a_profile_may_have_one_of_its_own(tmp_path: Path) -> None:
    """As with every other section."""
    (tmp_path / "own_safe_two.py").write_text(PROVIDER)
    (tmp_path / "erm.yaml").write_text(
        "database:\n  environments:\n    dev:\n      url: safe:shop\n"
        "      secrets: {providers: {safe: 'own_safe_two:Safe'}}\n"
    )
    assert address(tmp_path).reveal() == "postgresql://db/shop"


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("nowhere_at_all:Safe", "'nowhere_at_all' is not there."),
        ("own_safe_three:Nothing", "'Nothing' is not there."),
        ("own_safe_three:NoProvider", "has no method 'fetch': it is no provider."),
    ],
)
def test_one_that_cannot_be_loaded_is_told_with_its_place(tmp_path: Path, place: str, says: str) -> None:
    """And how to look into it."""
    folder = project(tmp_path, "own_safe_three", place, "url: 'safe:shop'")
    with pytest.raises(ConfigurationError) as caught:
        address(folder).reveal()
    assert says in caught.value.what and "secrets.providers.safe" in caught.value.what + caught.value.cure


@pytest.mark.parametrize(("reference", "says"), [("exit", "failed with SystemExit"), ("chained", "It is away.")])
def test_what_it_raises_otherwise_is_told_without_its_words(tmp_path: Path, reference: str, says: str) -> None:
    """Neither an exit nor what stands behind an error of erm's own kind is quoted, with `-v` too."""
    folder = project(tmp_path, f"own_safe_{reference}", f"own_safe_{reference}:Safe", f"url: 'safe:{reference}'")
    done = run_erm("replicas", "-v", cwd=folder)
    assert done.returncode == 2
    assert says in done.stderr and "hunter2" not in done.stdout + done.stderr


def test_what_it_raises_is_told_by_its_kind(tmp_path: Path) -> None:
    """Its words may hold the secret, with `-v` too."""
    folder = project(tmp_path, "own_safe_four", "own_safe_four:Safe", "url: 'safe:broken'")
    with pytest.raises(ConfigurationError) as caught:
        address(folder).database_url()
    assert caught.value.what == "database.url cannot be had: the provider of safe:broken failed with ValueError."
    done = run_erm("replicas", "-v", cwd=folder)
    assert done.returncode == 2
    assert "failed with ValueError" in done.stderr and "hunter2" not in done.stderr


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (42, "gave a value of the type int"),
        (b"hunter2", "gave a value of the type bytes"),
        ({"password": "hunter2"}, "gave a value of the type dict"),
        (None, "gave a value of the type NoneType"),
        (" \n", "gave nothing"),
        (Secret(), "gave nothing"),
        (Secret(fields={"password": 12345}), "gave a Secret whose text or fields are no text"),  # type: ignore[dict-item]
        (Secret("hunter2", lasts=3600), "gave a Secret whose lasts is no timedelta"),  # type: ignore[arg-type]
    ],
)
def test_what_it_gives_is_looked_at(given: object, says: str) -> None:
    """Whatever a class of a team's own returns, it is an error in words, without a value of it, or a login."""
    with pytest.raises(ConfigurationError) as raised:
        as_secret(given)
    assert says in raised.value.what
    assert "hunter2" not in str(raised.value) and "12345" not in str(raised.value)


def test_a_user_alone_is_no_password() -> None:
    """A secret with one field is that field, but for one that says by its name that it is something else."""
    with pytest.raises(ConfigurationError, match="it has the fields username"):
        in_login(as_secret(Secret(fields={"username": "ann"})), "database.credentials")
    assert in_login(as_secret("pass word\n"), "database.credentials") == (None, "pass word")
