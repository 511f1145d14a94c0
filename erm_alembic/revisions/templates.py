"""The templates of a new project: where they stand, and what their files are once the names are filled in.

A wheel carries them inside the package; in a checkout (an editable install) they stand beside it. Rendering
ends with bytes in memory, so that whoever writes them can do so all or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from erm_alembic.errors import ProjectError, UsageError

__all__ = ["CI_FILES", "TEMPLATES", "NewFile", "database_name", "project_files", "templates_directory", "workflow_file"]

TEMPLATES = ("generic", "async")

# For each forge: the template under alembic_templates/ci/, and the file that it becomes in the project.
CI_FILES: Mapping[str, tuple[str, PurePosixPath]] = {
    "github": ("github.yml", PurePosixPath(".github/workflows/migrations.yml")),
    "gitlab": ("gitlab.yml", PurePosixPath(".gitlab-ci.yml")),
}

SCRIPTS = PurePosixPath("migrations")
LONGEST_NAME = 63  # bytes: what PostgreSQL keeps of an identifier


@dataclass(frozen=True)
class NewFile:
    """A file that is to be written.

    Args:
        path: where, relative to the project's folder.
        content: its bytes.
    """

    path: PurePosixPath
    content: bytes


def templates_directory() -> Path:
    """The folder that holds one Alembic template directory a template.

    Raises:
        ProjectError: when this installation has lost them.

    Example:
        >>> (templates_directory() / "generic" / "env.py").is_file()
        True
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "alembic_templates", package.parent / "alembic_templates"):
        if all((folder / template / "env.py").is_file() for template in TEMPLATES):
            return folder
    raise ProjectError(
        f"The templates of new projects are not beside {package}.",
        effect="Nothing was written.",
        cure="This installation of erm-alembic is incomplete: install it again.",
    )


def database_name(folder: str) -> str:
    """A database name that needs no quotes, made of a folder's name.

    Args:
        folder: the name of the project's folder, whatever characters it has.

    Example:
        >>> database_name("Corner Shop (2)"), database_name("2049"), database_name("店")
        ('corner_shop_2', 'app_2049', 'app')
    """
    words = re.sub(r"[^a-z0-9]+", "_", folder.lower()).strip("_")
    if not words:
        return "app"
    return (words if words[0].isalpha() else f"app_{words}")[:LONGEST_NAME]


def project_files(template: str, database: str, ci: str | None = None) -> tuple[NewFile, ...]:
    """Everything that a new project consists of, ready to be written.

    Args:
        template: `generic` or `async`.
        database: the name of its database.
        ci: `github` or `gitlab` adds a workflow; None adds none.

    Raises:
        UsageError: when there is no such template or forge.
        ProjectError: when this installation has lost its templates.

    Example:
        >>> [str(file.path) for file in project_files("generic", "shop")][:2]
        ['alembic.ini', 'erm.yaml']
    """
    if template not in TEMPLATES:
        raise UsageError(
            f"There is no template {template!r}.",
            effect="Nothing was written.",
            cure=f"Choose one of: {', '.join(TEMPLATES)}.",
        )
    workflow = () if ci is None else (workflow_file(ci),)
    root = templates_directory()
    folder = root / template
    names = {"script_location": str(SCRIPTS), "database": database}
    files = [
        NewFile(PurePosixPath("alembic.ini"), _rendered(folder / "alembic.ini.mako", names)),
        NewFile(PurePosixPath("erm.yaml"), _rendered(folder / "erm.yaml.mako", names)),
    ]
    for name in ("README", "env.py", "script.py.mako"):
        # script.py.mako stays a template: Alembic fills it in for each new revision.
        files.append(NewFile(SCRIPTS / name, (folder / name).read_bytes()))
    files.append(NewFile(SCRIPTS / "versions" / ".gitkeep", b""))
    return (*files, *workflow)


def workflow_file(ci: str, *, rolls_back: bool = True) -> NewFile:
    """The workflow that plans and proves every change, ready to be written.

    Args:
        ci: `github` or `gitlab`.
        rolls_back: whether it takes the newest revision back; one that is exempt from having a downgrade cannot be.

    Raises:
        UsageError: when there is none for that forge.
        ProjectError: when this installation has lost its templates.

    Example:
        >>> str(workflow_file("github").path)
        '.github/workflows/migrations.yml'
    """
    if ci not in CI_FILES:
        raise UsageError(
            f"There is no workflow for {ci!r}.",
            effect="Nothing was written.",
            cure=f"Choose one of: {', '.join(CI_FILES)}.",
        )
    source, destination = CI_FILES[ci]
    lines = (templates_directory() / "ci" / source).read_bytes().splitlines(keepends=True)
    return NewFile(destination, b"".join(line for line in lines if rolls_back or b"--mode rollback" not in line))


def _rendered(path: Path, names: Mapping[str, str]) -> bytes:
    template: Any = import_module("mako.template")
    text: str = template.Template(text=path.read_text(encoding="utf-8"), strict_undefined=True).render(**names)
    return text.encode("utf-8")
