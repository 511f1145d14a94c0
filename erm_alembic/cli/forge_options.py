"""The options of the commands that speak to GitHub and GitLab; a pipeline's own variables say most of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.errors import UsageError

if TYPE_CHECKING:
    from erm_alembic.forge.ci import Run

__all__ = [
    "ApiUrlOption",
    "AuthorOption",
    "FailedOption",
    "NumberOption",
    "ProviderOption",
    "RepositoryOption",
    "ShaOption",
    "ShownPlanOption",
    "run",
]

ProviderOption = Annotated[
    str | None,
    typer.Option("--provider", metavar="NAME", help="github or gitlab. Default: the one whose pipeline this is."),
]
RepositoryOption = Annotated[
    str | None,
    typer.Option("--repository", metavar="NAME", help="owner/name. Default: what the pipeline says."),
]
NumberOption = Annotated[
    int | None,
    typer.Option("--number", metavar="N", min=1, help="The pull request. Default: what the pipeline says."),
]
ShaOption = Annotated[
    str | None, typer.Option("--sha", metavar="COMMIT", help="The commit. Default: what the pipeline says.")
]
ApiUrlOption = Annotated[
    str | None,
    typer.Option("--api-url", metavar="URL", help="The platform's API. Default: what the pipeline says."),
]
AuthorOption = Annotated[
    str | None,
    typer.Option("--author", metavar="LOGIN", help="Who writes the bot's comments. Default: the token's user."),
]
ShownPlanOption = Annotated[
    Path | None,
    typer.Option("--plan", metavar="FILE", help="The plan to show, as --format json or --out has written it."),
]
FailedOption = Annotated[
    bool, typer.Option("--failed", help="Say that the plan for --env could not be made, in place of an older one.")
]


def run(
    provider: str | None,
    repository: str | None,
    api_url: str | None,
    *,
    number: int | None = None,
    sha: str | None = None,
    author: str | None = None,
) -> Run:
    """What the pipeline runs for, by its variables and what was typed.

    Args:
        provider: `--provider`.
        repository: `--repository`.
        api_url: `--api-url`.
        number: `--number`.
        sha: `--sha`.
        author: `--author`.

    Raises:
        UsageError: something is missing.
        ConfigurationError: there is no token.
    """
    from erm_alembic.forge.ci import Said, run_of

    if provider not in (None, "github", "gitlab"):
        raise UsageError(
            f"--provider {provider} is not known.", effect="Nothing was sent.", cure="Give it github or gitlab."
        )
    return run_of(Said(provider, api_url, repository, number, sha, author), os.environ)
