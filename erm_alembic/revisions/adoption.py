"""The erm.yaml of a project that exists already: the one file that `erm init --adopt` adds."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from erm_alembic.errors import UsageError
from erm_alembic.revisions.source.files import files_of, heads_of, read_revision_files
from erm_alembic.revisions.source.ini_address import address_in_ini
from erm_alembic.revisions.source.place import NoProject, find_place
from erm_alembic.revisions.templates import NewFile

__all__ = ["EXEMPTED", "adoption_file"]

# Stands in the file where revisions, the newest among them, are exempt from having a downgrade.
EXEMPTED = b"downgrades_since:"

_DATABASES = """\
# Which databases there are. `erm migrate --env NAME` chooses one; without --env it is ERM_ENV, or else dev.
# ERM_DATABASE_URL, when it is set, beats all of them.
database:
  environments:
    # A private PostgreSQL server, kept under .erm/ of this project and started when needed.
    dev: {{url: "embedded://{database}"}}
"""
_OF_ALEMBIC_INI = """\
    # The database of alembic.ini, whose sqlalchemy.url erm does not use: a profile, under the name that it deserves.
"""
_EXEMPTION = """
safety:
  # {count} of the revisions so far cannot be rolled back. This revision and those before it are exempt from the rule
  # that every revision has a downgrade; new ones are not.
  downgrades_since: {head}
"""
_SEVERAL_HEADS = """
# {count} of the revisions so far cannot be rolled back, which erm refuses. There are several heads ({heads}):
# merge them (`alembic merge heads`), then exempt the merge and what stands before it:
# safety: {{downgrades_since: REVISION}}
"""


def adoption_file(directory: Path, database: str) -> NewFile:
    """The erm.yaml for an existing Alembic project; the revisions are read as text, and none is imported.

    Args:
        directory: the project's folder, where its alembic.ini stands.
        database: the name of the database on the private server of `dev`.

    Returns:
        The file; it exempts the history from the down-script rule where a revision of it has no downgrade.

    Raises:
        UsageError: there is no folder of that name.
        ProjectError: there is no Alembic project in it, or it cannot be read.

    Example:
        `adoption_file(Path("shop"), "shop")`
    """
    if not directory.is_dir():
        raise UsageError(
            f"There is no folder {directory}.",
            effect="Nothing was written.",
            cure="Name the folder in which alembic.ini stands: `erm init DIR --adopt`.",
        )
    try:
        files = files_of(find_place(directory))
    except NoProject as error:
        raise NoProject(
            error.what,
            effect="Nothing was written.",
            cure="Name the folder in which alembic.ini stands (`erm init DIR --adopt`), or start a new project: "
            "`erm init`.",
        ) from error
    revisions = read_revision_files(files, directory)
    lacking = sum(1 for revision in revisions if revision.report.state in ("missing", "empty"))
    text = _DATABASES.format(database=database)
    if (directory / "alembic.ini").is_file() and (address := address_in_ini(directory / "alembic.ini")):
        text += _OF_ALEMBIC_INI + f"    # staging: {{url: {address}}}\n"
    heads = heads_of(revisions)
    if lacking and len(heads) == 1:
        # An id of digits alone is a number to other readers of YAML: JSON's quotes keep it a text.
        text += _EXEMPTION.format(count=lacking, head=json.dumps(heads[0]))
    elif lacking:
        text += _SEVERAL_HEADS.format(count=lacking, heads=", ".join(map(json.dumps, heads)))
    return NewFile(PurePosixPath("erm.yaml"), text.encode())
