"""A provider of a team's own: named in erm.yaml, imported when needed, and told of by its kind alone when it fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from erm_alembic.config.loader import check_file, load_settings
from erm_alembic.config.settings import SealedUrl
from erm_alembic.errors import ConfigurationError
from tests.support.cli import run_erm

PROVIDER = """\
from datetime import timedelta

from erm_alembic.config.secrets import Secret

class Safe:
    scheme = "safe"
    asked = 0

    def fetch(self, reference, context):
        if reference == "broken":
            raise ValueError("hunter2")
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


def test_what_it_raises_is_told_by_its_kind(tmp_path: Path) -> None:
    """Its words may hold the secret, with `-v` too."""
    folder = project(tmp_path, "own_safe_four", "own_safe_four:Safe", "url: 'safe:broken'")
    with pytest.raises(ConfigurationError) as caught:
        address(folder).database_url()
    assert caught.value.what == "database.url cannot be had: the provider of safe:broken failed with ValueError."
    done = run_erm("replicas", "-v", cwd=folder)
    assert done.returncode == 2
    assert "failed with ValueError" in done.stderr and "hunter2" not in done.stderr
