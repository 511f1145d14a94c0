"""Where the shadow is, and what it is built from: the file, a profile, a variable."""

from __future__ import annotations

from pathlib import Path

from erm_alembic.config.loader import load_settings

FILE = """
database:
  url: postgresql:///app
  environments:
    ci: {shadow: {from: live, rehearse: false}}
    prod: {shadow: {url: "postgresql://shadow:${SHADOW_PASSWORD}@ci/postgres"}}
shadow: {url: "postgresql:///base"}
"""


def test_a_profile_wins_key_by_key(tmp_path: Path, secret: str) -> None:
    """What a profile does not say is the base's; the address stays sealed until it is used."""
    (tmp_path / "erm.yaml").write_text(FILE)
    found = {
        name: load_settings(name, cwd=tmp_path, environ={"SHADOW_PASSWORD": secret}).shadow
        for name in ("dev", "ci", "prod")
    }
    assert [(each.source, each.rehearse) for each in found.values()] == [
        ("history", True),
        ("live", False),
        ("history", True),
    ]
    assert [each.url.database_url().database for each in found.values() if each.url] == ["base", "base", "postgres"]
    assert secret not in repr(found)


def test_the_variable_wins(tmp_path: Path) -> None:
    """ERM_SHADOW_URL stands instead of `shadow.url`, in every profile, and is said to be where it comes from."""
    (tmp_path / "erm.yaml").write_text(FILE)
    environ = {"ERM_SHADOW_URL": "postgresql:///other", "SHADOW_PASSWORD": "x"}
    for name in ("dev", "prod"):
        settings = load_settings(name, cwd=tmp_path, environ=environ)
        assert settings.shadow.url is not None and settings.shadow.url.reveal() == "postgresql:///other"
        assert settings.origins["shadow.url"] == "ERM_SHADOW_URL"
