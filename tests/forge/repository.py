"""A repository with a bare remote, as a team has it: a main branch that is deployed, and branches of pull requests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.faults.deploying import Project
from tests.support.databases import Database

WHO = {
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


class Repository:
    """A developer's clone, and what a pipeline checks out.

    Args:
        folder: a folder of its own.
        database: what the project is deployed to.
    """

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder, self.database = folder, database
        self.remote, clone = folder / "origin.git", folder / "clone"
        self._git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))
        self._git(folder, "clone", "--quiet", str(self.remote), str(clone))
        self.clone = clone
        self._git(clone, "checkout", "--quiet", "-b", "main")
        self.project = Project(clone, database, env={"ERM_NO_SHADOW": "1"})
        (clone / ".gitignore").write_text(".erm/\n__pycache__/\n")

    def _git(self, folder: Path, *arguments: str) -> str:
        command = ["git", "-c", "protocol.file.allow=always", *arguments]
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, **WHO}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def git(self, *arguments: str) -> str:
        """Run git in the developer's clone."""
        return self._git(self.clone, *arguments)

    def push(self, branch: str, message: str) -> str:
        """Commit what there is to a branch and push it; the commit."""
        if self.git("branch", "--show-current") != branch:
            known = self.git("branch", "--list", branch)
            self.git("checkout", "--quiet", *([] if known else ["-b"]), branch)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "--set-upstream", "origin", branch)
        return self.git("rev-parse", "HEAD")

    def merge(self, branch: str) -> str:
        """Merge a branch to main on the remote, as a platform does; the merge commit."""
        self.git("checkout", "--quiet", "main")
        self.git("merge", "--quiet", "--no-ff", "--no-edit", branch)
        self.git("push", "--quiet", "origin", "main")
        return self.git("rev-parse", "HEAD")

    def checked_out(self, name: str, commit: str) -> Path:
        """A fresh checkout of a commit, as a pipeline begins with."""
        place = self.folder / name
        self._git(self.folder, "clone", "--quiet", "--no-checkout", str(self.remote), str(place))
        self._git(place, "checkout", "--quiet", "--detach", commit)
        return place
