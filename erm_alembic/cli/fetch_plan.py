"""`erm fetch-plan`: the approved plan of a merged pull request, from the pipeline that kept it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.forge_options import ApiUrlOption, ProviderOption, RepositoryOption, ShaOption, run
from erm_alembic.cli.options import ConfigOption, Format, FormatOption, VerboseOption, out_option

__all__ = ["fetch_plan", "register"]

EXAMPLES = """\b
Examples:
  erm fetch-plan --artifact erm-plan-prod --out plan.json
  erm fetch-plan --provider gitlab --artifact "erm plan" --out plan.json
"""


def fetch_plan(
    artifact: Annotated[
        str, typer.Option("--artifact", metavar="NAME", help="What it was kept as; on GitLab, the job that kept it.")
    ],
    out: Annotated[Path, out_option("Write the plan there.")],
    provider: ProviderOption = None,
    member: Annotated[
        str, typer.Option("--member", metavar="FILE", help="The file within the artifact.")
    ] = "plan.json",
    repository: RepositoryOption = None,
    sha: ShaOption = None,
    api_url: ApiUrlOption = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Fetch the approved plan of the pull request that a commit was merged with, to run it.

    `erm migrate --plan FILE` then runs it, if nothing has changed since it was approved.
    """
    from erm_alembic.forge.kept_plans import fetch_plan as fetch
    from erm_alembic.planning.approved_plan import read_approved
    from erm_alembic.planning.plan_file import check_place, write_plan_file
    from erm_alembic.render.json import result_document

    check_place(out)
    kept = fetch(run(provider, repository, api_url, sha=sha), artifact, member)
    approved = read_approved(kept.content, member)
    # What --out writes is ASCII; the same plan in another spelling of JSON has the same digest.
    write_plan_file(out, json.dumps(json.loads(kept.content), indent=2) + "\n")
    if format_ is Format.json:
        console.write(result_document({"pull_request": kept.number, "sha": kept.sha, "digest": approved.digest}))
    else:
        console.write(f"The plan of the pull request {kept.number} is in {console.typed_path(out.absolute())}.\n")
        console.write(f"digest {approved.digest}\n")


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("fetch-plan", epilog=EXAMPLES)(fetch_plan)
