"""`erm check-run`: a plan as a check run on GitHub, its findings on their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.forge_options import (
    ApiUrlOption,
    FailedOption,
    RepositoryOption,
    ShaOption,
    ShownPlanOption,
    run,
)
from erm_alembic.cli.job_summary import in_summary, summarise
from erm_alembic.cli.options import ConfigOption, EnvironmentOption, Format, FormatOption, VerboseOption
from erm_alembic.cli.told_plans import no_plan, places, refuse_but_one, rendered, shown_plan
from erm_alembic.render.safe import one_line

if TYPE_CHECKING:
    from erm_alembic.forge.comments import ReadOnlyToken

__all__ = ["check_run", "register"]

EXAMPLES = """\b
Examples:
  erm check-run --plan plan.json
  erm check-run --title "erm (prod)" --plan plan.json
  erm check-run --failed --env prod               there is no plan
"""


def check_run(
    plan: ShownPlanOption = None,
    failed: FailedOption = False,
    title: Annotated[
        str | None, typer.Option("--title", metavar="TEXT", help="What the check is called. Default: erm (ENV).")
    ] = None,
    repository: RepositoryOption = None,
    sha: ShaOption = None,
    api_url: ApiUrlOption = None,
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Write a check run on GitHub: the verdict on a commit, with the plan's findings on their lines.

    What it shows is one of --plan and --failed.

    The token in GITHUB_TOKEN is that of a job with `permissions: {checks: write}`, or of an app. Where it may only
    read, as in a pull request from a fork, the plan is in the summary of the job instead.
    """
    from erm_alembic.forge.check_run import LONGEST_SUMMARY, Verdict, annotated, put_check_run
    from erm_alembic.forge.comments import ReadOnlyToken
    from erm_alembic.forge.github import api_of
    from erm_alembic.render.json import result_document

    what = "A check run tells of a plan, or that there is none."
    refuse_but_one(what, {"--plan FILE": plan is not None, "--failed": failed}, env)
    shown = None if plan is None else shown_plan(plan)
    told = run("github", repository, api_url, sha=sha)
    if shown is None:
        missing = no_plan(env, config)
        environment = missing.environment
        verdict = Verdict(False, "The plan could not be made", missing.markdown(told.job_url))
    else:
        environment = shown.environment
        verdict = Verdict(
            passed=not shown.blocked,
            title=_headline(shown.blocked, len(shown.steps)),
            summary=rendered(shown, config, LONGEST_SUMMARY),
            annotations=tuple(annotated(shown.findings, places(environment, config))),
        )
    try:
        url = put_check_run(told, api_of(told), title or f"erm ({environment})", verdict)
    except ReadOnlyToken as error:
        _instead(error, verdict.summary)
        if format_ is Format.json:
            console.write(result_document({"url": None, "annotations": 0}))
        return
    if format_ is Format.json:
        console.write(result_document({"url": url or None, "annotations": len(verdict.annotations)}))
    else:
        console.write(f"The check run is written.{one_line(f' {url}'.rstrip())}\n")


def _instead(error: ReadOnlyToken, text: str) -> None:
    """Leave the plan in the summary of the job, if it is not there yet.

    Raises:
        ReadOnlyToken: there is no summary, so that nobody would see the plan.
    """
    first = text.partition("\n")[0]
    if not (in_summary(first) or summarise(text)):
        raise error
    console.note(f"{error.what}\n{error.effect}\nThere is no check run; the plan is in the summary of the job instead.")


def _headline(blocked: bool, pending: int) -> str:
    what = {0: "nothing is pending", 1: "1 revision is pending"}.get(pending, f"{pending} revisions are pending")
    return f"Blocked: {what}" if blocked else what[0].upper() + what[1:]


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("check-run", epilog=EXAMPLES)(check_run)
