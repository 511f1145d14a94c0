"""The file of a plan: what is no plan is told apart, and nothing else is ever overwritten."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from erm_alembic.approvals import keep_plan, open_approved
from erm_alembic.config.redaction import register_secret
from erm_alembic.errors import ErmError, Refused, UsageError
from erm_alembic.planning.model import Basis, Plan, Statement, Step
from erm_alembic.planning.plan_file import LARGEST
from erm_alembic.planning.request import Request
from erm_alembic.planning.terms import plan_digest
from erm_alembic.postgres.identity import Identity
from tests.approval.conftest import document, forge

STATEMENT = Statement(
    "INSERT INTO t VALUES (%(a)s)", line=12, parameter_sets=1, literal="INSERT INTO t VALUES ('a value')"
)
STEP = Step("b2", ("a1",), "two", "versions/b2.py", "upgrade", "ok", statements=(STATEMENT,), source_hash="ab" * 32)
PLAN = Plan(
    "prod",
    "postgresql://db/shop",
    "15.18",
    "upgrade",
    ("a1",),
    ("b2",),
    (STEP,),
    basis=Basis(Identity("72", 16384, "shop"), "public.alembic_version", "public", "1-2-3", "deployer", "deployer"),
    request=Request("upgrade", "heads"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A plan that was kept."""
    keep_plan(PLAN, tmp_path / "plan.json")
    return tmp_path / "plan.json"


def test_what_is_kept_is_read_again(path: Path) -> None:
    """The file gives back what was approved, with the same digest."""
    approved = open_approved(path, "upgrade")
    assert (approved.digest, approved.terms.digest()) == (plan_digest(PLAN), plan_digest(PLAN))
    assert approved.terms.request == Request("upgrade", "heads")
    assert approved.steps["b2"].statements[0].sql == STATEMENT.sql


def test_neither_values_nor_passwords_are_kept(tmp_path: Path, secret: str) -> None:
    """Parameter values stay out; a secret in a statement's text is masked, and is no part of the digest."""
    register_secret(secret)
    spilling = Statement(f"CREATE ROLE app PASSWORD '{secret}'", literal=f"CREATE ROLE app PASSWORD '{secret}'")
    step = Step("c3", (), "", "c3.py", "upgrade", "ok", statements=(STATEMENT, spilling))
    plan = Plan("prod", PLAN.database_url, "15", "upgrade", (), (), (step,), basis=PLAN.basis)
    keep_plan(plan, tmp_path / "plan.json")
    text = (tmp_path / "plan.json").read_text()
    assert secret not in text
    assert "a value" not in text
    assert "CREATE ROLE app PASSWORD '***'" in text
    assert open_approved(tmp_path / "plan.json", "upgrade").digest == plan_digest(plan)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty."),
        (b"  \n", "is empty."),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"hello", "is not JSON (line 1)."),
        (b"[1, 2]", "is JSON, but no plan."),
        (b'{"schema_version": 1}', "is JSON, but no plan."),
        (b"[" * 200_000, "is not JSON"),
        (b'{"a": 1, "a": 2}', "has the key 'a' twice in one object."),
        (b'{"a": NaN}', "is not JSON"),
        (b'{"schema_version": 1, "pending": []}', "was printed, not one that was kept"),
        (b'{"schema_version": 2, "pending": [], "approval": {"version": 2}}', "its format is 2.2"),
        (b'{"schema_version": 1, "pending": [], "approval": {"version": 9}}', "its format is 1.9"),
        (b'{"schema_version": 1, "pending": 7, "approval": {"version": 2}}', "lacks what an approved plan has"),
    ],
)
def test_what_is_no_plan(content: bytes, said: str, tmp_path: Path) -> None:
    """Whatever else stands in the file is a usage error that says what it is."""
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(UsageError) as error:
        open_approved(path, "upgrade")
    assert said in error.value.what and error.value.cure


def test_a_file_that_was_cut_off(path: Path) -> None:
    """Wherever it was cut off, a plan is not read: a usage error, or a checksum that does not fit."""
    whole = path.read_bytes()
    for length in range(1, len(whole) - 2, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(UsageError):
            open_approved(path, "upgrade")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match=r"cut off|not JSON"):
        open_approved(path, "upgrade")


def test_a_file_without_end(tmp_path: Path) -> None:
    """What is larger than any plan is not read to its end; what cannot be read says why."""
    path = tmp_path / "plan.json"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    for other, said in (
        (path, "is larger than 64 MiB"),
        (tmp_path, "is a directory"),
        (tmp_path / "no", "no such file"),
    ):
        with pytest.raises(UsageError) as error:
            open_approved(other, "upgrade")
        assert said in error.value.what


def remove(*keys: str) -> Callable[[dict[str, Any]], None]:
    def change(found: dict[str, Any]) -> None:
        inner = found
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]

    return change


@pytest.mark.parametrize(
    "change",
    [
        remove("digest"),
        remove("current"),
        remove("approval", "target"),
        remove("approval", "partial"),
        lambda found: found["pending"].append(None),
        lambda found: found["pending"][0].update(statements={"sql": "x"}),
        lambda found: found["pending"][0].update(certain="all"),
        lambda found: found.update(direction="sideways"),
        lambda found: found["approval"].update(catalog=None),
        lambda found: found.update(overrides=[{"rule": 1, "reason": []}]),
    ],
)
def test_a_forged_file_of_another_shape(change: Callable[[dict[str, Any]], None], path: Path) -> None:
    """A file that lacks something, with a checksum that fits, is refused in words."""
    forge(path, change)
    with pytest.raises(UsageError, match="lacks what an approved plan has"):
        open_approved(path, "upgrade")


def test_every_change_is_noticed(path: Path) -> None:
    """Not one value of the file can be changed without its being noticed."""
    whole = document(path)
    for key, value in whole.items():
        if key in ("approval", "schema_version", "pending"):
            continue
        other = [*value, "x"] if isinstance(value, list) else "x" if value != "x" else "y"
        path.write_text(json.dumps({**whole, key: other}))
        with pytest.raises(Refused, match="was changed after it was written"):
            open_approved(path, "upgrade")


def test_only_a_plan_is_overwritten(path: Path) -> None:
    """An older plan is replaced, and anything else is kept as it is: a file, a folder, a link, a device, a pipe."""
    keep_plan(PLAN, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    folder = path.parent
    (folder / "notes.json").write_text('{"mine": true}')
    (folder / "link.json").symlink_to(path)
    (folder / "dangling.json").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe")
    for name, said in (
        ("notes.json", "exists and is no plan"),
        ("link.json", "is a symbolic link"),
        ("dangling.json", "is a symbolic link"),
        ("pipe", "exists and is no ordinary file"),
        (".", "exists and is no ordinary file"),
        (".", "exists and is no ordinary file"),
        ("missing/plan.json", "is in a folder that does not exist"),
        ("plan.json/plan.json", "cannot be written"),
    ):
        with pytest.raises(UsageError) as error:
            keep_plan(PLAN, folder / name)
        assert said in error.value.what
    with pytest.raises(UsageError, match="exists and is no ordinary file"):
        keep_plan(PLAN, Path(os.devnull))
    assert (folder / "notes.json").read_text() == '{"mine": true}'
    assert sorted(each.name for each in folder.iterdir()) == [
        "dangling.json",
        "link.json",
        "notes.json",
        "pipe",
        "plan.json",
    ]


def test_a_disk_that_is_full_leaves_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that cannot be written whole leaves the older one, and nothing beside it."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ErmError, match="no space left on device"):
        keep_plan(PLAN, path)
    assert (path.read_bytes(), [each.name for each in path.parent.iterdir()]) == (before, ["plan.json"])


def test_a_name_with_everything_in_it(tmp_path: Path) -> None:
    """Quotes, newlines, percent signs and letters of any script in a file's name do no harm."""
    path = tmp_path / "plan 'of' \"prod\"\n100% ü.json"
    keep_plan(PLAN, path)
    assert open_approved(path, "upgrade").digest == plan_digest(PLAN)
