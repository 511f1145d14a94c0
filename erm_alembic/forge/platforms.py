"""The platforms that erm comments on, one a module."""

from __future__ import annotations

from erm_alembic.forge import github, gitlab
from erm_alembic.forge.ci import Run
from erm_alembic.forge.comments import Forge

__all__ = ["forge_of"]


def forge_of(run: Run) -> Forge:
    """The pull request that a pipeline runs for; nothing is asked yet.

    Args:
        run: what the pipeline runs for.

    Raises:
        UsageError: it runs for none.
        ForgeError: the address of the API is none.
    """
    run.pull_request()
    if run.provider == "github":
        return github.GitHub(run, github.api_of(run))
    return gitlab.GitLab(run, gitlab.api_of(run))
