"""Which commit of the project is being deployed, and by whom."""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path

__all__ = ["deployer", "git_commit"]


def git_commit(folder: Path) -> str | None:
    """The commit that is checked out in a folder; None where there is no git or no work tree.

    Args:
        folder: the project's folder.
    """
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None


def deployer(role: str) -> str:
    """Who deploys: the operating system's user and the database role, as `ann (deployer)`.

    Args:
        role: the database role.
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user} ({role})"
