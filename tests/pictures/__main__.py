"""Make the pictures of docs/pictures anew: `make pictures`. They are taken of real runs on a filled sample shop."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.pictures.comment import comment
from tests.pictures.story import Shop, shop
from tests.pictures.terminal import picture, shown
from tests.report.browser import chromium, opened, why_not
from tests.support.cli import REPOSITORY

PLACE = REPOSITORY / "docs" / "pictures"
PLAN = ("migrate", "--mode", "plan", "--env", "dev")
# What the README shows is the first half of it.
TERMINALS = ((PLAN, 80), (PLAN, 200), ((*PLAN, "--to", "91d3f6a8c2e0"), 100))


@dataclass(frozen=True)
class Shot:
    """A picture of a page.

    Args:
        name: the picture's name.
        page: the page's file.
        width: how wide the window is.
        height: how much of the page is shown; None for the part that is named.
        part: which part of the page is shown; None for its beginning.
        scheme: whether by light or by night.
    """

    name: str
    page: str
    width: int
    height: int | None = None
    part: str | None = None
    scheme: Literal["light", "dark"] = "light"


SHOTS = (
    Shot("report-desktop", "plan.html", 1100, 1300),
    Shot("report-desktop-dark", "plan.html", 1100, 1300, scheme="dark"),
    Shot("report-phone", "plan.html", 360, 1300),
    Shot("report-phone-dark", "plan.html", 360, 1300, scheme="dark"),
    Shot("report-graph", "plan.html", 720, part="#graph"),
    Shot("report-run", "run.html", 1100, 800),
    Shot("comment", "comment.html", 860, 900),
)


def terminals(project: Shop) -> Iterator[str]:
    """What a terminal of so many columns shows of a plan."""
    for words, columns in TERMINALS:
        command = (sys.executable, "-m", "erm_alembic", *words)
        result = shown(command, columns=columns, cwd=project.root, env=project.environ)
        assert result.exit_code == 0, result.text
        name = f"terminal-{columns}.svg"
        (PLACE / name).write_text(picture(result, f"erm {' '.join(words)}", columns), encoding="utf-8")
        yield name


def pages(project: Shop) -> None:
    """The reports of a plan and of its run, in the project's folder."""
    project.erm(*PLAN, "--report", "plan.html", "--report", "plan.md")
    project.erm("migrate", "--env", "dev", "--rehearse", "--report", "run.html")
    markdown = (project.root / "plan.md").read_text(encoding="utf-8")
    (project.root / "comment.html").write_text(comment(markdown), encoding="utf-8")


def shots(folder: Path) -> Iterator[str]:
    """A picture of each page, in the browser."""
    with chromium() as browser:
        for shot in SHOTS:
            with opened(browser, folder / shot.page, width=shot.width, height=900, scheme=shot.scheme) as page:
                assert (page.console, page.requests) == ([], [])
                _take(page.handle, shot)
                yield f"{shot.name}.png"


def _take(handle: Any, shot: Shot) -> None:
    path = str(PLACE / f"{shot.name}.png")
    if shot.part is not None:
        handle.locator(shot.part).screenshot(path=path)
        return
    whole = handle.evaluate("document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": shot.width, "height": min(shot.height or whole, whole)}
    handle.screenshot(path=path, full_page=True, clip=clip)


def main() -> int:
    """Make them all; 0 when they are there."""
    problem = why_not()
    if problem is not None:
        print(f"The pictures need a browser, and {problem}.", file=sys.stderr)
        return 1
    PLACE.mkdir(exist_ok=True)
    with shop() as project:
        made = [*terminals(project)]
        pages(project)
        made += shots(project.root)
    for name in made:
        print(f"docs/pictures/{name}  {(PLACE / name).stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
