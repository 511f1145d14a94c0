"""A pull request on GitHub, or on a GitHub Enterprise server."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from erm_alembic.errors import ForgeError
from erm_alembic.forge.ci import Run
from erm_alembic.forge.comments import Comment, Gone, ReadOnlyToken
from erm_alembic.forge.http import SHAPE, Api, Rejected, endless, other_shape, refused
from erm_alembic.render.safe import one_line

__all__ = ["GitHub", "api_of", "pages", "refusals"]

# The version of the API that is spoken; the platform keeps it for years beside newer ones.
VERSION = "2022-11-28"
NEXT = re.compile(r'<([^>]+)>\s*;[^,]*\brel="?next"?')
# More comments than a pull request can have; a server that names the same page again and again ends here.
MOST_PAGES = 200
WRITES = "pull-requests: write"
READ_ONLY = "resource not accessible by integration"
# Who writes what is written with the token of a job, on every server.
OF_JOBS = "github-actions[bot]"

logger = logging.getLogger("erm_alembic")


def api_of(run: Run) -> Api:
    """The API, with the headers that it wants.

    Args:
        run: what the pipeline runs for.

    Raises:
        ForgeError: its address is none.
    """
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {run.token}",
        "X-GitHub-Api-Version": VERSION,
    }
    return Api(run.api_url, headers)


def pages(api: Api, place: str) -> Iterator[Any]:
    """The pages of a list, one after the other.

    Args:
        api: the API.
        place: the list, with its query.

    Raises:
        Rejected: the platform refuses.
        ForgeError: the pages do not end.
    """
    following: str | None = place
    for _ in range(MOST_PAGES):
        if following is None:
            return
        answer = api.send("GET", following)
        yield answer.json()
        link = NEXT.search(answer.headers.get("link", ""))
        following = link[1] if link else None
    raise endless(MOST_PAGES)


@contextmanager
def refusals(run: Run, permission: str) -> Iterator[None]:
    """Turn what GitHub refuses, for as long as the block lasts, into words of erm.

    Args:
        run: what the pipeline runs for.
        permission: what the token needs, as a workflow writes it.

    Raises:
        ForgeError: it refused.
    """
    try:
        yield
    except Rejected as rejected:
        raise _told(run, rejected, permission) from None
    except SHAPE as error:
        raise other_shape("GitHub", error) from error


def _told(run: Run, rejected: Rejected, permission: str) -> ForgeError:
    said = f"HTTP {rejected.status}" + (f": {rejected.said}" if rejected.said else "")
    needs = f"permissions: {{{permission}}}"
    if rejected.status == 401:
        return ForgeError(
            f"GitHub does not know the token in {run.token_name} ({said}).",
            effect="Nothing was written there.",
            cure="It may have expired, or be one of another server: give the job's own, `${{ github.token }}`.",
        )
    if rejected.status == 403 and READ_ONLY in rejected.said.lower():
        return ReadOnlyToken(
            f"The token in {run.token_name} may not write ({said}).",
            effect="Nothing was written there. For a pull request from a fork, GitHub gives out read-only tokens.",
            cure=f"Give the job `{needs}`. For forks: show the plan in the job's summary (`erm comment --summary`), "
            "or comment from a second workflow, on workflow_run, which runs the code of your own branch.",
        )
    if rejected.status in (403, 404):
        number = "" if run.number is None else f", or has no pull request {run.number}"
        return ForgeError(
            f"GitHub refuses ({said}): {run.repository} is not there for the token in {run.token_name}{number}.",
            effect="Nothing was written there.",
            cure=f"Check --repository and --number, and give the job `{needs}`.",
        )
    return refused("GitHub", said)


@dataclass
class GitHub:
    """The comments of a pull request.

    Args:
        run: what the pipeline runs for.
        api: the API.
    """

    run: Run
    api: Api
    limit: int = 65_536
    _login: str | None = None
    _asked: bool = False

    @property
    def _repository(self) -> str:
        return f"/repos/{self.run.repository}"

    def comments(self) -> Iterator[Comment]:
        """The comments of the pull request, the oldest first.

        Raises:
            ForgeError: it cannot be read.
        """
        with refusals(self.run, WRITES):
            for page in pages(self.api, f"{self._repository}/issues/{self.run.pull_request()}/comments?per_page=100"):
                yield from (_comment(each) for each in page)

    def is_own(self, comment: Comment) -> bool:
        """Whether the token's own user wrote a comment.

        A token that may not ask who it is is that of an app, and taken for a job's: of all bots, only the one whose
        name jobs write in is then its own. Another app says its name (`Run.author`).

        Args:
            comment: one of the pull request.
        """
        if self.run.author is not None:
            return comment.author == self.run.author
        if not self._asked:
            self._login, self._asked = self._who(), True
        return comment.author == (OF_JOBS if self._login is None else self._login)

    def _who(self) -> str | None:
        with refusals(self.run, WRITES):
            try:
                return str(self.api.send("GET", "/user").json()["login"])
            except Rejected as rejected:
                if rejected.status not in (403, 404):
                    raise
        return None

    def create(self, body: str) -> Comment:
        """Write a comment.

        Args:
            body: its text.

        Raises:
            ForgeError: GitHub refuses.
            Uncertain: it is not known whether it was written.
        """
        place = f"{self._repository}/issues/{self.run.pull_request()}/comments"
        with refusals(self.run, WRITES):
            written = _comment(self.api.send("POST", place, {"body": body}, again=False).json())
        if self.run.author is None and self._asked and self._login is None and written.author not in ("", OF_JOBS):
            logger.warning(
                "The token's comments are not known again, so that each run writes one. "
                f"Say whose they are: --author {shlex.quote(one_line(written.author))}"
            )
        return written

    def update(self, comment: Comment, body: str) -> Comment:
        """Change a comment.

        Args:
            comment: one of the pull request.
            body: its new text.

        Raises:
            ForgeError: GitHub refuses.
            Gone: it was deleted meanwhile.
        """
        with refusals(self.run, WRITES):
            try:
                changed = self.api.send("PATCH", f"{self._repository}/issues/comments/{comment.number}", {"body": body})
            except Rejected as rejected:
                if rejected.status in (404, 410):
                    raise Gone from None
                raise
            return _comment(changed.json())

    def remove(self, comment: Comment) -> None:
        """Delete a comment; one that is gone already is none.

        Args:
            comment: one of the pull request.

        Raises:
            ForgeError: GitHub refuses.
        """
        with refusals(self.run, WRITES):
            try:
                self.api.send("DELETE", f"{self._repository}/issues/comments/{comment.number}")
            except Rejected as rejected:
                if rejected.status not in (404, 410):
                    raise

    def rest(self, why: str) -> None:
        """Wait a moment."""
        self.api.rest(why)


def _comment(found: Mapping[str, Any]) -> Comment:
    user = found.get("user") or {}  # null: the account was deleted
    return Comment(
        number=int(found["id"]),
        body=str(found.get("body") or ""),
        url=str(found.get("html_url") or ""),
        author=str(user.get("login") or ""),
    )
