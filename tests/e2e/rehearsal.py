"""The whole of it: set up, play the acts while the service is in use, look for secrets, give the figures."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from erm_alembic.postgres.embedded.server import EmbeddedServer
from tests.e2e import acts
from tests.e2e.secrets import Searched, search, titles
from tests.e2e.story import Story
from tests.e2e.traffic import Traffic, service, traffic
from tests.e2e.world import World, world
from tests.forge.github_server import github_server
from tests.support.databases import newest
from tests.support.secrecy import issue_secret

__all__ = ["Figures", "rehearse"]

# How long a login lives. That of a deployment ends in the middle of its long revision.
LIFETIMES = {"migrator": "20s", "planner": "1m", "service": "4s"}
FOREIGN = ("ERM_", "PG", "ALEMBIC_", "VAULT_", "BAO_", "GITHUB_", "GITLAB_", "CI_", "GH_", "RUNNER_")
# What nobody needs to be told to see that the service was in use.
ENOUGH = 100


@dataclass(frozen=True)
class Figures:
    """What came of it.

    Args:
        wrong: what must not have been, in words; empty where all was well.
        rows: what is told, by name.
    """

    wrong: list[str]
    rows: list[tuple[str, object]]


def rehearse(rows: int, observe: str, file: TextIO | None = None) -> Figures:
    """Play the story with so many rows.

    Args:
        rows: how many sales there are before it begins.
        observe: how long each release observes the database, as `10s`.
        file: where the story is told besides.

    Raises:
        WentWrong: something is not as the story says.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        seen = stack.enter_context(titles())
        scratch = stack.enter_context(_scratch())
        story = Story(_folder(scratch / "outputs"), file=file)
        story.tell(f"A release from end to end: {rows:,} rows, two standbys, PgBouncer, OpenBao, a service in use.")
        servers = stack.enter_context(world(newest(), LIFETIMES))
        token = issue_secret()
        github = stack.enter_context(github_server(users={token: {"login": "github-actions[bot]", "type": "Bot"}}))
        story.environ = _environ(scratch, servers)
        key = _keys(scratch)
        team = acts.Team(story, servers, _checkout(scratch), key, github, token)
        stack.callback(_stop_shadow, team.folder)
        with story.act("The first deployment", acts.first_deployment.__doc__ or ""):
            acts.first_deployment(team, rows)
        with _in_use(team, scratch, rows) as used:
            _play(team, used, rows, observe)
        return _concluded(team, used, search(servers, scratch, [key], seen, _body(key)), time.monotonic() - began)


def _play(team: acts.Team, used: Traffic, rows: int, observe: str) -> None:
    story = team.story
    with story.act("Before anything is changed", "What erm says of the servers, while the service is in use."):
        acts.look_around(team)
    with story.act("A pull request", "Its plan stands there as a comment; whoever plans only reads."):
        plan = acts.propose(team, "currency", 17)
        acts.approve(team, "currency", 17)
    with story.act("The release", "Each login of it lives 20 seconds; its long revision takes longer."):
        acts.release(team, plan, observe, outlives=True)
    with story.act("A backup is damaged", "It is told when somebody looks, before it is needed."):
        acts.damaged_backup(team)
    with story.act("Another pull request", "It drops a column that somebody still needs."):
        plan = acts.propose(team, "gifts", 18)
        acts.approve(team, "gifts", 18)
    with story.act("A release that is stopped", "A smoke test fails; to go back by itself would lose something."):
        acts.release_that_is_stopped(team, plan, observe, rows)
    used.gifts.set()
    story.tell("\n  meanwhile the shop has switched on messages on gifts")
    acts.wait_for_messages(used.messages)
    used.gifts.clear()
    acts.wait_for_sales(used)
    with story.act("The way back", "What a rollback loses is said, approved, and kept in a backup."):
        acts.roll_back(team)
    with story.act("Lost data comes back", "What the release had dropped, from the backup that it had taken."):
        backup = acts.bring_back_references(team, rows)
    with story.act("The change, put right", "It keeps the column; then the messages come back that the rollback lost."):
        plan = acts.propose(team, "kept", 19, instead_of="gifts")
        acts.approve(team, "kept", 19)
        acts.release(team, plan, observe)
        acts.bring_back_messages(team, backup, used.messages)
    with story.act("Afterwards", "What the ledger knows of all this."):
        acts.look_back(team)


@contextlib.contextmanager
def _in_use(team: acts.Team, scratch: Path, rows: int) -> Iterator[Traffic]:
    """The service, in a checkout of its own, and those who use it."""
    checkout = scratch / "service"
    shutil.copytree(team.folder, checkout, ignore=shutil.ignore_patterns(".git", ".erm", "keys"))
    environ = {**team.story.environ, **team.world.vault("service"), "CAUSAL_SECRET": issue_secret()}
    with service(checkout, environ, scratch / "service.log") as address, traffic(address, max(rows // 20, 10)) as used:
        try:
            yield used
        except Exception:
            team.story.tell(f"\nUntil then: {used.counted()}; {len(used.wrong)} faults: {used.wrong[:10]}")
            raise


def _concluded(team: acts.Team, used: Traffic, searched: Searched, took: float) -> Figures:
    counts = used.counted()
    acknowledged = {(till, number) for till, numbers in used.truth.acknowledged().items() for number in numbers}
    stored = set(team.execute("SELECT till_id, number FROM sales WHERE till_id IS NOT NULL"))
    lost = acknowledged - stored
    logins = [name for name, _ in team.world.made_logins()]
    replicas, primary = counts.get("answers of replicas", 0), counts.get("answers of the primary", 0)
    rows = [
        ("duration", f"{took:.0f} s"),
        ("writes of the service, through the pooler", f"{len(acknowledged):,} sales, {len(used.messages):,} messages"),
        ("reads of the service", f"{replicas + primary:,}, of which {replicas:,} by the standbys"),
        ("errors that its users saw", len(used.errors)),
        ("answers older than their policy or their own write", len(used.truth.violations)),
        ("writes acknowledged and lost", len(lost)),
        ("slowest read, slowest write", f"{used.slowest.get('GET', 0):.2f} s, {used.slowest.get('POST', 0):.2f} s"),
        ("logins that OpenBao made", _by_group(logins)),
        ("secrets looked for", f"{searched.secrets:,} in {searched.files:,} texts of {searched.bytes:,} bytes"),
        ("secrets found", len(searched.found)),
    ]
    wrong = [*used.wrong, *(f"the sale {each} is lost" for each in lost)]
    wrong += [f"a secret in {place}" for place in searched.found]
    wrong += [
        f"only {many} {what}" for what, many in (("sales", len(acknowledged)), ("reads", replicas)) if many < ENOUGH
    ]
    team.story.tell("\n== Figures\n")
    team.story.figures(rows)
    for fault in wrong[:30]:
        team.story.tell(f"  WRONG: {fault}")
    return Figures(wrong, rows)


def _by_group(logins: list[str]) -> str:
    """Names of OpenBao's have the role in them: `v-token-service-...`."""
    counted = {group: sum(f"-{group}-" in name for name in logins) for group in LIFETIMES}
    return ", ".join(f"{many} for {group} ({LIFETIMES[group]} each)" for group, many in counted.items())


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="erm-e2e-", dir="/tmp"))
    # The shadow's server may run as another user.
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def _environ(scratch: Path, servers: World) -> dict[str, str | None]:
    """What every command has: the variables of erm.yaml, and none that lead elsewhere."""
    gone = {name: None for name in os.environ if name.startswith(FOREIGN) and name != "ERM_PG_BIN"}
    own = {"HOME": str(_folder(scratch / "home")), "NO_PROXY": "*", "no_proxy": "*", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**gone, **own, **servers.ports, **servers.vault("migrator")}


def _checkout(scratch: Path) -> Path:
    """The team's repository, with the state of the sample before its changes."""
    folder = scratch / "tills"
    shutil.copytree(
        acts.SAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "next", ".erm"), dirs_exist_ok=True
    )
    (folder / ".gitignore").write_text(".erm/\n__pycache__/\n")
    return folder


def _keys(scratch: Path) -> Path:
    """The key that signs plans, which only the pipeline has; the checkout has the public one."""
    private = ed25519.Ed25519PrivateKey.generate()
    path = _folder(scratch / "ci") / "plan-key.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    path.chmod(0o600)
    public = _folder(scratch / "tills" / "keys") / "plan-key.pub"
    public.write_bytes(private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return path


def _body(key: Path) -> list[str]:
    """The lines of a private key that are secret."""
    return [line for line in key.read_text().splitlines() if not line.startswith("-----")]


def _stop_shadow(folder: Path) -> None:
    if (folder / ".erm").exists():
        EmbeddedServer(folder).stop()
