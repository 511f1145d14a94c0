"""The files of a squash: what is kept, what is written, and how both survive a process that is killed between them.

Nothing is deleted before a copy of it is kept, and after each step the project's revisions are one graph. What is under
way is noted beforehand, so that another process can finish it, or put everything back.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from erm_alembic.errors import ProjectError, UsageError
from erm_alembic.revisions.source.squashed import FOLDER, UNDER_WAY

__all__ = ["Work", "begin", "finish", "go", "kept_names", "put_back", "under_way_in"]

NEW = "new"
MANIFEST = "squash.json"


@dataclass(frozen=True)
class Work:
    """What a squash does to the files of a project; paths are relative to the script location.

    Args:
        revision: the revision that the others become.
        folder: where the old files are kept.
        stub: the revision file of that revision, which the new one takes the place of.
        name: where the new revision file ends up.
        moved: the old files, each with its name in the folder; a revision before those that build on it.
        written: the other new files, each with its name in the folder.
        expected: the digest of what the old revisions make.
    """

    revision: str
    folder: str
    stub: str
    name: str
    moved: tuple[tuple[str, str], ...]
    written: tuple[tuple[str, str], ...]
    expected: str


def under_way_in(scripts_dir: Path) -> Work | None:
    """The squash that a process was killed in; None where there is none.

    Args:
        scripts_dir: Alembic's script location.

    Raises:
        ProjectError: what was noted of it cannot be read.
    """
    try:
        told: dict[str, Any] = json.loads((scripts_dir / FOLDER / UNDER_WAY).read_text(encoding="utf-8"))
        pairs = {name: tuple((a, b) for a, b in told[name]) for name in ("moved", "written")}
        return Work(**{**told, **pairs})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ProjectError(
            f"What was noted of a squash that was cut off cannot be read: {scripts_dir / FOLDER / UNDER_WAY}.",
            effect="Nothing was changed.",
            cure="The old files are in folders beside it: put them back, or take them from version control.",
        ) from error


def begin(scripts_dir: Path, work: Work, new: dict[str, bytes]) -> None:
    """Keep copies of the old files and of the new ones, then note what is under way. No revision is touched.

    Args:
        scripts_dir: Alembic's script location.
        work: what is to be done.
        new: the content of the new files, by their names in the folder.

    Raises:
        ProjectError: a file cannot be read or written.
        UsageError: a new file would take the place of another one.
    """
    folder = scripts_dir / work.folder
    old = {path for path, _ in work.moved}
    for path, _ in (*work.written, (work.name, "")):
        if (scripts_dir / path).exists() and path not in old:
            raise UsageError(
                f"{scripts_dir / path} is there already.",
                effect="Nothing was changed.",
                cure="Choose another --message.",
            )
    with _as_project_error():
        (folder / NEW).mkdir(parents=True, exist_ok=True)
        for path, kept in work.moved:
            shutil.copy2(scripts_dir / path, folder / kept)
        for name, content in new.items():
            _write(folder / NEW / name, content)
        _write(folder / MANIFEST, _told(work))
        _write(scripts_dir / FOLDER / UNDER_WAY, _told(work))


def go(scripts_dir: Path, work: Work) -> None:
    """Put the new files in their places and take the old ones away; what is done already is not done again.

    Args:
        scripts_dir: Alembic's script location.
        work: what was begun.

    Raises:
        ProjectError: a file cannot be written.
    """
    folder = scripts_dir / work.folder
    new_of = dict(work.written)
    old = [path for path, _ in work.moved]
    with _as_project_error():
        for path, written in work.written:
            _write(scripts_dir / path, (folder / NEW / written).read_bytes())
        stub, name = scripts_dir / work.stub, scripts_dir / work.name
        content = (folder / NEW / Path(work.name).name).read_bytes()
        # From here on the revision stands for all before it, and these are a branch of their own that gets shorter.
        if not (name.exists() and name.read_bytes() == content):
            _write(stub, content)
        for path in reversed(old):
            if path not in (work.stub, work.name) and path not in new_of:
                (scripts_dir / path).unlink(missing_ok=True)
        if stub != name and stub.exists():
            stub.replace(name)


def put_back(scripts_dir: Path, work: Work) -> None:
    """Put the old files back and take the new ones away.

    Args:
        scripts_dir: Alembic's script location.
        work: what was begun.

    Raises:
        ProjectError: a file cannot be written.
    """
    folder = scripts_dir / work.folder
    old = dict(work.moved)
    with _as_project_error():
        if work.name not in old and (scripts_dir / work.name).exists():
            (scripts_dir / work.name).replace(scripts_dir / work.stub)
        for path, kept in work.moved:
            if path != work.stub:
                _write(scripts_dir / path, (folder / kept).read_bytes())
        _write(scripts_dir / work.stub, (folder / old[work.stub]).read_bytes())
        for path, _ in work.written:
            if path not in old:
                (scripts_dir / path).unlink(missing_ok=True)
                _beginning(scripts_dir / path).unlink(missing_ok=True)
        (scripts_dir / FOLDER / UNDER_WAY).unlink(missing_ok=True)
        shutil.rmtree(folder)
        with contextlib.suppress(OSError):
            (scripts_dir / FOLDER).rmdir()


def finish(scripts_dir: Path, work: Work) -> None:
    """Forget that anything was under way; the old files stay where they are kept.

    Args:
        scripts_dir: Alembic's script location.
        work: what was done.
    """
    with _as_project_error():
        shutil.rmtree(scripts_dir / work.folder / NEW, ignore_errors=True)
        (scripts_dir / FOLDER / UNDER_WAY).unlink(missing_ok=True)


def kept_names(paths: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """A name in one folder for each of some files, in which two of one name do not meet.

    Args:
        paths: the files.

    Example:
        >>> kept_names(["versions/a.py", "more/a.py", "versions/b.py"])
        (('versions/a.py', 'a.py'), ('more/a.py', 'a.2.py'), ('versions/b.py', 'b.py'))
    """
    taken: set[str] = set()
    found = []
    for path in paths:
        whole, number = Path(path), 1
        name = whole.name
        while name.casefold() in taken:
            number += 1
            name = f"{whole.stem}.{number}{whole.suffix}"
        taken.add(name.casefold())
        found.append((path, name))
    return tuple(found)


def _told(work: Work) -> bytes:
    return (json.dumps(asdict(work), indent=2, sort_keys=True) + "\n").encode("utf-8")


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is whole whenever it has its name."""
    beginning = _beginning(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with beginning.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    if path.exists():
        shutil.copymode(path, beginning)
    beginning.replace(path)


def _beginning(path: Path) -> Path:
    """What a file is called as long as it is not whole."""
    return path.with_name(f".{path.name}.new")


@contextlib.contextmanager
def _as_project_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ProjectError(
            f"The files of the squash cannot be written: {error.strerror or error} ({error.filename or ''}).",
            effect="What is under way is noted; nothing is lost.",
            cure="Make room, and make the folder writable; then type: erm squash --continue",
        ) from error
