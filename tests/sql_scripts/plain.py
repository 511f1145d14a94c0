"""Plain `alembic` in a process that cannot import erm: what a team has that went back to it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

NEEDED = ("alembic", "sqlalchemy", "mako", "markupsafe", "psycopg2", "typing_extensions", "greenlet")
MAIN = """
import sys
sys.path[:0] = {folders!r}
try:
    import erm_alembic
except ImportError:
    pass
else:
    raise SystemExit("erm_alembic can be imported")
from alembic.config import main
main(argv=sys.argv[1:])
"""


def plain_packages(folder: Path) -> Path:
    """A folder that has what Alembic needs, and not erm."""
    folder.mkdir()
    for name in NEEDED:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue  # greenlet is missing where nothing needs it
        origin = Path(spec.origin)
        found = origin.parent if origin.name == "__init__.py" else origin
        (folder / found.name).symlink_to(found)
        for beside in found.parent.glob(f"{name}*.libs"):
            (folder / beside.name).symlink_to(beside)
    return folder


def plain_alembic(packages: Path, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `alembic` with arguments in a project."""
    return subprocess.run(
        # Without `site` nothing of this environment is on sys.path but the standard library.
        [sys.executable, "-S", "-E", "-c", MAIN.format(folders=[str(packages)]), *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
