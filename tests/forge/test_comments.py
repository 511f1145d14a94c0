"""A bot's comment on a pull request: written once, brought up to date in its place, and nobody else's touched."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from erm_alembic.errors import ForgeError, UsageError
from erm_alembic.forge.ci import Run
from erm_alembic.forge.comments import Comment, Forge, Posted, ReadOnlyToken, put_comment
from erm_alembic.forge.github import GitHub
from erm_alembic.forge.github import api_of as github_api
from erm_alembic.forge.gitlab import GitLab
from erm_alembic.forge.gitlab import api_of as gitlab_api
from erm_alembic.forge.marker import marker
from tests.forge.github_server import REPOSITORY, GitHubServer
from tests.forge.gitlab_server import PROJECT, GitLabServer, gitlab_server
from tests.forge.serving import Platform, Reply
from tests.support.secrecy import issue_secret


class Patient:
    """Waits no time, and remembers how long it was asked to."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)


def on_github(server: GitHubServer, token: str, pause: Patient | None = None, **more: Any) -> GitHub:
    run = Run("github", server.api_url, REPOSITORY, 17, "", token, "GITHUB_TOKEN", **more)
    api = github_api(run)
    api.pause, api.clock = pause or Patient(), lambda: 1000.0
    return GitHub(run, api)


def on_gitlab(server: GitLabServer, token: str, name: str = "GITLAB_TOKEN") -> GitLab:
    run = Run("gitlab", server.api_url, PROJECT, 5, "", token, name)
    api = gitlab_api(run)
    api.pause = Patient()
    return GitLab(run, api)


@pytest.fixture(params=["github", "gitlab"])
def place(request: pytest.FixtureRequest, bot_token: str) -> tuple[Forge, list[dict[str, Any]], Platform]:
    """A pull request on each platform, its comments, and what it was asked."""
    if request.param == "github":
        github: GitHubServer = request.getfixturevalue("github")
        return on_github(github, bot_token), github.comments, github.platform
    gitlab: GitLabServer = request.getfixturevalue("gitlab")
    return on_gitlab(gitlab, bot_token), gitlab.notes, gitlab.platform


def test_the_comment_is_written_once_and_brought_up_to_date(
    place: tuple[Forge, list[dict[str, Any]], Platform],
) -> None:
    """A second plan changes the comment in its place, and the same plan again changes nothing."""
    forge, comments, platform = place
    actions = [put_comment(forge, body, "prod").action for body in ("one", "two", "two")]
    assert actions == ["created", "updated", "unchanged"]
    assert [each["body"] for each in comments] == [f"{marker('prod')}\ntwo"]
    assert len(platform.writes()) == 2


def test_each_environment_has_a_comment_of_its_own(place: tuple[Forge, list[dict[str, Any]], Platform]) -> None:
    """Comments of different keys do not take each other's place, also where one key begins with the other."""
    forge, comments, _ = place
    for key in ("prod", "prod-eu", "prod"):
        put_comment(forge, f"plan of {key}", key)
    assert [each["body"].splitlines()[-1] for each in comments] == ["plan of prod", "plan of prod-eu"]


def test_the_own_comment_is_found_behind_a_hundred_others(github: GitHubServer, bot_token: str) -> None:
    """Every page of the comments is read until the own one is found."""
    for number in range(120):
        github.comment(f"talk {number}", "ann")
    forge = on_github(github, bot_token)
    assert put_comment(forge, "one", "prod").action == "created"
    for number in range(120):
        github.comment(f"more talk {number}", "ann")
    assert put_comment(forge, "two", "prod").action == "updated"
    assert [each.query["page"] for each in github.platform.asked if "page" in each.query][:1] == ["2"]


def test_the_own_note_is_found_behind_a_hundred_others(gitlab: GitLabServer, bot_token: str) -> None:
    """Every page of the notes is read until the own one is found."""
    for number in range(230):
        gitlab.note(f"talk {number}", "ann", system=number % 2 == 0)
    forge = on_gitlab(gitlab, bot_token)
    assert [put_comment(forge, body, "prod").action for body in ("one", "two")] == ["created", "updated"]


def test_a_comment_of_somebody_else_is_left_alone(github: GitHubServer, bot_token: str) -> None:
    """Who writes the hidden line himself, or quotes the bot, does not get the bot to write in his name."""
    forged = github.comment(f"{marker('prod')}\nall is well", "mallory")
    quoted = github.comment(f"> {marker('prod')}\nlook at this", "github-actions[bot]", kind="Bot")
    assert put_comment(on_github(github, bot_token), "blocked", "prod").action == "created"
    assert (forged["body"], quoted["body"]) == (f"{marker('prod')}\nall is well", f"> {marker('prod')}\nlook at this")


def test_a_person_s_token_finds_what_that_person_wrote(github: GitHubServer) -> None:
    """A personal token asks who it is, and takes no bot's comment for its own."""
    token = issue_secret()
    github.users[token] = {"login": "ann", "type": "User"}
    github.comment(f"{marker('prod')}\nof a bot", "other[bot]", kind="Bot")
    actions = [put_comment(on_github(github, token), body, "prod").action for body in ("one", "two")]
    assert actions == ["created", "updated"]


def test_a_job_s_token_leaves_the_comment_of_another_bot_alone(
    github: GitHubServer, bot_token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It may not ask who it is, and is no other bot: what renovate[bot] wrote stays, whatever it begins with."""
    other = github.comment(f"{marker('prod')}\nof another app", "renovate[bot]", kind="Bot")
    actions = [put_comment(on_github(github, bot_token), body, "prod").action for body in ("one", "two")]
    assert actions == ["created", "updated"]
    assert other["body"] == f"{marker('prod')}\nof another app"
    assert caplog.messages == []


def test_the_token_of_another_app_is_told_to_say_its_author(
    github: GitHubServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody else's comment is taken for its own, so each run writes one, and the first says what ends that."""
    token = issue_secret()
    github.users[token] = {"login": "acme[bot]", "type": "Bot"}
    of_the_job = github.comment(f"{marker('prod')}\nof a job", "renovate[bot]", kind="Bot")
    assert put_comment(on_github(github, token), "one", "prod").action == "created"
    assert of_the_job["body"].endswith("of a job")
    assert [message.partition(": ")[2] for message in caplog.messages] == ["--author 'acme[bot]'"]
    assert put_comment(on_github(github, token, author="acme[bot]"), "two", "prod").action == "updated"


def test_the_author_can_be_said(github: GitHubServer, bot_token: str) -> None:
    """Where several apps comment, --author tells the own one from the others."""
    other = github.comment(f"{marker('prod')}\nof another app", "other[bot]", kind="Bot")
    forge = on_github(github, bot_token, author="github-actions[bot]")
    assert put_comment(forge, "ours", "prod").action == "created"
    assert other["body"].endswith("of another app")


def test_a_comment_that_was_deleted_meanwhile_is_written_anew(
    place: tuple[Forge, list[dict[str, Any]], Platform],
) -> None:
    """A comment that goes away between the look and the change does not fail the pipeline."""
    forge, comments, platform = place
    put_comment(forge, "one", "prod")
    method = "PATCH" if isinstance(forge, GitHub) else "PUT"
    platform.fail(method, Reply(404, {"message": "Not Found"}))
    comments_before = list(comments)
    forge.rest = lambda why: comments.clear()  # type: ignore[method-assign]
    assert put_comment(forge, "two", "prod").action == "created"
    assert (
        [each["body"] for each in comments] == [f"{marker('prod')}\ntwo"] != [each["body"] for each in comments_before]
    )


def test_of_two_comments_that_were_written_at_once_one_stays(
    place: tuple[Forge, list[dict[str, Any]], Platform],
) -> None:
    """Another job writes between the look and the writing: the older comment gets the newest text, the other goes."""
    forge, comments, _ = place
    write = forge.create

    def at_once(body: str) -> Any:
        forge.create = write  # type: ignore[method-assign]
        assert put_comment(forge, "one", "prod").action == "created"
        return write(body)

    forge.create = at_once  # type: ignore[method-assign]
    assert put_comment(forge, "two", "prod").action == "updated"
    assert [each["body"] for each in comments] == [f"{marker('prod')}\ntwo"]
    forge.remove(Comment(10**6, "", "", ""))


@pytest.mark.parametrize("reply", [Reply(502, {"message": "oops"}), Reply(None)], ids=["502", "cut off"])
def test_a_comment_that_was_written_before_the_server_failed_is_not_written_twice(
    place: tuple[Forge, list[dict[str, Any]], Platform], reply: Reply
) -> None:
    """Where an answer is lost, the comments are looked at again before anything is sent again."""
    forge, comments, platform = place
    platform.fail("POST", reply, done=True)
    assert put_comment(forge, "one", "prod").action == "unchanged"
    platform.fail("GET", reply, times=2)
    assert put_comment(forge, "two", "prod").action == "updated"
    assert len(comments) == 1


def test_a_server_that_stays_away_is_left_alone_after_a_few_tries(github: GitHubServer, bot_token: str) -> None:
    """Tries are bounded, the pauses between them grow, and the error says what became of it."""
    pause = Patient()
    github.platform.fail("GET", Reply(503, {}), times=50)
    with pytest.raises(ForgeError, match=r"does not answer as it should: HTTP 503\."):
        put_comment(on_github(github, bot_token, pause), "one", "prod")
    assert len(github.platform.asked) == 4
    assert len(pause.waits) == 3
    assert pause.waits[0] < 2 < pause.waits[2]


@pytest.mark.parametrize(
    ("status", "headers", "waited"),
    [
        (429, {"Retry-After": "7"}, 7.0),
        (403, {"Retry-After": "9"}, 9.0),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1030"}, 30.0),
        (429, {}, 60.0),
    ],
)
def test_a_rate_limit_is_waited_for_as_long_as_it_says(
    github: GitHubServer, bot_token: str, status: int, headers: dict[str, str], waited: float
) -> None:
    """What the platform asks to wait for is waited for, then the comment is written."""
    pause = Patient()
    github.platform.fail("POST", Reply(status, {"message": "slow down"}, headers))
    assert put_comment(on_github(github, bot_token, pause), "one", "prod").action == "created"
    assert pause.waits == [waited]


def test_a_rate_limit_of_an_hour_is_told_and_not_waited_for(github: GitHubServer, bot_token: str) -> None:
    """A pipeline does not stand still for longer than two minutes."""
    pause = Patient()
    github.platform.fail("GET", Reply(429, {}, {"Retry-After": "3600"}))
    with pytest.raises(ForgeError, match="asks to wait for 3600 s"):
        put_comment(on_github(github, bot_token, pause), "one", "prod")
    assert pause.waits == []


def test_a_redirect_on_the_same_host_is_followed_with_the_same_method(github: GitHubServer, bot_token: str) -> None:
    """A repository that was renamed is found, also when something is written."""
    place = f"{github.api_url}/repos/{REPOSITORY}/issues/17/comments"
    github.platform.fail("GET", Reply(301, {}, {"Location": f"{place}?per_page=100"}))
    github.platform.fail("POST", Reply(307, {}, {"Location": place}))
    assert put_comment(on_github(github, bot_token), "one", "prod").action == "created"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_token_is_not_taken_to_another_host(github: GitHubServer, bot_token: str, method: str) -> None:
    """Neither a redirect nor the next page of a list gets the token elsewhere."""
    elsewhere = f"{github.storage.url}/api/v3/repos/{REPOSITORY}/issues/17/comments"
    if method == "GET":
        reply = Reply(200, [], {"Link": f'<{elsewhere}>; rel="next"'})
    else:
        reply = Reply(307, {}, {"Location": elsewhere})
    github.platform.fail(method, reply)
    with pytest.raises(ForgeError, match="leads to another host"):
        put_comment(on_github(github, bot_token), "one", "prod")
    assert github.storage.asked == []


def test_redirects_in_a_circle_end(github: GitHubServer, bot_token: str) -> None:
    """A server that leads from one address to the next is given up."""
    github.platform.fail("GET", Reply(302, {}, {"Location": f"{github.api_url}/user"}), times=20)
    with pytest.raises(ForgeError, match="without an end"):
        put_comment(on_github(github, bot_token), "one", "prod")


def test_what_is_no_api_is_told_as_such(github: GitHubServer, bot_token: str) -> None:
    """A login page instead of an answer points to the address."""
    github.platform.fail("GET", Reply(200, content=b"<html>Sign in</html>"))
    with pytest.raises(ForgeError) as told:
        put_comment(on_github(github, bot_token), "one", "prod")
    assert "not JSON" in told.value.what
    assert "--api-url" in told.value.cure


@pytest.mark.parametrize("answered", [{"a": 1}, [7], [{"id": None, "body": "x"}], None])
def test_an_answer_of_another_shape_is_told_as_such(
    place: tuple[Forge, list[dict[str, Any]], Platform], answered: object
) -> None:
    """JSON that is no list of comments is no defect of erm."""
    forge, _, platform = place
    platform.fail("GET", Reply(200, answered))
    with pytest.raises(ForgeError, match="in another shape than its documentation has"):
        put_comment(forge, "one", "prod")


def test_a_token_that_only_reads_is_told_as_that_of_a_fork(github: GitHubServer, bot_token: str) -> None:
    """The error says what GitHub gives out for forks, and the two ways to see the plan all the same."""
    github.read_only.add(bot_token)
    with pytest.raises(ReadOnlyToken) as told:
        put_comment(on_github(github, bot_token), "one", "prod")
    assert "may not write" in told.value.what
    assert "pull-requests: write" in told.value.cure and "--summary" in told.value.cure


def test_the_token_of_a_gitlab_job_is_told_to_open_no_merge_requests(gitlab: GitLabServer) -> None:
    """CI_JOB_TOKEN cannot comment; the error says which token can."""
    gitlab.job_token = issue_secret()
    with pytest.raises(ReadOnlyToken) as told:
        put_comment(on_gitlab(gitlab, gitlab.job_token, "CI_JOB_TOKEN"), "one", "prod")
    assert "GITLAB_TOKEN" in told.value.cure


def test_a_token_that_is_not_known_is_told_by_its_variable(
    github: GitHubServer, gitlab: GitLabServer, bot_token: str
) -> None:
    """The error names the variable, and never what stands in it."""
    stale = issue_secret()
    for forge, name in ((on_github(github, stale), "GITHUB_TOKEN"), (on_gitlab(gitlab, stale), "GITLAB_TOKEN")):
        with pytest.raises(ForgeError) as told:
            put_comment(forge, "one", "prod")
        assert name in told.value.what
        assert stale not in told.value.what + told.value.effect + told.value.cure + repr(forge)


def test_a_comment_that_is_too_long_is_cut_at_a_line(github: GitHubServer, bot_token: str) -> None:
    """The platform's limit holds, and the comment says that its end is left out."""
    put_comment(on_github(github, bot_token), "a line of text\n" * 6000, "prod")
    body = github.comments[0]["body"]
    assert len(body) <= 65536
    assert "left out" in body.splitlines()[-1]


@pytest.mark.parametrize("key", ["", "--> hello", "a b", "x" * 101, "a--b", "a\nb", "-", "a-"])
def test_a_key_cannot_end_the_hidden_line(key: str) -> None:
    """What is not a plain name is refused: it could show something, or hide the comment."""
    with pytest.raises(UsageError):
        marker(key)


def test_a_host_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Nothing that listens there is an error with the address, after a few tries."""
    run = Run("github", "http://127.0.0.1:9", REPOSITORY, 17, "", issue_secret(), "GITHUB_TOKEN")
    api = github_api(run)
    api.pause = Patient()
    with pytest.raises(ForgeError, match=r"http://127\.0\.0\.1:9 does not answer"):
        put_comment(GitHub(run, api), "one", "prod")


def test_an_address_that_is_none_is_refused() -> None:
    """Another scheme, or a user in the address, is refused before anything is sent."""
    for url in ("file:///etc/passwd", "ftp://host/", "https://", "https://ann:pw@host", "https://host:x"):
        with pytest.raises(ForgeError, match=r"no http:// or https:// address"):
            github_api(Run("github", url, REPOSITORY, 17, "", issue_secret(), "GITHUB_TOKEN"))


def test_posted_says_where(github: GitHubServer, bot_token: str) -> None:
    """The answer has the address that people open."""
    posted = put_comment(on_github(github, bot_token), "one", "prod")
    assert posted == Posted("created", f"https://github.example/{REPOSITORY}/pull/17#issuecomment-0")


def test_a_server_with_an_authority_of_its_own(bot_token: str, tmp_path: Path) -> None:
    """An encrypted connection is made to whom the named authority vouches for, and to nobody else."""
    authority, key = self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority, key)
    with gitlab_server(tls, users={bot_token: "bot"}) as server:
        run = Run("gitlab", server.api_url, PROJECT, 5, "", bot_token, "GITLAB_TOKEN")
        with pytest.raises(ForgeError, match="is not to be trusted") as told:
            put_comment(GitLab(run, gitlab_api(run)), "one", "prod")
        assert "SSL_CERT_FILE" in told.value.cure
        assert server.platform.asked == []
        trusting = replace(run, ca_file=str(authority))
        assert put_comment(GitLab(trusting, gitlab_api(trusting)), "one", "prod").action == "created"
    with pytest.raises(ForgeError, match="cannot be read"):
        gitlab_api(replace(run, ca_file=str(tmp_path / "none.pem")))


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "ca.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form, encryption = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))
    return files
