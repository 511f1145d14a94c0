"""docs/secrets.md: its provider works as the page says, and its examples are valid."""

from __future__ import annotations

import json
import re
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from erm_alembic.config.loader import check_file, load_settings
from erm_alembic.config.secrets import PROVIDERS
from erm_alembic.errors import ConfigurationError
from tests.support.cli import REPOSITORY

PAGE = (REPOSITORY / "docs" / "secrets.md").read_text(encoding="utf-8")
TOKEN = "token-of-the-safe"


def fenced(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.fixture
def safe(secret: str) -> Iterator[str]:
    """The secret manager of the page."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/logins/shop-prod" and self.headers["Authorization"] == TOKEN
            self.send_response(200 if known else 404)
            self.end_headers()
            if known:
                self.wfile.write(json.dumps({"user": "ann", "password": secret}).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_the_provider_of_the_page_works(
    safe: str, tmp_path: Path, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands there, in the file that it names; what it cannot have, it says in its own words."""
    monkeypatch.delitem(__import__("sys").modules, "tools", raising=False)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "safe.py").write_text(fenced("python"))
    (tmp_path / "erm.yaml").write_text(fenced("yaml"))
    environ = {"SAFE_ADDRESS": safe, "SAFE_TOKEN": TOKEN, "STAGE": "prod"}
    assert check_file(cwd=tmp_path, environ=environ) is not None
    url = load_settings(cwd=tmp_path, environ=environ).url
    assert url is not None
    opened, credential = url.database_url().with_credential()
    assert (opened.dsn() == f"postgresql://ann:{secret}@db.internal/shop") is True
    assert credential is not None and credential.lasts is not None and credential.lasts.total_seconds() == 3600
    other = load_settings(cwd=tmp_path, environ={**environ, "STAGE": "dev"}).url
    assert other is not None
    with pytest.raises(ConfigurationError, match=r"the safe has no shop-\$\{STAGE\}, or does not answer"):
        other.database_url().dsn()


@pytest.mark.parametrize("number", range(4))
def test_the_examples_of_the_page_are_valid(number: int, tmp_path: Path) -> None:
    """Each is an erm.yaml, or a part of one."""
    blocks = re.findall(r"\n\n((?:    (?:database|migrations|secrets):.*\n)(?:    .*\n)*)", PAGE)
    assert len(blocks) == 4
    (tmp_path / "erm.yaml").write_text(textwrap.dedent(blocks[number]))
    assert check_file(cwd=tmp_path, environ={}) is not None


def test_the_page_has_every_scheme() -> None:
    """In the table at its top."""
    table = PAGE.split("\n## ")[0]
    assert [provider.scheme for provider in PROVIDERS if f"`{provider.scheme}:" not in table] == []
