"""The desktop's keyring, with a backend of the test's own: a machine without a desktop has none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.errors
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring

from erm_alembic.config.loader import load_settings
from erm_alembic.config.settings import SealedUrl
from erm_alembic.errors import ConfigurationError


class Memory(KeyringBackend):
    """A keyring that remembers for as long as the test lasts."""

    priority = 1  # type: ignore[assignment]  # as the package's own backends have it

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise keyring.errors.KeyringLocked("hunter2 is in here")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password


@pytest.fixture
def ring() -> Iterator[Memory]:
    """A keyring that is there and open."""
    before, made = keyring.get_keyring(), Memory()
    keyring.set_keyring(made)
    try:
        yield made
    finally:
        keyring.set_keyring(before)


def url(folder: Path, database: str) -> SealedUrl:
    (folder / "erm.yaml").write_text(f"database: {{{database}}}\n")
    found = load_settings(cwd=folder, environ={}).url
    assert found is not None
    return found


def test_a_password_is_kept_for_a_user_of_a_service(ring: Memory, tmp_path: Path, secret: str) -> None:
    """A login, or a whole address; a service may have slashes in its name."""
    keyring.set_password("shop/dev", "ann", secret)
    keyring.set_password("shop", "url", f"postgresql://ann:{secret}@db/shop")
    login = url(tmp_path, "url: postgresql://db/shop, credentials: 'keyring:shop/dev/ann'")
    assert (login.database_url().dsn() == f"postgresql://ann:{secret}@db/shop") is True
    whole = url(tmp_path, "url: 'keyring:shop/url'")
    assert (whole.reveal() == f"postgresql://ann:{secret}@db/shop") is True
    assert (login.login.shown if login.login else None) == "keyring:shop/dev/ann"


def test_what_is_wrong_is_told_without_the_keyrings_words(ring: Memory, tmp_path: Path) -> None:
    """Nothing of that name, a keyring that is locked, none at all, and no package."""
    address = url(tmp_path, "url: 'keyring:shop/nobody'")

    def says() -> ConfigurationError:
        with pytest.raises(ConfigurationError) as caught:
            address.reveal()
        return caught.value

    assert says().what == "database.url: the keyring has nothing for shop and nobody."
    assert says().cure == "Put it there: keyring set shop nobody"
    ring.locked = True
    assert says().what == "database.url is kept in a keyring that cannot be read (KeyringLocked)."
    keyring.set_keyring(NoKeyring())
    assert says().what == "database.url is kept in a keyring, and there is none on this machine."
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "keyring", None)
        assert says().cure == 'pip install "erm-alembic[keyring]"'
