"""Where the server's programs are found, in which order, and what is said when there are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded import binaries as module
from erm_alembic.postgres.embedded.binaries import PostgresBinaries, find_binaries, installed_binaries


def fake_installation(folder: Path, version: str) -> Path:
    """A folder of programs that say they are PostgreSQL of a version."""
    folder.mkdir(parents=True)
    for name in ("initdb", "pg_ctl", "postgres"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n", "utf-8")
        program.chmod(0o755)
    return folder


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a system PostgreSQL and without the wheel."""
    monkeypatch.setattr(module, "SYSTEM_ROOT", tmp_path / "none")
    monkeypatch.setattr(module, "WHEEL_PACKAGE", "no_such_wheel")


def test_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ERM_PG_BIN comes before PATH, PATH before the system's newest, and that before the wheel."""
    system = tmp_path / "system"
    for version in ("9", "14", "16"):
        fake_installation(system / version / "bin", version)
    monkeypatch.setattr(module, "SYSTEM_ROOT", system)
    wheel = fake_installation(tmp_path / "wheel", "18.6")
    monkeypatch.setattr(module, "_wheel_bin_dir", lambda: wheel)
    on_path = fake_installation(tmp_path / "path", "17.2 (Debian 17.2-1)")
    named = fake_installation(tmp_path / "named", "15.1")
    found = installed_binaries({"PATH": str(on_path)})
    assert [(item.origin, item.major) for item in found] == [
        ("PATH", 17),
        ("system", 16),
        ("system", 14),
        ("wheel", 18),
    ]
    chosen = find_binaries({"PATH": str(on_path), "ERM_PG_BIN": str(named)})
    assert chosen == PostgresBinaries(named, 15, "ERM_PG_BIN")
    assert find_binaries({"PATH": ""}).major == 16
    assert find_binaries({"PATH": str(on_path)}, major=14).major == 14
    assert find_binaries({"PATH": str(on_path)}, major=13).major == 17


def test_a_link_on_path_leads_to_its_companions(tmp_path: Path, nothing_installed: None) -> None:
    """`pg_ctl` alone in PATH as a link is followed to the folder where initdb stands."""
    home = fake_installation(tmp_path / "home", "16.1")
    links = tmp_path / "links"
    links.mkdir()
    (links / "pg_ctl").symlink_to(home / "pg_ctl")
    assert find_binaries({"PATH": str(links)}) == PostgresBinaries(home, 16, "PATH")


def test_nothing_found(nothing_installed: None) -> None:
    """Without any PostgreSQL the error names both ways to one."""
    with pytest.raises(ServerError) as caught:
        find_binaries({"PATH": ""})
    assert caught.value.what == (
        "No PostgreSQL server was found: ERM_PG_BIN, PATH, /usr/lib/postgresql and the wheel have none."
    )
    assert caught.value.cure == (
        "Type: pip install 'erm-alembic[embedded]'   or set ERM_PG_BIN to the folder with initdb."
    )


@pytest.mark.parametrize(
    ("version", "message"),
    [(None, "holds no PostgreSQL server."), ("12.9", "is PostgreSQL 12; erm needs 13 or newer.")],
)
def test_a_wrong_erm_pg_bin_is_not_passed_over(tmp_path: Path, version: str | None, message: str) -> None:
    """A folder that the user named and that does not serve is an error, even where another would be found."""
    folder = tmp_path / "named"
    if version:
        fake_installation(folder, version)
    with pytest.raises(ServerError) as caught:
        find_binaries({"ERM_PG_BIN": str(folder), "PATH": os.environ["PATH"]})
    assert caught.value.what == f"ERM_PG_BIN={folder} {message}"
