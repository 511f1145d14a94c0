"""The documentation as a site: the pages of docs/ as they are, and README.md as the first one.

python -m tests.docs.site [FOLDER]      builds it, with strict links, into FOLDER (default: .site/out)

The pages are written to be read in the repository. For the site they are copied, and two things are put right on the
way: what they link to outside of docs/ comes along, and a list that follows a paragraph gets the empty line that
Python-Markdown wants. The reference pages are made from the code (`generated.py`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.docs.generated import PAGES
from tests.support.cli import REPOSITORY

__all__ = ["OUT", "build", "pages_of", "staged"]

OUT = REPOSITORY / ".site" / "out"
LINK = re.compile(r"(?<=\]\()(?P<target>[^)#\s]+)(?P<rest>#[^)\s]*)?(?=[^)]*\))")
FENCE = re.compile(r"^(`{3,}|~{3,})")
ITEM = re.compile(r"^(?:[-*+]|\d+[.)]) ")
CODE = re.compile(r"`[^`]+`")
# Where the files are that pages link to and that are none themselves.
FILES = "files"


def staged(folder: Path) -> Path:
    """Put the pages and the site's configuration into a folder, as the generator wants them.

    Args:
        folder: an empty folder.

    Returns:
        The configuration.
    """
    pages = folder / "docs"
    shutil.copytree(REPOSITORY / "docs", pages)
    shutil.copyfile(REPOSITORY / "README.md", pages / "index.md")
    for page in sorted(pages.rglob("*.md")):
        place = REPOSITORY if page.name == "index.md" else REPOSITORY / "docs" / page.relative_to(pages).parent
        page.write_text(_as_page(page.read_text(encoding="utf-8"), place, page, pages), encoding="utf-8")
    for name, made in PAGES.items():
        (pages / name).parent.mkdir(exist_ok=True)
        (pages / name).write_text(made(), encoding="utf-8")
    configuration = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"))
    configuration |= {"docs_dir": "docs", "site_dir": "out", "nav": [*_nav(configuration["nav"], pages)]}
    written = folder / "mkdocs.yml"
    written.write_text(yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return written


def _nav(nav: list[Any], pages: Path) -> Iterator[Any]:
    """What mkdocs.yml says, and the pages that it does not name yet."""
    yield from nav
    named = set(pages_of(nav))
    further = [page.relative_to(pages).as_posix() for page in sorted(pages.glob("*.md"))]
    unnamed = [page for page in further if page not in named]
    if unnamed:
        yield {"Further pages": unnamed}
    for title, part in (("Checks", "checks"), ("Decisions", "decisions")):
        yield {title: sorted(page.relative_to(pages).as_posix() for page in (pages / part).glob("*.md"))}


def pages_of(nav: Any) -> Iterator[str]:
    """The pages that a navigation names.

    Args:
        nav: the member `nav` of mkdocs.yml, or a part of it.
    """
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, Mapping):
        for each in nav.values():
            yield from pages_of(each)
    else:
        for each in nav:
            yield from pages_of(each)


def _as_page(text: str, place: Path, page: Path, pages: Path) -> str:
    """The text of a page as the site has it."""
    fence: str | None = None
    lines: list[str] = []
    for line in text.split("\n"):
        found = FENCE.match(line.lstrip())
        if found is not None:
            fence = None if fence is not None and found[1].startswith(fence) else fence or found[1]
        elif fence is None:
            before = lines[-1] if lines else ""
            if ITEM.match(line) and before and not ITEM.match(before) and not before.startswith((" ", "|", "#")):
                lines.append("")
            if line.startswith("|"):
                line = CODE.sub(lambda code: code[0].replace("\\|", "|"), line)  # GitHub alone wants it escaped in code
            line = LINK.sub(lambda link: _target(link, place, page, pages), line)
        lines.append(line)
    return "\n".join(lines)


def _target(link: re.Match[str], place: Path, page: Path, pages: Path) -> str:
    """What a link leads to, from where the page stands in the site."""
    target, rest = link["target"], link["rest"] or ""
    if "://" in target or target.startswith("mailto:"):
        return link[0]
    found = (place / target).resolve()
    docs = REPOSITORY / "docs"
    if found.is_relative_to(docs):
        there = pages / found.relative_to(docs)
        there = there / "README.md" if there.is_dir() and (there / "README.md").exists() else there
    else:
        there = _brought_along(found, pages)
    return Path(os.path.relpath(there, page.parent)).as_posix() + rest


def _brought_along(found: Path, pages: Path) -> Path:
    """A file that no page is: a copy of it; of a folder, the page that says what is in it."""
    if found == REPOSITORY / "README.md":
        return pages / "index.md"
    if found.is_dir():
        listing, found = sorted(each.name for each in found.iterdir() if each.is_file()), found / "README.md"
        if not found.exists():
            there = pages / FILES / found.relative_to(REPOSITORY)
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_text(
                f"# {found.parent.name}\n\n" + "".join(f"- `{name}`\n" for name in listing), encoding="utf-8"
            )
            return there
    inside = found.relative_to(REPOSITORY).as_posix().lstrip(".")
    there = pages / FILES / (inside if found.suffix == ".md" else f"{inside}.txt")
    if found.is_file() and not there.exists():
        there.parent.mkdir(parents=True, exist_ok=True)
        text = found.read_text(encoding="utf-8")
        # Its own links are for the repository.
        there.write_text(LINK.sub("#", text) if found.suffix == ".md" else text, encoding="utf-8")
    return there


def build(out: Path) -> str:
    """Build the site, with strict links.

    Args:
        out: where it is to stand; what was there is replaced.

    Returns:
        What the generator said.

    Raises:
        subprocess.CalledProcessError: a link leads nowhere, or something else is amiss.
    """
    stage = out.parent / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    shutil.rmtree(out, ignore_errors=True)
    stage.mkdir(parents=True)
    configuration = staged(stage)
    program = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "-f", configuration.name]
    done = subprocess.run(
        program, cwd=stage, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"}
    )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, program, done.stdout, done.stderr)
    shutil.move(stage / "out", out)
    shutil.rmtree(stage)
    return done.stdout


if __name__ == "__main__":
    place = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else OUT
    try:
        build(place)
    except subprocess.CalledProcessError as error:
        print(error.stdout, error.stderr, sep="\n", file=sys.stderr)
        sys.exit(1)
    print(f"The documentation is at {place / 'index.html'}")
