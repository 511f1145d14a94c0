"""A backup counts once it is whole: what breaks while it is taken leaves nothing that counts."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import sys
from pathlib import Path

import pytest

import erm_alembic
from erm_alembic.backup import dumping
from erm_alembic.backup.connection import address_of
from erm_alembic.backup.process import Orders
from erm_alembic.backup.programs import find_program, installed_programs
from erm_alembic.backup.store import UNFINISHED
from erm_alembic.config.loader import load_settings
from erm_alembic.errors import BackupError
from erm_alembic.target import open_target
from tests.backup.conftest import Shop
from tests.support.waiting import until


def with_rows(shop: Shop) -> None:
    """A table with rows, applied."""
    shop.revision("a1", "CREATE TABLE users (id int PRIMARY KEY, email text)", "DROP TABLE users")
    shop.apply()
    shop.sql("INSERT INTO users SELECT i, 'e' || i FROM generate_series(1, 100) AS i")


def test_a_backup_is_private_known_to_the_ledger_and_described_beside_it(every_shop: Shop) -> None:
    """Nobody else reads its files; the ledger has its checksum, and so has its manifest."""
    shop = every_shop
    with_rows(shop)
    backup = shop.take()
    folder = Path(backup.place)
    assert (folder.parent, folder.name) == (shop.folder, backup.id)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o600} and stat.S_IMODE(folder.stat().st_mode) == 0o700
    told = json.loads((folder / "manifest.json").read_text())
    assert told["rows"]["public.users"] == 100
    assert told["columns"]["public.users"] == {"id": "integer", "email": "text"}
    assert told["backup"]["checksum"] == backup.checksum
    assert shop.sql("SELECT backup, checksum, verified, heads, run_id FROM erm.backup") == [
        (backup.id, backup.checksum, "listed", ["a1"], None)
    ]


def test_several_connections_and_another_compression_make_a_backup_too(shop: Shop) -> None:
    """With jobs it is a folder, which is verified and restored like a file."""
    with_rows(shop)
    shop.config("backup: {method: pg_dump, jobs: 2, compress: none}\n")
    backup = shop.take(restored=True)
    assert (Path(backup.place) / "database.dump" / "toc.dat").is_file()
    assert backup.verified == "restored"


def test_only_the_newest_are_kept(shop: Shop) -> None:
    """backup.keep counts backups of one kind; one of some tables drives no whole one out."""
    with_rows(shop)
    shop.config("backup: {keep: 1, before: destructive, tables: at-risk, max_age: 0s}\n")
    first = shop.take().id
    shop.revision("b2", "ALTER TABLE users DROP COLUMN email", after="a1")
    guard = shop.apply().outcome.backup
    assert guard is not None
    assert set(shop.ids()) == {first, guard.id}
    second = shop.take().id
    assert set(shop.ids()) == {second, guard.id}
    assert [each.backup.id for each in erm_alembic.backup.backups("dev") if each.backup.removed] == [first]


def test_a_full_disk_leaves_nothing_that_counts(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pg_dump could not write is told with a cure, and there is no backup."""
    if not Path("/dev/full").exists():
        pytest.skip("this machine has no /dev/full")
    with_rows(shop)
    monkeypatch.setattr(dumping, "ARCHIVE", "/dev/full")
    with pytest.raises(BackupError) as caught:
        shop.take()
    assert "No space left on device" in caught.value.what
    assert caught.value.effect == "No backup was taken; nothing of it counts as one."
    assert caught.value.cure.startswith("Free space on that disk")
    assert shop.ids() == [] and list(shop.folder.iterdir()) == []


def test_a_pg_dump_that_is_too_old_is_told_with_what_there_is(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pg_dump that is older than the server is not even tried."""
    with_rows(shop)
    old = tmp_path / "old"
    old.mkdir()
    for name in ("pg_dump", "pg_restore"):
        (old / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) 12.9'\n")
        (old / name).chmod(0o755)
    monkeypatch.setenv("ERM_PG_BIN", str(old))
    major = shop.database.server.binaries.major
    with pytest.raises(BackupError) as caught:
        shop.take()
    assert caught.value.what == (
        f"The newest pg_dump on this machine is of PostgreSQL 12 ({old}/pg_dump), and one of PostgreSQL {major} or "
        "newer is needed: it understands nothing that is newer than itself."
    )
    assert f"postgresql-client-{major}" in caught.value.cure and shop.ids() == []


def test_the_program_of_the_server_s_own_version_comes_first(shop: Shop) -> None:
    """Of several installations the one that fits best serves; a newer one where there is none of the same."""
    found = installed_programs("pg_dump")
    for each in found:
        assert find_program("pg_dump", each.major).major == each.major
        assert find_program("pg_dump", each.major - 1 if len(found) == 1 else 1, each.major).major == each.major
    assert installed_programs("pg_dump", {"PATH": "", "ERM_PG_BIN": "/nonexistent"}) == tuple(
        each for each in installed_programs("pg_dump", {"PATH": ""}) if each.path.parent.is_relative_to("/usr/lib")
    )


def test_a_killed_run_leaves_nothing_that_counts_and_the_next_one_sweeps_it(shop: Shop) -> None:
    """kill -9 while pg_dump waits for a table: no backup; its folder goes when its last writer is gone."""
    with_rows(shop)
    with contextlib.closing(shop.database.connect()) as holder:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE users")
        with shop.project.running("backup") as under_way:
            under_way.until(lambda: _waiting_dump(shop))
            under_way.kill()
        assert shop.ids() == [] and [each.name for each in _left(shop)] != []
        holder.rollback()
    until(lambda: not _dumping(shop))
    backup = shop.take()
    assert shop.ids() == [backup.id] and _left(shop) == []


def test_a_signal_ends_the_dump_and_leaves_nothing(shop: Shop) -> None:
    """SIGTERM ends pg_dump, too; the exit code is that of the signal."""
    with_rows(shop)
    with contextlib.closing(shop.database.connect()) as holder:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE users")
        with shop.project.running("backup") as under_way:
            under_way.until(lambda: _waiting_dump(shop))
            under_way.signal(signal.SIGTERM)
            code, _, said = under_way.ended()
    assert code == 143 and "Interrupted by SIGTERM while a backup was taken." in said
    until(lambda: not _dumping(shop))
    assert shop.ids() == [] and list(shop.folder.iterdir()) == []


def _left(shop: Shop) -> list[Path]:
    return [each for each in shop.folder.iterdir() if each.name.startswith(UNFINISHED)]


def _dumping(shop: Shop) -> bool:
    return bool(
        shop.sql(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND"
            " application_name IN ('pg_dump', 'erm backup')"
        )
    )


def _waiting_dump(shop: Shop) -> bool:
    return bool(
        shop.sql(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND"
            " wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE%%'".replace("%%", "%")
        )
    )


def test_the_password_is_in_the_environment_of_the_program_alone(
    shop: Shop, awkward_secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in no argument, and erm's own address of the database is not handed on."""
    from urllib.parse import quote

    monkeypatch.setenv("ERM_DATABASE_URL", f"{shop.database.url}&password={quote(awkward_secret, safe='')}")
    address = address_of(open_target(load_settings("dev")))
    assert address.environ["PGPASSWORD"] == awkward_secret
    assert "password" not in address.dsn and "ERM_DATABASE_URL" not in address.environ
    assert awkward_secret not in repr(address)


SAVE = """
import json, os, sys
told = json.load(sys.stdin)
names = ("ERM_BACKUP_ACTION", "ERM_BACKUP_ID", "ERM_ENV", "ERM_DATABASE_URL")
with open("told.json", "w") as file:
    json.dump({"told": told, "env": {name: os.environ.get(name) for name in names}}, file)
print("saving", file=sys.stderr)
print("noise on stdout")
print(json.dumps({"place": "s3://vault/" + told["backup"], "bytes": 12}))
"""


def by_command(shop: Shop, text: str) -> None:
    """Let a program of the team's own take backups."""
    (shop.root / "save.py").write_text(text)
    command = json.dumps([sys.executable, "save.py"])
    shop.config(f"backup: {{method: command, tables: at-risk, command: {command}}}\n")


def test_a_tool_of_the_team_s_own_takes_it_and_says_where_it_is(shop: Shop) -> None:
    """It is told what is at risk, and not how erm reaches the database; its place is kept with the run."""
    with_rows(shop)
    by_command(shop, SAVE)
    shop.revision("b2", "ALTER TABLE users DROP COLUMN email", after="a1")
    guard = shop.apply().outcome.backup
    assert guard is not None and guard.place == f"s3://vault/{guard.id}" and guard.bytes == 12
    seen = json.loads((shop.root / "told.json").read_text())
    assert seen["told"]["tables"] == ["public.users"] and seen["told"]["run_id"] == 2
    assert seen["env"] == {
        "ERM_BACKUP_ACTION": "take",
        "ERM_BACKUP_ID": guard.id,
        "ERM_ENV": "dev",
        "ERM_DATABASE_URL": None,
    }
    assert erm_alembic.backup.verify("dev").verified == "command"
    assert json.loads((shop.root / "told.json").read_text())["told"]["action"] == "verify"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import sys; print('no bucket', file=sys.stderr); sys.exit(3)", "failed while taking a backup: no bucket"),
        ("pass", "did not say where the backup is"),
    ],
)
def test_a_tool_that_fails_or_is_silent_takes_no_backup(shop: Shop, text: str, words: str) -> None:
    """Nothing counts as a backup that nobody can find."""
    with_rows(shop)
    by_command(shop, text)
    with pytest.raises(BackupError, match=words):
        shop.take()
    assert shop.ids() == []


def test_a_program_that_takes_too_long_is_ended(shop: Shop) -> None:
    """backup.timeout bounds it."""
    from erm_alembic.backup.process import run_program

    with pytest.raises(BackupError, match=r"took longer than backup\.timeout"):
        run_program(["/bin/sh", "-c", "exec sleep 600"], Orders(dict(os.environ), timeout=0.1))
