"""The scripts of a revision that is written in SQL, read beside its file: what they are, and whether they go down.

Such a revision file names its scripts as constants, `upgrade_sql` and `downgrade_sql`; its functions only run them.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from erm_alembic.errors import ProjectError
from erm_alembic.revisions.source.bindings import bindings, constant
from erm_alembic.revisions.source.downgrade import DowngradeReport

if TYPE_CHECKING:
    from erm_alembic.revisions.sql.sql_scripts import Script, Statement

__all__ = [
    "SqlPair",
    "counted_in",
    "inspect_pair",
    "pair_of",
    "parted",
    "revisions_of_script",
    "script_files",
    "with_scripts",
]

UP, DOWN = "upgrade_sql", "downgrade_sql"
MARK = "# erm: sql-file "
# What stands in a script without doing anything by itself.
AROUND = frozenset({"BEGIN", "COMMIT", "END", "START"})


@dataclass(frozen=True)
class SqlPair:
    """The scripts of one revision: names of files that stand beside it; one name twice for a file with both halves.

    Args:
        up: the script on the way up.
        down: the script on the way down, which may be missing.
    """

    up: str
    down: str

    @property
    def names(self) -> tuple[str, ...]:
        """Its files, each once."""
        return tuple(dict.fromkeys((self.up, self.down)))


def pair_of(tree: ast.Module) -> SqlPair | None:
    """The scripts that a revision file names; None for a revision that is written in Python.

    Args:
        tree: the revision file's syntax tree.

    Example:
        >>> pair_of(ast.parse("upgrade_sql = '1_a.sql'; downgrade_sql = '1_a_down.sql'")).names
        ('1_a.sql', '1_a_down.sql')
    """
    found = []
    for name in (UP, DOWN):
        bound = bindings(tree.body, name)
        value = constant(bound[-1]) if bound and isinstance(bound[-1], ast.expr) else None
        if not isinstance(value, str) or Path(value).name != value or not value.endswith(".sql"):
            return None
        found.append(value)
    return SqlPair(*found)


def script_files(content: bytes, path: Path) -> tuple[Path, ...]:
    """The scripts that belong to a revision file, whether they are there or not: an edit of one is an edit of it.

    Args:
        content: the revision file's bytes.
        path: the revision file.
    """
    if UP.encode() not in content:
        return ()
    try:
        pair = pair_of(ast.parse(content))
    except (SyntaxError, ValueError):
        return ()
    return () if pair is None else tuple(path.with_name(name) for name in pair.names)


def counted_in(path: str, source: str, direction: str) -> str:
    """The file that the lines of a revision's statements count in: its script, or the revision file itself.

    Args:
        path: the revision file as it is shown.
        source: its text.
        direction: `upgrade` or `downgrade`.

    Example:
        >>> counted_in("versions/1_a.py", "upgrade_sql = '1_a.sql'; downgrade_sql = '1_a_down.sql'", "upgrade")
        'versions/1_a.sql'
        >>> counted_in("versions/3f9a1c.py", "def upgrade(): ...", "upgrade")
        'versions/3f9a1c.py'
    """
    try:
        pair = pair_of(ast.parse(source)) if UP in source else None
    except (SyntaxError, ValueError):
        return path
    if pair is None:
        return path
    return PurePosixPath(path).with_name(pair.up if direction == "upgrade" else pair.down).as_posix()


def revisions_of_script(script: Path) -> list[Path]:
    """The revision files that name a SQL script: a hook is given the script that was edited.

    Args:
        script: the script; any other file belongs to no revision.
    """
    if script.suffix != ".sql":
        return []
    beside = sorted(script.absolute().parent.glob("*.py"))
    return [file for file in beside if script.name in (each.name for each in script_files(file.read_bytes(), file))]


def with_scripts(source: str, content: bytes, path: Path) -> str:
    """A revision's source with the scripts that belong to it, as comments: what the ledger keeps and compares.

    Args:
        source: the revision file's text.
        content: its bytes.
        path: the file.
    """
    appended = []
    for file in script_files(content, path):
        try:
            text = file.read_bytes().decode("utf-8", "surrogateescape")
        except OSError:
            continue
        appended.append(f"{MARK}{json.dumps({'name': file.name, 'text': text})}\n")
    if not appended:
        return source
    return source + ("" if source.endswith("\n") else "\n") + "".join(appended)


def parted(source: str) -> tuple[str, dict[str, str]]:
    """A source that the ledger kept, as the revision file's own text and the texts of its scripts by name.

    Args:
        source: what `with_scripts` made; any other source has no scripts.

    Example:
        >>> parted('x = 1\\n# erm: sql-file {"name": "1_a.sql", "text": "SELECT 1"}\\n')
        ('x = 1\\n', {'1_a.sql': 'SELECT 1'})
    """
    lines = source.splitlines(keepends=True)
    scripts: dict[str, str] = {}
    while lines and lines[-1].startswith(MARK):
        kept = _kept(lines[-1].removeprefix(MARK))
        if kept is None:
            break
        scripts[kept[0]] = kept[1]
        lines.pop()
    return "".join(lines), dict(reversed(scripts.items()))


def _kept(line: str) -> tuple[str, str] | None:
    """The name and the text of a script that the ledger kept; None for a line that only looks like one."""
    try:
        found = json.loads(line)
        name, text = str(found["name"]), str(found["text"])
    except (ValueError, KeyError, TypeError):
        return None
    # What a ledger says must not lead out of the folder of its revision.
    return (name, text) if Path(name).name == name and name.endswith(".sql") else None


def inspect_pair(pair: SqlPair, folder: Path, shown: str) -> DowngradeReport:
    """Tell whether a revision that is written in SQL can be rolled back.

    Args:
        pair: its scripts.
        folder: where they stand.
        shown: the revision file's path, for what is said.

    Raises:
        ProjectError: a script cannot be read as SQL; the message names file, line and column.
    """
    down = _parsed(folder / pair.down, "down", shown)
    up = _parsed(folder / pair.up, "up", shown)
    reason = next((each.irreversible for each in (down, up) if each and each.irreversible), None)
    if reason is not None:
        return DowngradeReport("irreversible", reason=reason, script=pair.down, runs=bool(down and down.statements))
    if down is None or not down.exists:
        what = f"no {pair.down} beside it" if down is None else f"no `-- migrate:down` in {pair.down}"
        return DowngradeReport("missing", contains=what, script=pair.down, runs=False)
    if down.statements and any(map(_acts, down.statements)):
        return DowngradeReport("ok", down.statements[0].line, script=pair.down)
    if up is not None and not any(map(_acts, up.statements)):
        return DowngradeReport("ok", script=pair.down)
    line = down.statements[0].line if down.statements else 1
    contains = "only statements that change nothing" if down.statements else "only comments"
    return DowngradeReport("empty", line, contains=contains, script=pair.down)


def _parsed(path: Path, half: str, shown: str) -> Script | None:
    if not path.is_file():
        return None
    # Only where there is a script: most projects have none, and every plan passes here.
    from erm_alembic.revisions.sql.sql_scripts import ScriptError, parse, read

    try:
        return parse(read(path), path, half)
    except ScriptError as error:
        _, line, column = error.sql_place
        place = f"{Path(shown).with_name(path.name).as_posix()}:{line}:{column}"
        raise ProjectError(
            f"{place}: {error.said}",
            effect="The revision cannot be run. Nothing was changed.",
            cure=f"Correct {place.rsplit(':', 2)[0]}, then run the command again.",
        ) from error


def _acts(statement: Statement) -> bool:
    """Whether a statement can change anything: `SELECT 1` and a BEGIN by itself cannot."""
    words = statement.words
    if words[0] in AROUND:
        return False
    return words[0] != "SELECT" or "(" in words or "FROM" in words or "INTO" in words
