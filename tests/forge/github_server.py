"""The endpoints of GitHub's REST API (2022-11-28) that erm uses, as its documentation has them."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.forge.serving import Platform, Reply, Request, demand, page_of, serving

REPOSITORY = "acme/shop"
HEAD = "c0ffee" + "0" * 34


@dataclass
class GitHubServer:
    """A repository with one pull request.

    Args:
        users: by token, who it is; an app's token may not ask.
        read_only: tokens that may not write.
        comments: of the pull request.
        checks: the check runs.
        artifacts: what pipelines have kept, by number.
        merged: the pull requests by the commit that they were merged with.
    """

    users: dict[str, dict[str, str]] = field(default_factory=dict)
    read_only: set[str] = field(default_factory=set)
    number: int = 17
    comments: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    artifacts: dict[int, dict[str, Any]] = field(default_factory=dict)
    packed: dict[int, bytes] = field(default_factory=dict)
    merged: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    platform: Platform = field(default_factory=Platform)
    storage: Platform = field(default_factory=Platform)

    @property
    def api_url(self) -> str:
        """As of a GitHub Enterprise server: below a path."""
        return f"{self.platform.url}/api/v3"

    def comment(self, body: str, login: str, *, kind: str = "User") -> dict[str, Any]:
        """Write a comment as somebody."""
        made = {
            "id": 1000 + len(self.comments),
            "body": body,
            "html_url": f"https://github.example/{REPOSITORY}/pull/{self.number}#issuecomment-{len(self.comments)}",
            "user": {"login": login, "type": kind},
        }
        self.comments.append(made)
        return made

    def keep(self, name: str, files: Mapping[str, bytes], sha: str, *, fork: bool = False) -> int:
        """Keep an artifact, as actions/upload-artifact does."""
        number = 500 + len(self.artifacts)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in files.items():
                archive.writestr(member, content)
        self.artifacts[number] = {
            "id": number,
            "name": name,
            "expired": False,
            "workflow_run": {"head_sha": sha, "repository_id": 1, "head_repository_id": 2 if fork else 1},
        }
        self.packed[number] = packed.getvalue()
        return number

    def merge(self, commit: str, head: str) -> None:
        """Merge the pull request."""
        self.merged[commit] = [
            {"number": self.number, "merged_at": "2026-01-01", "merge_commit_sha": commit, "head": {"sha": head}}
        ]

    def answer(self, request: Request) -> Reply:
        """What the API says."""
        demand(request.headers.get("accept") == "application/vnd.github+json", "Accept")
        demand(request.headers.get("x-github-api-version") == "2022-11-28", "X-GitHub-Api-Version")
        demand(request.headers.get("user-agent"), "User-Agent is required")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        demand(scheme == "Bearer", "Authorization: Bearer")
        if token not in self.users:
            return Reply(401, {"message": "Bad credentials"})
        if request.method != "GET":
            kind = request.headers.get("content-type")
            demand(kind == (None if request.method == "DELETE" else "application/json"), "Content-Type")
            if token in self.read_only:
                return Reply(403, {"message": "Resource not accessible by integration"})
        path = request.path.removeprefix("/api/v3")
        demand(path != request.path, "the path of the API")
        user = self.users[token]
        if (request.method, path) == ("GET", "/user"):
            if user["type"] == "Bot":
                return Reply(403, {"message": "Resource not accessible by integration"})
            return Reply(200, user)
        base = f"/repos/{REPOSITORY}"
        if not path.startswith(f"{base}/"):
            return Reply(404, {"message": "Not Found"})
        return self._of_repository(request, path.removeprefix(base), user)

    def _of_repository(self, request: Request, path: str, user: dict[str, str]) -> Reply:
        routes = (
            ("GET", r"/issues/(\d+)/comments", self._list),
            ("POST", r"/issues/(\d+)/comments", self._create),
            ("PATCH", r"/issues/comments/(\d+)", self._update),
            ("DELETE", r"/issues/comments/(\d+)", self._delete),
            ("POST", r"/check-runs", self._check),
            ("PATCH", r"/check-runs/(\d+)", self._check_again),
            ("GET", r"/commits/([0-9a-f]+)/pulls", self._pulls),
            ("GET", r"/actions/artifacts", self._artifacts),
            ("GET", r"/actions/artifacts/(\d+)/zip", self._archive),
        )
        for method, pattern, answer in routes:
            if method == request.method and (match := re.fullmatch(pattern, path)):
                return answer(request, user, *match.groups())
        demand(False, "no documented endpoint")
        raise AssertionError

    def _list(self, request: Request, user: dict[str, str], number: str) -> Reply:
        if int(number) != self.number:
            return Reply(404, {"message": "Not Found"})
        found, page, last = page_of(self.comments, request)
        links = f"<{self.platform.url}{request.path}?per_page={request.query.get('per_page', 30)}&page={page + 1}>; "
        link = f'{links}rel="next", {links}rel="last"' if page < last else f'{links}rel="first"'
        return Reply(200, found, {"Link": link})

    def _create(self, request: Request, user: dict[str, str], number: str) -> Reply:
        if int(number) != self.number:
            return Reply(404, {"message": "Not Found"})
        demand(set(request.body) == {"body"}, "a comment has a body")
        if len(request.body["body"]) > 65536:
            return Reply(422, {"message": "Body is too long (maximum is 65536 characters)"})
        return Reply(201, self.comment(request.body["body"], user["login"], kind=user["type"]))

    def _update(self, request: Request, user: dict[str, str], number: str) -> Reply:
        demand(set(request.body) == {"body"}, "a comment has a body")
        for comment in self.comments:
            if comment["id"] == int(number):
                comment["body"] = request.body["body"]
                return Reply(200, comment)
        return Reply(404, {"message": "Not Found"})

    def _delete(self, request: Request, user: dict[str, str], number: str) -> Reply:
        left = [comment for comment in self.comments if comment["id"] != int(number)]
        found, self.comments[:] = len(left) < len(self.comments), left
        return Reply(204, content=b"") if found else Reply(404, {"message": "Not Found"})

    def _check(self, request: Request, user: dict[str, str]) -> Reply:
        if user["type"] != "Bot":
            return Reply(403, {"message": "You must authenticate via a GitHub App."})
        demand({"name", "head_sha", "status", "conclusion", "output"} == set(request.body), "of a check run")
        demand(re.fullmatch(r"[0-9a-f]{40}", request.body["head_sha"]), "head_sha is a commit's whole id")
        made = {**request.body, "id": len(self.checks) + 1, "annotations": self._noted(request.body["output"])}
        made["html_url"] = f"https://github.example/{REPOSITORY}/runs/{made['id']}"
        self.checks.append(made)
        return Reply(201, made)

    def _check_again(self, request: Request, user: dict[str, str], number: str) -> Reply:
        check = self.checks[int(number) - 1]
        check["annotations"] += self._noted(request.body["output"])
        return Reply(200, check)

    def _noted(self, output: dict[str, Any]) -> list[dict[str, Any]]:
        demand(output.get("title") and output.get("summary"), "title and summary are required")
        demand(len(output["summary"]) <= 65535, "a summary has at most 65535 characters")
        demand(len(output["annotations"]) <= 50, "at most 50 annotations a request")
        for each in output["annotations"]:
            demand({"path", "start_line", "end_line", "annotation_level", "message"} <= set(each), "of an annotation")
            demand(each["annotation_level"] in ("notice", "warning", "failure"), "the level of an annotation")
            demand(len(each["title"]) <= 255 and not each["path"].startswith("/"), "title and path of an annotation")
        return list(output["annotations"])

    def _pulls(self, request: Request, user: dict[str, str], sha: str) -> Reply:
        return Reply(200, self.merged.get(sha, []))

    def _artifacts(self, request: Request, user: dict[str, str]) -> Reply:
        name = request.query.get("name")
        found = [each for each in reversed(self.artifacts.values()) if name in (None, each["name"])]
        return Reply(200, {"total_count": len(found), "artifacts": page_of(found, request)[0]})

    def _archive(self, request: Request, user: dict[str, str], number: str) -> Reply:
        return Reply(302, None, {"Location": f"{self.storage.url}/blob/{number}?sig=secret"})

    def stored(self, request: Request) -> Reply:
        """What the storage says, which is another host and is never shown a token."""
        demand("authorization" not in request.headers, "the token went to another host")
        return Reply(200, content=self.packed[int(request.path.rpartition("/")[2])])


@contextmanager
def github_server(**members: Any) -> Iterator[GitHubServer]:
    """A repository on GitHub, served for as long as the block lasts."""
    server = GitHubServer(**members)
    server.platform.answer, server.storage.answer = server.answer, server.stored
    with serving(server.platform), serving(server.storage):
        yield server
