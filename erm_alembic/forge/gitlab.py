"""A merge request on GitLab, on gitlab.com or on a server of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from erm_alembic.errors import ForgeError
from erm_alembic.forge.ci import Run
from erm_alembic.forge.comments import Comment, Gone, ReadOnlyToken
from erm_alembic.forge.http import SHAPE, Api, Rejected, endless, other_shape, refused

__all__ = ["GitLab", "api_of", "pages", "project_of", "refusals"]

MOST_PAGES = 200
# A job's own token opens little of the API, and no merge request.
HEADERS = {"GITLAB_TOKEN": "PRIVATE-TOKEN", "CI_JOB_TOKEN": "JOB-TOKEN"}
NEEDS_TOKEN = (
    "Make a project access token with the scope api (role Developer), and a masked variable GITLAB_TOKEN. A protected "
    "variable reaches protected branches only."
)


def api_of(run: Run) -> Api:
    """The API, with the header that its kind of token wants.

    Args:
        run: what the pipeline runs for.

    Raises:
        ForgeError: its address is none.
    """
    return Api(run.api_url, {"Accept": "application/json", HEADERS[run.token_name]: run.token}, run.ca_file)


def project_of(run: Run) -> str:
    """The path of a project in the API.

    Args:
        run: what the pipeline runs for.
    """
    return f"/projects/{quote(run.repository, safe='')}"


def pages(api: Api, place: str) -> Iterator[Any]:
    """The pages of a list, one after the other.

    Args:
        api: the API.
        place: the list, with its query.

    Raises:
        Rejected: the platform refuses.
        ForgeError: the pages do not end.
    """
    number = "1"
    for _ in range(MOST_PAGES):
        answer = api.send("GET", f"{place}&page={number}")
        yield answer.json()
        number = answer.headers.get("x-next-page", "").strip()
        if not (number.isascii() and number.isdigit()):
            return
    raise endless(MOST_PAGES)


@contextmanager
def refusals(run: Run) -> Iterator[None]:
    """Turn what GitLab refuses, for as long as the block lasts, into words of erm.

    Args:
        run: what the pipeline runs for.

    Raises:
        ForgeError: it refused.
    """
    try:
        yield
    except Rejected as rejected:
        raise _told(run, rejected) from None
    except SHAPE as error:
        raise other_shape("GitLab", error) from error


def _told(run: Run, rejected: Rejected) -> ForgeError:
    said = f"HTTP {rejected.status}" + (f": {rejected.said}" if rejected.said else "")
    if run.token_name == "CI_JOB_TOKEN" and rejected.status in (401, 403, 404):
        return ReadOnlyToken(
            f"The token of a job opens no merge requests ({said}).",
            effect="Nothing was written there.",
            cure=NEEDS_TOKEN,
        )
    if rejected.status == 401:
        return ForgeError(
            f"GitLab does not know the token in {run.token_name} ({said}).",
            effect="Nothing was written there.",
            cure=f"It may have expired, or be one of another server. {NEEDS_TOKEN}",
        )
    if rejected.status == 403:
        return ReadOnlyToken(
            f"The token in {run.token_name} may not do that ({said}).",
            effect="Nothing was written there.",
            cure=NEEDS_TOKEN,
        )
    if rejected.status == 404:
        number = "" if run.number is None else f", or has no merge request {run.number}"
        return ForgeError(
            f"GitLab refuses ({said}): the project {run.repository} is not there for the token in "
            f"{run.token_name}{number}.",
            effect="Nothing was written there.",
            cure=f"Check --repository and --number. {NEEDS_TOKEN}",
        )
    return refused("GitLab", said)


@dataclass
class GitLab:
    """The notes of a merge request.

    Args:
        run: what the pipeline runs for.
        api: the API.
    """

    run: Run
    api: Api
    limit: int = 1_000_000
    _login: str | None = None

    @property
    def _notes(self) -> str:
        return f"{project_of(self.run)}/merge_requests/{self.run.pull_request()}/notes"

    def comments(self) -> Iterator[Comment]:
        """The notes of the merge request that people and bots wrote, the oldest first.

        Raises:
            ForgeError: it cannot be read.
        """
        with refusals(self.run):
            for page in pages(self.api, f"{self._notes}?per_page=100&sort=asc&order_by=created_at"):
                yield from (_note(each) for each in page if not each.get("system"))

    def is_own(self, comment: Comment) -> bool:
        """Whether the token's own user wrote a note.

        Args:
            comment: one of the merge request.

        Raises:
            ForgeError: GitLab does not say who that is.
        """
        if self.run.author is not None:
            return comment.author == self.run.author
        if self._login is None:
            with refusals(self.run):
                self._login = str(self.api.send("GET", "/user").json()["username"])
        return comment.author == self._login

    def create(self, body: str) -> Comment:
        """Write a note.

        Args:
            body: its text.

        Raises:
            ForgeError: GitLab refuses.
            Uncertain: it is not known whether it was written.
        """
        with refusals(self.run):
            return _note(self.api.send("POST", self._notes, {"body": body}, again=False).json())

    def update(self, comment: Comment, body: str) -> Comment:
        """Change a note.

        Args:
            comment: one of the merge request.
            body: its new text.

        Raises:
            ForgeError: GitLab refuses.
            Gone: it was deleted meanwhile.
        """
        with refusals(self.run):
            try:
                return _note(self.api.send("PUT", f"{self._notes}/{comment.number}", {"body": body}).json())
            except Rejected as rejected:
                if rejected.status == 404:
                    raise Gone from None
                raise

    def remove(self, comment: Comment) -> None:
        """Delete a note; one that is gone already is none.

        Args:
            comment: one of the merge request.

        Raises:
            ForgeError: GitLab refuses.
        """
        with refusals(self.run):
            try:
                self.api.send("DELETE", f"{self._notes}/{comment.number}")
            except Rejected as rejected:
                if rejected.status != 404:
                    raise

    def rest(self, why: str) -> None:
        """Wait a moment."""
        self.api.rest(why)


def _note(found: Mapping[str, Any]) -> Comment:
    author = found.get("author") or {}
    return Comment(
        number=int(found["id"]),
        body=str(found.get("body") or ""),
        url="",
        author=str(author.get("username") or ""),
    )
