"""Which files of a project git tracks, among those that may hold a secret."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from erm_alembic.config.settings import Settings

__all__ = ["secret_files", "tracked_files"]

FILE = "file:"


def secret_files(settings: Settings) -> tuple[Path, ...]:
    """The files in the project's folder that addresses are read from (`file:PATH`).

    Args:
        settings: what is in force.
    """
    addresses = [settings.url, *(replica.url for replica in settings.replicas), settings.shadow.url]
    discovery = settings.routing.discovery
    if discovery is not None and discovery.dns is not None:
        addresses.append(discovery.dns.url)
    named = (url.text.strip() for url in addresses if url is not None)
    paths = (settings.project_dir / Path(text[len(FILE) :]).expanduser() for text in named if text.startswith(FILE))
    return tuple(dict.fromkeys(paths))


def tracked_files(settings: Settings, ini: Path | None) -> frozenset[Path] | None:
    """Of erm.yaml, alembic.ini and the secret files those that git tracks; None where that cannot be told.

    Args:
        settings: what is in force.
        ini: the project's alembic.ini, where there is one.
    """
    asked = [path for path in (settings.config_path, ini, *secret_files(settings)) if path is not None]
    try:
        return frozenset(_tracked(settings.project_dir, asked))
    except (OSError, subprocess.TimeoutExpired, LookupError):
        return None


def _tracked(folder: Path, paths: Iterable[Path]) -> Iterator[Path]:
    if _git(folder, "rev-parse", "--is-inside-work-tree") != 0:
        raise LookupError("there is no work tree")
    for path in paths:
        if (
            path.parent.is_dir()
            and _git(path.parent, "ls-files", "--error-unmatch", "--", f":(literal){path.name}") == 0
        ):
            yield path


def _git(folder: Path, *arguments: str) -> int:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, timeout=10, check=False)
    return done.returncode
