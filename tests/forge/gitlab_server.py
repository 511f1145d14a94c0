"""The endpoints of GitLab's REST API (v4) that erm uses, as its documentation has them."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.forge.serving import Platform, Reply, Request, demand, page_of, serving

PROJECT = "4711"


@dataclass
class GitLabServer:
    """A project with one merge request.

    Args:
        users: by token, who it is.
        job_token: the token of a job, which opens artifacts of jobs and no merge requests.
        notes: of the merge request.
        merged: the merge requests by the commit that they were merged with.
        pipelines: of the merge request.
        jobs: by pipeline.
        kept: by job and file, what it has kept.
    """

    users: dict[str, str] = field(default_factory=dict)
    job_token: str = ""
    iid: int = 5
    notes: list[dict[str, Any]] = field(default_factory=list)
    merged: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    pipelines: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    kept: dict[tuple[int, str], bytes] = field(default_factory=dict)
    platform: Platform = field(default_factory=Platform)

    @property
    def api_url(self) -> str:
        return f"{self.platform.url}/api/v4"

    def note(self, body: str, username: str, *, system: bool = False) -> dict[str, Any]:
        """Write a note as somebody."""
        made = {"id": 300 + len(self.notes), "body": body, "author": {"username": username}, "system": system}
        self.notes.append(made)
        return made

    def keep(self, job: str, member: str, content: bytes, sha: str) -> None:
        """Let a job of a pipeline of the merge request keep a file."""
        pipeline = 40 + len(self.pipelines)
        self.pipelines.insert(0, {"id": pipeline, "sha": sha})
        self.jobs[pipeline] = [
            {"id": pipeline * 10, "name": "lint"},
            {"id": pipeline * 10 + 1, "name": job, "artifacts_file": {"filename": "artifacts.zip"}},
        ]
        self.kept[pipeline * 10 + 1, member] = content

    def merge(self, commit: str, head: str, *, source: int = 1) -> None:
        """Merge the merge request."""
        self.merged[commit] = [
            {"iid": self.iid, "sha": head, "state": "merged", "source_project_id": source, "target_project_id": 1}
        ]

    def answer(self, request: Request) -> Reply:
        """What the API says."""
        path = request.path.removeprefix("/api/v4")
        demand(path != request.path, "the path of the API")
        demand("authorization" not in request.headers, "PRIVATE-TOKEN or JOB-TOKEN, not both kinds")
        token, job = request.headers.get("private-token"), request.headers.get("job-token")
        demand((token is None) is not (job is None), "one token")
        if job is not None:
            return Reply(404 if job == self.job_token else 401, {"message": "404 Not found"})
        if token not in self.users:
            return Reply(401, {"message": "401 Unauthorized"})
        if path == "/user":
            return Reply(200, {"id": 9, "username": self.users[token]})
        base = f"/projects/{PROJECT}"
        if not path.startswith(f"{base}/"):
            return Reply(404, {"message": "404 Project Not Found"})
        return self._of_project(request, path.removeprefix(base), self.users[token])

    def _of_project(self, request: Request, path: str, username: str) -> Reply:
        notes = f"/merge_requests/{self.iid}/notes"
        if path == notes and request.method == "GET":
            return self._paged(self.notes, request)
        if path == notes and request.method == "POST":
            demand(set(request.body) == {"body"}, "a note has a body")
            return Reply(201, self.note(request.body["body"], username))
        if (match := re.fullmatch(re.escape(notes) + r"/(\d+)", path)) and request.method == "PUT":
            found = [each for each in self.notes if each["id"] == int(match[1])]
            if not found:
                return Reply(404, {"message": "404 Note Not Found"})
            found[0]["body"] = request.body["body"]
            return Reply(200, found[0])
        if match and request.method == "DELETE":
            left = [each for each in self.notes if each["id"] != int(match[1])]
            found, self.notes[:] = self.notes[len(left) :], left
            return Reply(204, content=b"") if found else Reply(404, {"message": "404 Note Not Found"})
        if path.startswith("/merge_requests/") and path.endswith("/notes"):
            return Reply(404, {"message": "404 Not found"})
        demand(request.method == "GET", "no documented endpoint")
        if match := re.fullmatch(r"/repository/commits/([0-9a-f]+)/merge_requests", path):
            return self._paged(self.merged.get(match[1], []), request)
        if path == f"/merge_requests/{self.iid}/pipelines":
            return self._paged(self.pipelines, request)
        if match := re.fullmatch(r"/pipelines/(\d+)/jobs", path):
            return self._paged(self.jobs[int(match[1])], request)
        match = re.fullmatch(r"/jobs/(\d+)/artifacts/(.+)", path)
        demand(match, "no documented endpoint")
        assert match is not None
        return Reply(200, content=self.kept[int(match[1]), match[2]])

    def _paged(self, items: list[Any], request: Request) -> Reply:
        found, page, last = page_of(items, request)
        return Reply(200, found, {"x-page": str(page), "x-next-page": str(page + 1) if page < last else ""})


@contextmanager
def gitlab_server(tls: ssl.SSLContext | None = None, **members: Any) -> Iterator[GitLabServer]:
    """A project on GitLab, served for as long as the block lasts."""
    server = GitLabServer(**members)
    server.platform.answer = server.answer
    with serving(server.platform, tls):
        yield server
