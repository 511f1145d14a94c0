"""`erm init`: a new project, all of it or nothing."""

from __future__ import annotations

import contextlib
import importlib.util
import shlex
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import VerboseOption
from erm_alembic.errors import ErmError, ServerError, UsageError
from erm_alembic.render.safe import one_line

if TYPE_CHECKING:
    from erm_alembic.revisions.templates import NewFile

__all__ = ["adopt_project", "register", "write_project"]


EXAMPLES = """\b
Examples:
  erm init                                  a new project here
  erm init services/shop --template async --ci github
  erm init --adopt                          only erm.yaml, beside alembic.ini
  erm init --adopt --ci github              and a workflow
"""


class Template(StrEnum):
    """What env.py runs on."""

    GENERIC = "generic"
    ASYNC = "async"


class Forge(StrEnum):
    """Where the workflow runs."""

    GITHUB = "github"
    GITLAB = "gitlab"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command("init", epilog=EXAMPLES)
    def init(
        directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where: created when missing.")] = Path(),
        template: Annotated[
            Template, typer.Option(help="env.py on a synchronous or an asynchronous engine.")
        ] = Template.GENERIC,
        ci: Annotated[Forge | None, typer.Option(help="Write a workflow that plans and proves every change.")] = None,
        adopt: Annotated[
            bool, typer.Option("--adopt", help="Add only erm.yaml (and --ci), to the Alembic project that is there.")
        ] = False,
        verbose: VerboseOption = False,
    ) -> None:
        """Start a new project: alembic.ini, migrations/ and erm.yaml. Never overwrites a file."""
        if adopt:
            for path in adopt_project(directory, ci.value if ci else None):
                console.write(f"created {one_line(str(path))}\n")
            console.write(_what_next_adopted(directory) + "\n")
            return
        created = write_project(directory, template.value, ci.value if ci else None)
        for path in created:
            console.write(f"created {one_line(str(path))}\n")
        console.write(_what_next(directory, template.value) + "\n")


def write_project(directory: Path, template: str, ci: str | None = None) -> tuple[Path, ...]:
    """Write a new project; on any failure take away again what was written.

    Args:
        directory: the project's folder; created when missing.
        template: `generic` or `async`.
        ci: `github`, `gitlab` or None.

    Returns:
        The files created, in order.

    Raises:
        UsageError: when files stand in the way (nothing is written), or there is no such template.
        ErmError: when the folder cannot be written to (nothing is left behind).

    Example:
        `write_project(Path("shop"), "generic")`
    """
    from erm_alembic.revisions.templates import database_name, project_files

    return _write(directory, project_files(template, database_name(directory.resolve().name), ci))


def adopt_project(directory: Path, ci: str | None = None) -> tuple[Path, ...]:
    """Write the erm.yaml of an existing Alembic project, a workflow where one is asked for, and nothing else.

    Args:
        directory: the project's folder, where its alembic.ini stands.
        ci: `github`, `gitlab` or None.

    Returns:
        The files created.

    Raises:
        UsageError: when one of the files is there already, or there is no such folder.
        ProjectError: when there is no Alembic project, or it cannot be read.
        ErmError: when the folder cannot be written to.

    Example:
        `adopt_project(Path("shop"))`
    """
    from erm_alembic.revisions.adoption import EXEMPTED, adoption_file
    from erm_alembic.revisions.templates import database_name, workflow_file

    adopted = adoption_file(directory, database_name(directory.resolve().name))
    workflow = () if ci is None else (workflow_file(ci, rolls_back=EXEMPTED not in adopted.content),)
    return _write(directory, (adopted, *workflow))


def _write(directory: Path, files: tuple[NewFile, ...]) -> tuple[Path, ...]:
    _refuse_to_overwrite(directory, files)
    with _all_or_nothing(directory) as created:
        for file in files:
            path = directory / file.path
            _make_folder(path.parent, created)
            with path.open("xb") as stream:
                created.append(path)
                stream.write(file.content)
    return tuple(path for path in created if path.is_file())


def _refuse_to_overwrite(directory: Path, files: tuple[NewFile, ...]) -> None:
    in_the_way = _in_the_way(directory, files)
    if not in_the_way:
        return
    listed = ", ".join(str(path) for path in in_the_way)
    verb = "is" if len(in_the_way) == 1 else "are"
    cure = "Choose another folder (`erm init DIR`), or move what is in the way."
    if any(path.name == "alembic.ini" for path in in_the_way):
        cure = (
            "`erm init --adopt` adds an erm.yaml to an existing Alembic project and leaves the rest as it is; "
            "without one, set ERM_DATABASE_URL and type `erm migrate --mode plan`. For a new project choose another "
            "folder: `erm init DIR`."
        )
    raise UsageError(
        f"{listed} {verb} there already.",
        effect="Nothing was written: erm init never overwrites.",
        cure=cure,
    )


def _in_the_way(directory: Path, files: tuple[NewFile, ...]) -> list[Path]:
    """What the new files would replace or mix with: a file, a filled migrations/, a file for a folder."""
    found: list[Path] = []
    if _occupied(directory) and not directory.is_dir():
        return [directory]
    for file in files:
        for parent in reversed(file.path.parents[:-1]):
            folder = directory / parent
            foreign = str(parent) == "migrations" and folder.is_dir() and any(folder.iterdir())
            if foreign or (_occupied(folder) and not folder.is_dir()):
                found.append(folder)
        if _occupied(directory / file.path):
            found.append(directory / file.path)
    unique = list(dict.fromkeys(found))
    return [path for path in unique if not any(other in path.parents for other in unique)]


def _occupied(path: Path) -> bool:
    """True for anything at all, a link that leads nowhere included."""
    return path.is_symlink() or path.exists()


def _make_folder(folder: Path, created: list[Path]) -> None:
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for path in reversed(missing):
        path.mkdir()
        created.append(path)


@contextlib.contextmanager
def _all_or_nothing(directory: Path) -> Iterator[list[Path]]:
    created: list[Path] = []
    try:
        yield created
    except BaseException as error:
        for path in reversed(created):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        if not isinstance(error, OSError):
            raise
        raise ErmError(
            f"{directory} cannot be written to: {error.strerror or error} ({error.filename or directory}).",
            effect="Nothing was left behind.",
            cure="Make room or make the folder writable, or choose another: `erm init DIR`.",
        ) from error


def _what_next(directory: Path, template: str) -> str:
    lines = _next(directory)
    if template == "async" and not all(map(importlib.util.find_spec, ("greenlet", "asyncpg"))):
        lines.append("  pip install 'erm-alembic[async]'")
    lines += [
        '  erm new "first tables"       # then write its upgrade() and downgrade()',
        f"  erm migrate --mode plan      # on a private PostgreSQL{_without_programs()}",
        "  erm migrate",
    ]
    return "\n".join(lines)


def _what_next_adopted(directory: Path) -> str:
    lines = [
        *_next(directory),
        "  erm config check",
        f"  erm migrate --mode plan      # on a private PostgreSQL{_without_programs()}",
    ]
    return "\n".join(lines)


def _next(directory: Path) -> list[str]:
    lines = ["", "Next:"]
    if directory.resolve() != Path.cwd():
        lines.append(f"  cd {one_line(shlex.quote(str(directory)))}")
    return lines


def _without_programs() -> str:
    """What gives the private server its programs, where this machine has none."""
    from erm_alembic.postgres.embedded.binaries import find_binaries

    try:
        find_binaries()
    except ServerError:
        return ": pip install 'erm-alembic[embedded]'"
    return ""
