"""Passwords that are in use, looked for in what git keeps: a fact, where a pattern would be a guess."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from erm_alembic.config.settings import SealedUrl, Settings
from erm_alembic.errors import ErmError

__all__ = ["Leak", "find_leaks", "passwords_in_use"]

# A shorter password would be found in every other word.
SHORTEST = 8
# Larger files hold no configuration, and looking through a huge repository must end: bytes, files, seconds.
LARGEST, MOST_FILES, PATIENCE = 1_000_000, 50_000, 10.0


@dataclass(frozen=True, slots=True)
class Leak:
    """A password in a file that git tracks.

    Args:
        path: the file, from the project's folder where it is below it.
        line: where, counted from 1.
        whose: what the password is for: `the primary`, `replica east`.
    """

    path: str
    line: int
    whose: str


def passwords_in_use(settings: Settings) -> dict[str, str]:
    """The passwords of an environment, each with what it is for; one that cannot be had is left out.

    Args:
        settings: what is in force.
    """
    found: dict[str, str] = {}
    urls: list[tuple[str, SealedUrl | None]] = [("the primary", settings.url)]
    urls += [(f"replica {replica.name}", replica.url) for replica in settings.replicas]
    urls.append(("the shadow's server", settings.shadow.url))
    for whose, url in urls:
        with suppress(ErmError):
            if url is None or (opened := url.database_url()).embedded_name is not None:
                continue
            _, credential = opened.with_credential()
            if credential is not None and credential.secret.ends_sessions:
                continue  # a role that was made for this process stands in no file
            password = opened.opened().parameters.get("password", "")
            if len(password) >= SHORTEST:
                found.setdefault(password, whose)
    return found


def find_leaks(folder: Path, passwords: Mapping[str, str], but: frozenset[Path]) -> tuple[Leak, ...]:
    """Where in files that git tracks passwords stand; nothing where there is no git.

    Args:
        folder: the project's, within a work tree.
        passwords: them, each with what it is for; they are handed to no other program.
        but: files that are told of otherwise.
    """
    if not passwords:
        return ()
    try:
        return tuple(_found(folder, passwords, but))
    except (OSError, subprocess.SubprocessError):
        return ()


def _found(folder: Path, passwords: Mapping[str, str], but: frozenset[Path]) -> Iterator[Leak]:
    forms = {
        form.encode(): whose for text, whose in passwords.items() for form in (text, quote(text, safe=""), quote(text))
    }
    overdue = time.monotonic() + PATIENCE
    for path in _tracked(folder)[:MOST_FILES]:
        if time.monotonic() > overdue:
            return
        if path in but or path.is_symlink():
            continue
        with suppress(OSError):
            if not path.is_file() or path.stat().st_size > LARGEST:
                continue
            content = path.read_bytes()
            for form, whose in forms.items():
                if (at := content.find(form)) >= 0:
                    shown = path.relative_to(folder) if path.is_relative_to(folder) else path
                    yield Leak(str(shown), content.count(b"\n", 0, at) + 1, whose)
                    break


def _tracked(folder: Path) -> list[Path]:
    root = Path(_git(folder, "rev-parse", "--show-toplevel").rstrip("\n"))
    return [root / name for name in _git(root, "ls-files", "-z").split("\0") if name]


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, timeout=PATIENCE, check=True)
    return done.stdout.decode("utf-8", "surrogateescape")
