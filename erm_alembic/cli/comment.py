"""`erm comment`: a plan on its pull request, in one comment that is brought up to date in its place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.forge_options import (
    ApiUrlOption,
    AuthorOption,
    FailedOption,
    NumberOption,
    ProviderOption,
    RepositoryOption,
    ShownPlanOption,
    run,
)
from erm_alembic.cli.job_summary import summarise
from erm_alembic.cli.options import ConfigOption, EnvironmentOption, Format, FormatOption, VerboseOption
from erm_alembic.cli.told_plans import no_plan, refuse_but_one, rendered, shown_plan
from erm_alembic.errors import UsageError
from erm_alembic.render.safe import one_line

__all__ = ["comment", "register"]

EXAMPLES = """\b
Examples:
  erm migrate --mode plan --env prod --format json > plan.json
  erm comment --plan plan.json
  erm comment --provider github --number 17 --plan plan.json
  erm comment --provider gitlab --key smoke --body smoke.md
"""
NOTHING_SENT = "Nothing was sent."
LARGEST_BODY = 16 * 1024 * 1024
WORDS = {
    "created": "written",
    "updated": "brought up to date",
    "unchanged": "up to date already",
    "summarised": "in the summary of the job",
}
# Characters for the line that a comment is known by.
ROOM = 200


def comment(
    provider: ProviderOption = None,
    plan: ShownPlanOption = None,
    body: Annotated[
        str | None, typer.Option("--body", metavar="FILE", help="Markdown to post instead of a plan; - reads stdin.")
    ] = None,
    failed: FailedOption = False,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="NAME", help="Which of several comments. Default: one for each environment."),
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="Write it to the summary of the GitHub job as well.")
    ] = False,
    repository: RepositoryOption = None,
    number: NumberOption = None,
    api_url: ApiUrlOption = None,
    author: AuthorOption = None,
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show a plan on its pull request: write the comment, or bring it up to date in its place.

    What it shows is one of --plan, --body and --failed.

    Repository, pull request and address come from the pipeline, the token from GITHUB_TOKEN or GITLAB_TOKEN.
    Where a token may only read, the plan goes to the summary of the GitHub job.
    """
    from erm_alembic.forge.bodies import of_commit
    from erm_alembic.forge.comments import Posted, ReadOnlyToken, put_comment
    from erm_alembic.forge.platforms import forge_of
    from erm_alembic.render.json import result_document

    refuse_but_one(
        "A comment shows a plan, the text of a file, or that there is no plan.",
        {"--plan FILE": plan is not None, "--body FILE": body is not None, "--failed": failed},
        env,
    )
    shown = None if plan is None else shown_plan(plan)
    text = None if body is None else _read(body)
    told = run(provider, repository, api_url, number=number, author=author)
    forge = forge_of(told)
    if shown is not None:
        text = rendered(shown, config, forge.limit - ROOM)
    if text is None:
        text = no_plan(env, config).markdown(told.job_url)
    text = text if key else of_commit(text, told.sha, forge.limit - ROOM)
    summarised = summary and summarise(text)
    if summary and not summarised:
        console.note("There is no summary to write to: GITHUB_STEP_SUMMARY is not set.")
    try:
        posted = put_comment(forge, text, key)
    except ReadOnlyToken as error:
        if not summarised and not summarise(text):
            raise
        console.note(f"{error.what}\n{error.effect}\n{error.cure}\nIt stands in the summary of the job instead.")
        posted = Posted("summarised", "")
    if format_ is Format.json:
        console.write(result_document({"action": posted.action, "url": posted.url or None}))
    else:
        console.write(f"The comment is {WORDS[posted.action]}.{one_line(f' {posted.url}'.rstrip())}\n")


def _read(name: str) -> str:
    """The text of a file, or of stdin.

    Raises:
        UsageError: it cannot be read, or is empty.
    """
    try:
        if name == "-":
            content = sys.stdin.buffer.read(LARGEST_BODY)
        else:
            with Path(name).open("rb") as file:
                content = file.read(LARGEST_BODY)
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(
            f"{name} cannot be read: {why}.", effect=NOTHING_SENT, cure="Give a file with Markdown: --body FILE"
        ) from None
    if not text.strip():
        raise UsageError(
            "The comment is empty.",
            effect=NOTHING_SENT,
            cure="Give it a text; the command that wrote it may have failed.",
        )
    return text


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("comment", epilog=EXAMPLES)(comment)
