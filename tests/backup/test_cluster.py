"""A copy of a whole cluster is verified, and starts."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest

import erm_alembic.backup
from erm_alembic.errors import BackupError
from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from erm_alembic.postgres.embedded.private_place import reachable_binaries
from tests.backup.conftest import Shop
from tests.support.servers import PrivateServer, running, server_folder
from tests.support.standbys import has_basebackup


def test_a_copy_of_the_cluster_is_verified_and_starts(shop: Shop, pg_bin: PostgresBinaries) -> None:
    """pg_verifybackup holds it against its manifest, a flipped byte is told, and a server runs on a copy of it."""
    if not has_basebackup(pg_bin) or not pg_bin.program("pg_verifybackup").exists():
        pytest.skip("this PostgreSQL has no pg_basebackup, or nothing to verify one with")
    shop.config("backup: {method: pg_basebackup}\n")
    shop.sql("CREATE TABLE users AS SELECT i AS id FROM generate_series(1, 50) AS i")
    backup = shop.take()
    place = Path(backup.place)
    assert place.name == "cluster" and backup.tables is None
    with server_folder() as (folder, user):
        server = PrivateServer(folder, reachable_binaries(pg_bin, user), user)
        shutil.copytree(place, server.data_dir, symlinks=True, dirs_exist_ok=True)
        if os.geteuid() == 0:
            for path in (server.data_dir, *server.data_dir.rglob("*")):
                os.chown(path, user.uid, user.gid)
        server.data_dir.chmod(0o700)
        with running(server):
            assert server.execute("SELECT count(*) FROM users", dbname=shop.database.name) == [(50,)]
    assert erm_alembic.backup.verify("dev").id == backup.id
    for restoring in (lambda: erm_alembic.backup.restore("dev"), lambda: shop.put_back("users")):
        with pytest.raises(BackupError, match=r"cluster|pg_basebackup"):
            restoring()
    victim = next(path for path in (place / "base").rglob("*") if path.is_file() and path.stat().st_size)
    with victim.open("r+b") as file:
        file.write(b"\xff\xff")
    with pytest.raises(BackupError, match="has other bytes than when it was written"):
        erm_alembic.backup.verify("dev")
    with contextlib.suppress(OSError):
        shutil.rmtree(place.parent)
