"""The project's revision files, read as text: found on disk and parsed, never imported.

Fast enough for a pre-commit hook, and true even for a file whose import would fail. The graph that this gives
(ids, parents) is the one that stands in the files as constants, which is how Alembic's own template writes it.
"""

from __future__ import annotations

import ast
import gc
import os
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

from erm_alembic.errors import ProjectError
from erm_alembic.revisions.source.bindings import bindings, constant
from erm_alembic.revisions.source.downgrade import DowngradeReport, inspect_tree, parse_revision
from erm_alembic.revisions.source.exemption import exempt_ids
from erm_alembic.revisions.source.kept_values import kept_values
from erm_alembic.revisions.source.place import ProjectPlace
from erm_alembic.revisions.source.sql_pair import inspect_pair, pair_of, with_scripts
from erm_alembic.revisions.source.version_locations import version_locations

__all__ = [
    "RevisionFile",
    "decoded",
    "exempt_revisions",
    "files_of",
    "heads_of",
    "inspect_file",
    "list_python_files",
    "read_revision_files",
    "seems_known",
]


@dataclass(frozen=True)
class RevisionFile:
    """One revision file, as its text says it.

    Args:
        id: the revision's id; the file's name without its ending when the text does not give it as a constant.
        down_revisions: the ids that it builds on.
        depends_on: the ids that it declares in `depends_on`.
        path: the file, relative to the project's folder where it is inside.
        source: its text, with its SQL scripts where it is written in SQL.
        report: what is known about its down script.
    """

    id: str
    down_revisions: tuple[str, ...]
    path: str
    source: str = field(repr=False)
    report: DowngradeReport
    depends_on: tuple[str, ...] = ()


def list_python_files(folders: Iterable[Path], *, recursive: bool = False) -> tuple[Path, ...]:
    """The .py files that Alembic would load from version locations, by name.

    Args:
        folders: the version locations; one that does not exist is empty.
        recursive: whether their folders are searched too (`recursive_version_locations`).
    """
    found: dict[Path, None] = {}
    for folder in folders:
        for root, below, names in os.walk(folder):
            below[:] = sorted(name for name in below if name != "__pycache__") if recursive else []
            for name in sorted(names):
                if name.endswith(".py") and not name.startswith((".#", "__init__")):
                    found[Path(root, name)] = None
    return tuple(found)


def files_of(place: ProjectPlace, section: str = "alembic") -> tuple[Path, ...]:
    """The .py files in the version locations of a project.

    Args:
        place: where the project stands.
        section: the section of alembic.ini.

    Raises:
        ProjectError: its configuration cannot be read.
    """
    found = version_locations(place, section)
    return list_python_files(found.folders, recursive=found.recursive)


def read_revision_files(paths: Sequence[Path], root: Path) -> tuple[RevisionFile, ...]:
    """Read revision files; a Python file that declares no revision (env.py, a helper) is passed over.

    Args:
        paths: the files.
        root: the project's folder, which the paths in messages are relative to.

    Raises:
        ProjectError: files that cannot be read or are not valid Python, all of them in one message.
    """
    revisions: list[RevisionFile] = []
    errors: list[ProjectError] = []
    for path in _without_collector(paths):
        try:
            revision = _read(path, root)
        except ProjectError as error:
            errors.append(error)
        else:
            if revision is not None:
                revisions.append(revision)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ProjectError(
            f"{len(errors)} revision files cannot be read:\n" + "\n".join(f"  {error}" for error in errors),
            effect=errors[0].effect,
            cure="Correct these files, then run the command again.",
        )
    return tuple(revisions)


def _without_collector(paths: Sequence[Path]) -> Iterator[Path]:
    """The paths, with the cyclic collector at rest: trees are millions of small objects that are freed one by one."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield from paths
    finally:
        if was_enabled:
            gc.enable()


def _read(path: Path, root: Path) -> RevisionFile | None:
    shown = _relative(path, root)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ProjectError(
            f"{shown}: this file cannot be read: {error.strerror or error}.",
            effect="Its down script is unknown. Nothing was changed.",
            cure=f"Check that {shown} exists and may be read.",
        ) from error
    # An env.py or a helper needs no closer look, and may be written in any way it likes.
    if b"revision" not in content:
        return None
    tree = parse_revision(content, shown)
    own = bindings(tree.body, "revision")
    if not own and not bindings(tree.body, "down_revision"):
        return None
    identifier = constant(own[-1]) if own and isinstance(own[-1], ast.expr) else None
    return RevisionFile(
        id=identifier if isinstance(identifier, str) else path.stem,
        down_revisions=_names(tree, "down_revision"),
        path=shown,
        source=with_scripts(decoded(content), content, path),
        report=_inspect(tree, path, shown),
        depends_on=_names(tree, "depends_on"),
    )


def inspect_file(content: bytes, path: Path, shown: str) -> DowngradeReport:
    """Tell whether a revision can be rolled back, from its file and the SQL scripts beside it.

    Args:
        content: the file's bytes.
        path: the file.
        shown: its name, for error messages.

    Raises:
        ProjectError: the file is not valid Python, or a script cannot be read as SQL.
    """
    return _inspect(parse_revision(content, shown), path, shown)


def _inspect(tree: ast.Module, path: Path, shown: str) -> DowngradeReport:
    pair = pair_of(tree)
    report = inspect_tree(tree) if pair is None else inspect_pair(pair, path.parent, shown)
    kept = kept_values(tree)
    return replace(report, keeps=kept) if kept else report


def decoded(content: bytes) -> str:
    """The text of a Python file, in the encoding that it declares.

    Args:
        content: the bytes of a file that Python can read.

    Example:
        >>> decoded(b"# coding: latin-1\\n# \\xe9")[-1]
        'é'
    """
    encoding, _ = tokenize.detect_encoding(BytesIO(content).readline)
    return content.decode(encoding)


def _relative(path: Path, root: Path) -> str:
    try:
        return path.absolute().relative_to(root.absolute()).as_posix()
    except ValueError:
        return path.as_posix()


def _names(tree: ast.Module, name: str) -> tuple[str, ...]:
    """The ids in `down_revision` or `depends_on`: one string, several, or None."""
    found = bindings(tree.body, name)
    value = constant(found[-1]) if found and isinstance(found[-1], ast.expr) else None
    if isinstance(value, str):
        return (value,)
    return tuple(part for part in value if isinstance(part, str)) if isinstance(value, tuple) else ()


def heads_of(revisions: Iterable[RevisionFile]) -> tuple[str, ...]:
    """The revisions that no other one builds on, sorted by id.

    Example:
        >>> ok = DowngradeReport("ok")
        >>> heads_of([RevisionFile("a", (), "a.py", "", ok), RevisionFile("b", ("a",), "b.py", "", ok)])
        ('b',)
    """
    known = tuple(revisions)
    parents = {parent for revision in known for parent in revision.down_revisions}
    return tuple(sorted({revision.id for revision in known} - parents))


def seems_known(place: ProjectPlace, revision: str, section: str = "alembic") -> bool:
    """Whether some revision file has this id, or the beginning of one, in its name or anywhere in its text.

    It is asked where loading every revision would take too long only to be right: False says that it is worth it.

    Args:
        place: where the project stands.
        revision: the id, or the beginning of one.
        section: the section of alembic.ini.
    """
    try:
        files = files_of(place, section)
        if any(revision in file.name for file in files):
            return True
        return any(revision.encode() in file.read_bytes() for file in files)
    except (OSError, ProjectError):
        return True  # what cannot be read is told by whoever needs it


def exempt_revisions(revisions: Iterable[RevisionFile], since: str | None) -> frozenset[str]:
    """The revisions that `safety.downgrades_since` exempts: that one and everything it builds or depends on.

    Args:
        revisions: all the revisions of the project.
        since: a revision id, or a beginning of one that fits no other; None exempts nothing.

    Raises:
        ConfigurationError: no revision, or more than one, is meant.
    """
    return exempt_ids({each.id: (*each.down_revisions, *each.depends_on) for each in revisions}, since)
