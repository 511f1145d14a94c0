"""The sample projects' plans in every format, to the letter: `make snapshots` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from erm_alembic.render.formats import FORMATS, render
from tests.render.story import Told, normalised, tell
from tests.support.databases import RunningServer

SNAPSHOTS = Path(__file__).parent / "snapshots"
RENEWED = bool(os.environ.get("RENEW_SNAPSHOTS"))
NAMES = (
    "shop-first",
    "shop-applied",
    "shop-change",
    "shop-failed",
    "shop-rollback-blocked",
    "shop-rollback-refused",
    "shop-rolled-back",
    "branches",
    "every_kind",
)
ENDINGS = {"text": "txt", "json": "json", "markdown": "md", "github": "log", "gitlab": "gitlab.json", "sarif": "sarif"}
# A plan of more revisions is as long as all the others together.
MOST_OF_JSON = 3


@pytest.fixture(scope="module")
def told(newest_server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """All that happens to the sample projects."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        return {each.name: each for each in tell(newest_server, tmp_path_factory.mktemp("story"), monkeypatch)}


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_is_shown_as_it_was(name: str, told: dict[str, Told]) -> None:
    """Every format says the same of the same plan, release after release, unless somebody meant to change it."""
    story = told[name]
    differs = []
    for format_, ending in ENDINGS.items():
        if format_ == "json" and len(story.plan.steps) > MOST_OF_JSON:
            continue
        text = normalised(render(format_, story.plan, story.findings, story.outcome, story.how), story)
        file = SNAPSHOTS / f"{name}.{ending}"
        if RENEWED:
            file.write_text(text, encoding="utf-8")
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            differs.append(f"{file.name}:\n{text}")
    assert not differs, "make snapshots writes them anew\n" + "\n".join(differs)


def test_every_format_has_snapshots() -> None:
    """A new format is pinned too, but for the page, which has tests in a browser."""
    assert {each.name for each in FORMATS} - set(ENDINGS) == {"html"}
    names = {f"{name}.{ending}" for name in NAMES for ending in ENDINGS.values()}
    assert {file.name for file in SNAPSHOTS.iterdir()} <= names
