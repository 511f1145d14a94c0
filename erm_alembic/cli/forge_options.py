"""The options of the commands that speak to GitHub and GitLab; a pipeline's own variables say most of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.cli.repository import places_from, places_of
from erm_alembic.errors import ErmError, UsageError

if TYPE_CHECKING:
    from erm_alembic.forge.ci import Run
    from erm_alembic.planning.read_plan import ReadPlan
    from erm_alembic.render.places import Places

__all__ = [
    "ApiUrlOption",
    "AuthorOption",
    "FailedOption",
    "NoPlan",
    "NumberOption",
    "ProviderOption",
    "RepositoryOption",
    "ShaOption",
    "ShownPlanOption",
    "in_summary",
    "no_plan",
    "places",
    "rendered",
    "run",
    "shown_plan",
    "summarise",
]

# What GitHub shows of a step's summary, in bytes; a character has four at most.
LARGEST_SUMMARY = 1024 * 1024

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


def shown_plan(path: Path) -> ReadPlan:
    """The plan of a file.

    Args:
        path: the file.

    Raises:
        UsageError: it cannot be read, or is no plan.
    """
    from erm_alembic.planning.plan_file import read_plan_file
    from erm_alembic.planning.read_plan import read_plan

    return read_plan(read_plan_file(path), str(path))


def places(env: str, config: Path | None) -> Places:
    """Where the files of the project stand in the repository that is checked out here.

    Args:
        env: the profile of the plan.
        config: `--config`.

    Raises:
        ConfigurationError: erm.yaml is wrong.
    """
    from erm_alembic.config.loader import load_settings

    return places_of(load_settings(env, config, require_url=False))


@dataclass(frozen=True)
class NoPlan:
    """A plan that could not be made.

    Args:
        environment: the profile that it was to be made for.
        places: where the files of the project stand.
    """

    environment: str
    places: Places

    def markdown(self, job_url: str | None) -> str:
        """What stands in its place.

        Args:
            job_url: where the log of the job is.
        """
        from erm_alembic.forge.bodies import could_not_be_made
        from erm_alembic.render.presentation import Presentation

        return could_not_be_made(self.environment, Presentation("migrate", places=self.places), job_url)


def no_plan(env: str | None, config: Path | None) -> NoPlan:
    """The plan that could not be made; a wrong erm.yaml may be why, and does not keep that from being said.

    Args:
        env: `--env`.
        config: `--config`.
    """
    from erm_alembic.config.env_option import DEFAULT_ENVIRONMENT
    from erm_alembic.config.loader import load_settings

    try:
        settings = load_settings(env, config, require_url=False)
    except ErmError:
        return NoPlan(env or os.environ.get("ERM_ENV") or DEFAULT_ENVIRONMENT, places_from(Path.cwd()))
    return NoPlan(settings.environment, places_of(settings))


def rendered(plan: ReadPlan, config: Path | None, limit: int) -> str:
    """A plan as the Markdown of a comment.

    Args:
        plan: the plan.
        config: `--config`.
        limit: the most characters.
    """
    from erm_alembic.render.formats import render
    from erm_alembic.render.presentation import Presentation

    how = Presentation("migrate", places=places(plan.environment, config), limit=limit)
    return render("markdown", plan, plan.findings, None, how)


def summarise(text: str) -> bool:
    """Add the text to the summary that GitHub shows of a job's step; False where there is none.

    Args:
        text: Markdown; the end of what is longer than GitHub shows is left out.

    Raises:
        ErmError: it cannot be written.
    """
    from erm_alembic.forge.comments import fitting

    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return False
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(fitting(text, LARGEST_SUMMARY // 4) + "\n")
    except OSError as error:
        raise ErmError(
            f"The summary of the job cannot be written: {error.strerror}.",
            effect="Nothing was sent.",
            cure="Check GITHUB_STEP_SUMMARY.",
        ) from None
    return True


def in_summary(line: str) -> bool:
    """Whether a line stands in the summary of the job's step already.

    Args:
        line: the line, such as the hidden one that a report begins with.
    """
    try:
        text = Path(os.environ.get("GITHUB_STEP_SUMMARY", "")).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return line in text.splitlines()
