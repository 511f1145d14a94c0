"""A backup that is damaged is told before it is needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import erm_alembic.backup
from erm_alembic.backup.keeping import Needs, find_fresh
from erm_alembic.backup.progress import QuietProgress
from erm_alembic.backup.store import store_of
from erm_alembic.errors import BackupDamaged, BackupError
from erm_alembic.ledger.store import open_ledger
from erm_alembic.opening import configured
from erm_alembic.render.backups import backup_text
from erm_alembic.target import open_target
from tests.backup.conftest import Shop


def taken(shop: Shop) -> Path:
    """The folder of a backup of a table with rows."""
    shop.sql("CREATE TABLE users (id int PRIMARY KEY, email text)")
    shop.sql("INSERT INTO users SELECT i, md5(i::text) FROM generate_series(1, 2000) AS i")
    return Path(shop.take().place)


def fresh_in(heads: tuple[str, ...]) -> str | None:
    """The backup that a plan would find fresh enough."""
    target = open_target(configured("dev", None))
    store = store_of(target.settings)
    with target.reported(), open_ledger(target) as ledger:
        found = find_fresh(ledger, target.settings, store, Needs(None, heads), closely=False, progress=QuietProgress())
    return None if found is None else found.id


def flip(folder: Path) -> None:
    """One byte in the middle of the archive."""
    path = folder / "database.dump"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def cut(folder: Path) -> None:
    """The archive's end is missing."""
    path = folder / "database.dump"
    path.write_bytes(path.read_bytes()[:-100])


def lose(folder: Path) -> None:
    """The archive is gone."""
    (folder / "database.dump").unlink()


def add(folder: Path) -> None:
    """A file that nobody has written."""
    (folder / "more").write_text("more")


def spoil(folder: Path) -> None:
    """The manifest is no JSON."""
    (folder / "manifest.json").write_text("{")


def believe(folder: Path) -> None:
    """The archive is another one, and the manifest says that it is right."""
    from erm_alembic.backup.manifest import file_sums

    flip(folder)
    told = json.loads((folder / "manifest.json").read_text())
    (changed,) = file_sums(folder, lambda: False)
    told["files"] = [{"path": changed.path, "bytes": changed.bytes, "sha256": changed.sha256}]
    (folder / "manifest.json").write_text(json.dumps(told))


DAMAGES: tuple[tuple[Callable[[Path], None], str], ...] = (
    (flip, "database.dump has other bytes than when it was written"),
    (cut, "database.dump has other bytes than when it was written"),
    (lose, "database.dump is missing"),
    (add, "more was not there when it was written"),
    (believe, "the ledger has another checksum of it"),
    (spoil, "The manifest in"),
)


def test_each_kind_of_damage_is_told(shop: Shop) -> None:
    """Other bytes, a missing end, a missing file, a strange one, a manifest that agrees with the damage."""
    whole = taken(shop)
    kept = {path: path.read_bytes() for path in whole.iterdir()}
    for damage, words in DAMAGES:
        damage(whole)
        with pytest.raises(BackupError) as caught:
            erm_alembic.backup.verify("dev", whole.name)
        assert words in caught.value.what, damage
        for path in whole.iterdir():
            path.unlink()
        for path, content in kept.items():
            path.write_bytes(content)
    assert erm_alembic.backup.verify("dev").verified == "listed"


def test_no_plan_counts_on_a_backup_in_which_damage_was_found(shop: Shop) -> None:
    """What was found is remembered, shown in the list, and forgotten when the backup is whole again."""
    whole = taken(shop)
    kept = {path: path.read_bytes() for path in whole.iterdir()}
    flip(whole)
    with pytest.raises(BackupDamaged):
        erm_alembic.backup.verify("dev", whole.name)
    (listed,) = erm_alembic.backup.backups("dev")
    assert listed.backup.verified == "damaged"
    assert "DAMAGED: it does not count as a backup" in backup_text(listed.backup)
    assert fresh_in(listed.backup.heads) is None
    for path, content in kept.items():
        path.write_bytes(content)
    erm_alembic.backup.verify("dev", whole.name)
    assert fresh_in(listed.backup.heads) == whole.name


def test_an_archive_that_was_damaged_when_it_was_written_does_not_even_get_its_name(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read to its end before it counts."""
    from erm_alembic.backup import taking

    whole = taking.file_sums
    monkeypatch.setattr(taking, "file_sums", lambda folder, stopped: (flip(folder), whole(folder, stopped))[1])
    with pytest.raises(BackupError):
        taken(shop)
    assert shop.ids() == []


def test_it_is_restored_into_a_scratch_database_on_demand(shop: Shop) -> None:
    """Every row is counted there, the ledger has it, and the scratch database is gone again."""
    folder = taken(shop)
    assert erm_alembic.backup.verify("dev", restored=True).verified == "restored"
    assert shop.sql("SELECT verified FROM erm.backup") == [("restored",)]
    told = json.loads((folder / "manifest.json").read_text())
    told["rows"]["public.users"] = 7
    (folder / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(BackupError, match="do not have the rows that were counted"):
        erm_alembic.backup.verify("dev")


def test_a_backup_without_a_ledger_is_known_by_its_manifest(shop: Shop) -> None:
    """A database that is lost takes its ledger with it; the folder says what there is."""
    folder = taken(shop)
    shop.sql("DROP SCHEMA erm CASCADE")
    assert shop.ids() == [folder.name]
    assert erm_alembic.backup.verify("dev", folder.name[:16]).id == folder.name


def test_a_name_that_is_none_or_several_is_told(shop: Shop) -> None:
    """The list says which there are."""
    with pytest.raises(BackupError, match=r"No backup is latest\.") as caught:
        erm_alembic.backup.verify("dev")
    assert caught.value.cure == "`erm backup list` shows what there is."
    first, second = shop.take().id, shop.take().id
    with pytest.raises(BackupError, match=f"2 could be {second}, {first}"):
        erm_alembic.backup.verify("dev", "2")


def test_a_backup_of_some_tables_is_loaded_without_the_types_that_it_lacks(shop: Shop) -> None:
    """An enum is in no backup of some tables; before such a one counts, its rows are loaded all the same."""
    shop.config("backup: {method: pg_dump, tables: at-risk, verify: restored}\n")
    shop.revision(
        "a1",
        "CREATE TYPE mood AS ENUM ('a'); CREATE TABLE users (id int PRIMARY KEY, m mood, g int[])",
        "DROP TABLE users",
    )
    shop.apply()
    shop.sql("INSERT INTO users VALUES (1, 'a', '{1}'), (2, NULL, NULL)")
    shop.revision("b2", "ALTER TABLE users DROP COLUMN m", after="a1")
    guard = shop.apply().outcome.backup
    assert guard is not None and shop.sql("SELECT verified FROM erm.backup") == [("restored",)]


def test_what_cannot_be_looked_at_here_is_not_called_damaged(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pg_restore, one that is too old, one that dies: the backup counts as before, and the cure is the machine's."""
    from erm_alembic.backup import programs
    from erm_alembic.backup.programs import Program

    whole = taken(shop)
    dying = shop.root / "pg_restore"
    dying.write_text("#!/bin/sh\necho 'COPY public.users (id) FROM stdin;'\necho '1'\nkill -9 $$\n")
    dying.chmod(0o755)
    absent = shop.root / "no" / "pg_restore"
    for there, words, cure in (
        ((), "There is no pg_restore on this machine.", "Install the client programs"),
        ((Program(absent, 9),), "The newest pg_restore on this machine is of PostgreSQL 9", "Install the client"),
        ((Program(absent, 99),), "pg_restore cannot be started", "Look at the installation"),
        ((Program(dying, 99),), "ended in the middle of a table: pg_restore was ended", "Try again"),
    ):
        monkeypatch.setattr(programs, "installed_programs", lambda name, environ=None, there=there: there)
        with pytest.raises(BackupError) as caught:
            erm_alembic.backup.verify("dev", whole.name)
        assert words in caught.value.what and caught.value.cure.startswith(cure)
        assert not isinstance(caught.value, BackupDamaged) and "is not known" in caught.value.effect
    (listed,) = erm_alembic.backup.backups("dev")
    assert listed.backup.verified == "listed" and fresh_in(listed.backup.heads) == whole.name


def test_a_folder_that_this_user_may_not_read_is_not_a_missing_file(shop: Shop) -> None:
    """A file whose way to it is closed cannot be told from a missing one by looking at the folder alone."""
    from erm_alembic.backup.manifest import FileSum, read_manifest
    from erm_alembic.backup.verifying import compare_files

    whole = taken(shop)
    manifest = read_manifest(whole)
    below = replace(manifest, files=(*manifest.files, FileSum("manifest.json/toc.dat", 1, "0")))
    with pytest.raises(BackupError, match="cannot be read: Not a directory") as caught:
        compare_files(below, whole)
    assert not isinstance(caught.value, BackupDamaged)


def test_the_cure_of_a_damaged_backup_can_be_pasted(shop: Shop) -> None:
    """A profile's name that a shell would read is quoted."""
    from erm_alembic.backup.manifest import read_manifest
    from erm_alembic.backup.verifying import compare_files

    whole = taken(shop)
    manifest = read_manifest(whole)
    flip(whole)
    with pytest.raises(BackupDamaged) as caught:
        compare_files(replace(manifest, backup=replace(manifest.backup, environment="prod eu")), whole)
    assert caught.value.cure == "Take another one: erm backup --env 'prod eu'"
