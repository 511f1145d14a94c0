"""The plan that was approved with a pull request, fetched from the pipeline that kept it, for the run after the merge.

It is only carried here. Whether it still fits is looked at when it is run, and who made it by its signature.
"""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from erm_alembic.errors import ForgeError, Refused, UsageError
from erm_alembic.forge import github, gitlab
from erm_alembic.forge.ci import Run
from erm_alembic.forge.http import Api

__all__ = ["KeptPlan", "fetch_plan"]

# In bytes, unpacked.
LARGEST = 64 * 1024 * 1024
NO_PULL_REQUEST = (
    "Bring the change by a pull request, whose plan is then run. For what came without one, such as the first "
    'deployment, plan and apply in one: `plan: ""` of the action for one run, or by hand: erm migrate --env ENV'
)
OF_GITLAB = (
    "Bring the change by a merge request, whose plan is then run. For what came without one, such as the first "
    "deployment, plan and apply in one, by hand: erm migrate --env ENV"
)
AGAIN = "Plan again, and have that approved: erm migrate --mode plan --out plan.json"


@dataclass(frozen=True)
class KeptPlan:
    """A plan that a pipeline has kept.

    Args:
        content: its bytes.
        number: the pull request that it was made for.
        sha: the commit that it was made of.
    """

    content: bytes
    number: int
    sha: str


def fetch_plan(run: Run, name: str, member: str) -> KeptPlan:
    """The plan of the pull request that a commit was merged with.

    Args:
        run: what the pipeline runs for; its commit is the merged one.
        name: the artifact's name; on GitLab, the name of the job that kept it.
        member: the file within it.

    Raises:
        UsageError: no commit is known.
        Refused: there is no such plan, or somebody else's pipeline made it.
        ForgeError: the platform refuses, or cannot be reached.
    """
    if not run.sha:
        raise UsageError(
            "Which commit is meant is not known.",
            effect="Nothing was fetched.",
            cure='Say it: --sha "$(git rev-parse HEAD)"',
        )
    return _from_github(run, name, member) if run.provider == "github" else _from_gitlab(run, name, member)


def _from_github(run: Run, name: str, member: str) -> KeptPlan:
    api = github.api_of(run)
    base = f"/repos/{run.repository}"
    with github.refusals(run, "actions: read, pull-requests: read"):
        merged = _merged(
            run, [each for page in github.pages(api, f"{base}/commits/{run.sha}/pulls?per_page=100") for each in page]
        )
        number, sha = int(merged["number"]), str(merged["head"]["sha"])
        for page in github.pages(api, f"{base}/actions/artifacts?per_page=100&name={quote(name, safe='')}"):
            for artifact in page["artifacts"]:
                ran = artifact.get("workflow_run") or {}
                if artifact["name"] != name or ran.get("head_sha") != sha:
                    continue
                if not _is_one(ran.get("head_repository_id"), ran.get("repository_id")):
                    raise _from_fork(number)
                if artifact.get("expired"):
                    raise _missing(f"The plan of the pull request {number} was kept, and has expired.")
                packed = api.send("GET", f"{base}/actions/artifacts/{int(artifact['id'])}/zip").content
                return KeptPlan(_unpacked(packed, member), number, sha)
    raise _missing(f"No pipeline has kept {name} for the commit {sha[:12]} of the pull request {number}.")


def _is_one(of: Any, other: Any) -> bool:
    """Whether two ids are said, and are one: of what is not said, nobody knows that it is no fork."""
    return of is not None and of == other


def _merged(run: Run, found: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The pull request that brought a commit: the one whose merge it is, before others that only contain it."""
    merged = [each for each in found if each.get("merged_at")]
    exact = [each for each in merged if each.get("merge_commit_sha") == run.sha]
    if len(exact or merged) != 1:
        which = "no merged pull request" if not merged else f"{len(merged)} merged pull requests"
        raise _missing(f"The commit {run.sha[:12]} came with {which}.", NO_PULL_REQUEST)
    return (exact or merged)[0]


def _from_gitlab(run: Run, name: str, member: str) -> KeptPlan:
    api, base = gitlab.api_of(run), gitlab.project_of(run)
    with gitlab.refusals(run):
        listed = gitlab.pages(api, f"{base}/repository/commits/{run.sha}/merge_requests?per_page=100")
        merged = [each for page in listed for each in page if each.get("state") == "merged"]
        if len(merged) != 1:
            raise _missing(
                f"The commit {run.sha[:12]} came with {len(merged) or 'no'} merged merge requests.", OF_GITLAB
            )
        number, sha = int(merged[0]["iid"]), str(merged[0]["sha"])
        if not _is_one(merged[0].get("source_project_id"), merged[0].get("target_project_id")):
            raise _from_fork(number)
        for page in gitlab.pages(api, f"{base}/merge_requests/{number}/pipelines?per_page=100"):
            for pipeline in page:
                if pipeline["sha"] == sha and (content := _of_job(api, base, int(pipeline["id"]), name, member)):
                    return KeptPlan(content, number, sha)
    raise _missing(f"No job {name} has kept {member} for the commit {sha[:12]} of the merge request {number}.")


def _of_job(api: Api, base: str, pipeline: int, name: str, member: str) -> bytes | None:
    for page in gitlab.pages(api, f"{base}/pipelines/{pipeline}/jobs?per_page=100"):
        for job in page:
            if job["name"] == name and job.get("artifacts_file"):
                return api.send("GET", f"{base}/jobs/{int(job['id'])}/artifacts/{quote(member)}").content
    return None


def _unpacked(packed: bytes, member: str) -> bytes:
    """A file of an archive; nothing is written, and what is not asked for is not unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive, archive.open(member) as file:
            content = file.read(LARGEST + 1)
    except KeyError:
        raise _missing(f"The artifact has no {member}.") from None
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError, EOFError, OSError):
        raise ForgeError(
            "The artifact is no archive that can be read.", effect="Nothing was fetched.", cure=AGAIN
        ) from None
    if len(content) > LARGEST:
        raise Refused(
            f"The plan is larger than {LARGEST // 1024 // 1024} MiB, which no plan is.",
            effect="Nothing was fetched.",
            cure=AGAIN,
        )
    return content


def _missing(what: str, cure: str = AGAIN) -> Refused:
    return Refused(what, effect="There is no approved plan, so nothing was fetched.", cure=cure)


def _from_fork(number: int) -> Refused:
    return Refused(
        f"The pull request {number} came from a fork, whose pipeline may put anything into an artifact.",
        effect="Its plan was not fetched.",
        cure=AGAIN,
    )
