"""The front of the cache: what is known of the graph without loading a revision file, and how it is remembered.

It answers one question only, the one that is asked at every deployment: is there anything to do? Whatever is pending,
unknown or odd, Alembic loads every file as ever. The memo is trusted while each file is provably the one that it was
made from (`listing`); a file that had been changed within the clock's own coarseness is read again and compared.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import alembic
from alembic.script import Script, ScriptDirectory

from erm_alembic.revisions.cache.listing import Identity, identity_of, list_files
from erm_alembic.revisions.cache.memo import Memo, from_bytes, to_bytes
from erm_alembic.revisions.cache.place import is_off, read_kept, write_kept
from erm_alembic.revisions.cache.plain import NAMES, plain_names
from erm_alembic.revisions.facts import revision_hash
from erm_alembic.revisions.graph import parent_ids, version_folders
from erm_alembic.revisions.source.same_code import source_hash
from erm_alembic.revisions.source.sql_pair import script_files
from erm_alembic.revisions.source.squashed import squashed_in
from erm_alembic.version import __version__

__all__ = ["KnownGraph", "known_graph", "remember_graph"]

Clock = Callable[[], int]

# File systems keep time in steps, the coarsest (FAT) of two seconds: of a file that was changed within the last
# step, the next change need not show.
COARSEST_STEP_NS = 2_000_000_000
# Odd files are loaded at each start; of a project that consists of them nothing is gained.
MOST_ODD_FILES = 50


@dataclass(frozen=True)
class KnownGraph:
    """What is known without loading a file.

    Args:
        complete_at: the recorded revisions of a database in which nothing is pending.
        heads: the heads of the graph, sorted.
        hashes: by revision id: SHA-256 of its file.
        parents: by revision id: the ids that it builds or depends on.
        squashed: by revision id: SHA-256 of the code that it stands for, where it was made of many.
    """

    complete_at: frozenset[str]
    heads: tuple[str, ...]
    hashes: Mapping[str, str]
    parents: Mapping[str, tuple[str, ...]]
    squashed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def agrees_with(self, applied: Mapping[str, str]) -> bool:
        """Whether no file is another one than was applied.

        Args:
            applied: by revision id: SHA-256 of its file when it was applied.
        """
        return all(
            self.hashes.get(revision, applied[revision]) == applied[revision]
            or applied[revision] in self.squashed.get(revision, ())
            for revision in applied
        )


def known_graph(root: Path, scripts: ScriptDirectory, clock: Clock = time.time_ns) -> KnownGraph | None:
    """What an earlier plan remembered, when every file is still the same; None when Alembic has to load them.

    Args:
        root: the project's folder.
        scripts: its script directory, of which nothing is loaded yet.
        clock: nanoseconds since the epoch.
    """
    if is_off() or scripts.sourceless:
        return None
    content = read_kept(root, _name(scripts))
    memo = None if content is None else from_bytes(content)
    try:
        now = clock()
        if memo is None or memo.key != _key(scripts):
            return None
        listing = list_files(_folders(scripts), recursive=scripts.recursive_version_locations)
        if listing.files != memo.files or listing.links != memo.links:
            return None
        if any(_identity(path) != identity for path, identity in memo.beside.items()):
            return None
        if not _same_content(memo.young):
            return None
        # At last, because these are loaded.
        if any(_as_alembic_reads(scripts, path) != read for path, read in memo.odd.items()):
            return None
        if memo.young:
            _keep(root, scripts, replace(memo, young=_still_young(memo, now)))
        return KnownGraph(
            complete_at=frozenset(memo.complete_at),
            heads=tuple(memo.heads),
            hashes={revision: kept[0] for revision, kept in memo.revisions.items()},
            parents={revision: tuple(kept[1]) for revision, kept in memo.revisions.items()},
            squashed={revision: tuple(kept[2]) for revision, kept in memo.revisions.items() if kept[2]},
        )
    # A damaged memo, an unreadable file, an odd file that cannot be loaded: Alembic's own loading will tell.
    except Exception:
        return None


def remember_graph(
    root: Path, scripts: ScriptDirectory, complete_at: Iterable[str], clock: Clock = time.time_ns
) -> None:
    """Remember what Alembic has loaded, for the next plan; where that is not possible, nothing happens.

    Args:
        root: the project's folder.
        scripts: its script directory, loaded.
        complete_at: the revisions of a database in which nothing is pending up to the heads.
        clock: nanoseconds since the epoch.
    """
    if is_off() or scripts.sourceless:
        return
    try:
        memo = _memo(scripts, sorted(complete_at), clock())
        if memo is not None:
            _keep(root, scripts, memo)
    # Whatever a revision's file puts in its names may be what JSON does not have.
    except Exception:
        return


def _memo(scripts: ScriptDirectory, complete_at: Sequence[str], now: int) -> Memo | None:
    loaded = {script.path: script for script in scripts.walk_revisions()}
    listing = list_files(_folders(scripts), recursive=scripts.recursive_version_locations)
    real = {path: listing.links.get(path) or os.path.realpath(path) for path in listing.files}
    if sorted(real.values()) != sorted(loaded):
        return None  # Alembic found other files, or one of them twice
    memo = Memo(
        key=_key(scripts),
        files=listing.files,
        links=listing.links,
        beside={},
        young={},
        odd={},
        complete_at=list(complete_at),
        heads=sorted(scripts.get_heads()),
        revisions={},
    )
    for path in listing.files:
        _note(memo, path, loaded[real[path]])
    # Whatever was edited meanwhile is found out here, or, within the clock's coarseness, by its young hash.
    if any(_identity(path) != identity for path, identity in (*memo.files.items(), *memo.beside.items())):
        return None
    if len(memo.odd) > MOST_ODD_FILES or len(memo.revisions) != len(listing.files):
        return None
    return replace(memo, young=_still_young(memo, now))


def _note(memo: Memo, path: str, script: Script) -> None:
    """Read one revision's file, and what stands beside it, into the memo."""
    content = Path(path).read_bytes()
    memo.young[path] = source_hash(content)
    file = Path(script.path)
    for beside in script_files(content, file):
        identity = memo.beside[str(beside)] = _identity(str(beside))
        if identity:
            memo.young[str(beside)] = source_hash(beside.read_bytes())
    replaced = list(squashed_in(content).get(script.revision, ()))
    memo.revisions[script.revision] = [revision_hash(content, file), sorted(parent_ids(script)), replaced]
    if not _says_what_was_loaded(content, script):
        memo.odd[path] = _read_by_alembic(script)


def _says_what_was_loaded(content: bytes, script: Script) -> bool:
    """Whether the text alone says what Alembic found when it ran the file."""
    said = plain_names(content)
    if said is None or "revision" not in said or "down_revision" not in said:
        return False
    return all(_listed(said.get(name)) == _listed(getattr(script.module, name, None)) for name in NAMES)


def _as_alembic_reads(scripts: ScriptDirectory, path: str) -> list[Any] | None:
    script = Script._from_path(scripts, Path(path).resolve())
    return None if script is None else _read_by_alembic(script)


def _read_by_alembic(script: Script) -> list[Any]:
    return [script.revision, *(_listed(getattr(script.module, name, None)) for name in NAMES[1:])]


def _listed(value: Any) -> Any:
    """A value as JSON gives it back."""
    return sorted(map(str, value)) if isinstance(value, list | tuple | set | frozenset) else value


def _same_content(young: Mapping[str, str]) -> bool:
    return all(source_hash(Path(path).read_bytes()) == digest for path, digest in young.items())


def _identity(path: str) -> Identity:
    """Which file a path leads to; empty when to none."""
    try:
        return identity_of(os.stat(path))  # noqa: PTH116 - for thousands of files
    except FileNotFoundError:
        return []


def _still_young(memo: Memo, read_after: int) -> dict[str, str]:
    """The files whose times might not have changed if somebody had edited them after they were read.

    Args:
        memo: the memo, with the hash of each file that may be young.
        read_after: a moment before the first of them was read, in nanoseconds since the epoch.
    """
    settled = read_after - COARSEST_STEP_NS
    known = {**memo.files, **memo.beside}
    return {path: digest for path, digest in memo.young.items() if max(known[path][3:]) >= settled}


def _keep(root: Path, scripts: ScriptDirectory, memo: Memo) -> None:
    write_kept(root, _name(scripts), to_bytes(memo))


def _folders(scripts: ScriptDirectory) -> list[str]:
    return [str(folder) for folder in version_folders(scripts)]


def _name(scripts: ScriptDirectory) -> str:
    """One file a set of version locations: a project may have several."""
    place = "\0".join([*_folders(scripts), str(bool(scripts.recursive_version_locations))])
    return f"graph-{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}.json"


def _key(scripts: ScriptDirectory) -> dict[str, Any]:
    folders = _folders(scripts)
    return {
        "folders": folders,
        "real_folders": [os.path.realpath(folder) for folder in folders],
        "recursive": bool(scripts.recursive_version_locations),
        "erm": __version__,
        "alembic": alembic.__version__,
        "python": sys.version,
        "optimize": sys.flags.optimize,
    }
