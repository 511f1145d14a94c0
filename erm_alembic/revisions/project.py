"""Find the Alembic project that a team already has, and load it the way Alembic does."""

from __future__ import annotations

import configparser
import contextlib
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import alembic
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from erm_alembic.config.settings import Settings
from erm_alembic.errors import ProjectError
from erm_alembic.revisions.alembic_version import too_old
from erm_alembic.revisions.source.place import ProjectPlace, find_place

__all__ = ["AlembicOptions", "AlembicProject", "find_project"]


@dataclass(frozen=True)
class AlembicOptions:
    """Alembic's own command line options, which reach env.py unchanged.

    Args:
        x: `-x key=value` arguments, for `context.get_x_argument()`.
        name: the section of alembic.ini to read.
        tag: an arbitrary string, for `context.get_tag_argument()`.

    Example:
        >>> AlembicOptions(x=("tenant=acme",)).name
        'alembic'
    """

    x: tuple[str, ...] = ()
    name: str = "alembic"
    tag: str | None = None


@dataclass(frozen=True)
class AlembicProject:
    """Where a project's Alembic files stand.

    Args:
        root: the folder Alembic is run from: relative paths in the ini count from here.
        ini: alembic.ini, where there is one.
        toml: pyproject.toml, where it has a `[tool.alembic]` table.
        directory: the script location, where the configuration of erm names it.
        options: Alembic's own command line options.
    """

    root: Path
    ini: Path | None
    toml: Path | None
    directory: Path | None
    options: AlembicOptions = AlembicOptions()

    @property
    def place(self) -> ProjectPlace:
        """The same, for what reads the files without Alembic."""
        return ProjectPlace(self.root, self.ini, self.toml, self.directory)

    def config(self) -> Config:
        """A fresh Alembic configuration; env.py may change it, so each run has its own.

        Raises:
            ProjectError: the ini file cannot be read.
        """
        config = Config(
            str(self.ini) if self.ini else None,
            toml_file=str(self.toml) if self.toml else None,
            ini_section=self.options.name,
            stdout=sys.stderr,
            cmd_opts=Namespace(x=list(self.options.x), tag=self.options.tag, name=self.options.name),
        )
        # Alembic hands the folder to ConfigParser as it is, which takes a percent sign in it for an interpolation.
        try:
            values = config.file_config
        except configparser.Error as error:
            raise self._unreadable(error) from None
        values.set("DEFAULT", "here", values.defaults()["here"].replace("%", "%%"))
        if self.directory is not None:
            config.set_main_option("script_location", str(self.directory).replace("%", "%%"))
        return config

    def _unreadable(self, error: configparser.Error) -> ProjectError:
        """The error of an ini file that Alembic cannot read; its values may be secret, and are not quoted."""
        option = getattr(error, "option", "")
        what = f"the value of {option} is no text of an ini file" if option else "it is no ini file"
        return ProjectError(
            f"{self.ini or self.toml} cannot be read: {what} ({type(error).__name__}).",
            effect="No revision was read.",
            cure="Write each percent sign twice: %%." if option else "Correct it, or name another one: alembic_ini.",
        )

    def scripts(self, config: Config | None = None) -> ScriptDirectory:
        """The project's script directory, with its graph loaded and proven to be one graph.

        Raises:
            ProjectError: when the directory is missing, a revision file cannot be read, or the graph is broken.
        """
        from erm_alembic.revisions.graph import verify_graph

        scripts = self.script_directory(config or self.config())
        verify_graph(scripts)
        return scripts

    def script_directory(self, config: Config) -> ScriptDirectory:
        """The project's script directory; no revision file is loaded until somebody asks for one.

        Raises:
            ProjectError: when the directory is missing.
        """
        try:
            return ScriptDirectory.from_config(config)
        except configparser.Error as error:
            raise self._unreadable(error) from None
        except CommandError as error:
            raise ProjectError(
                f"Alembic cannot open the project: {error}.",
                effect="No revision was read.",
                cure="Check script_location in alembic.ini, or set `migrations.directory` in erm.yaml.",
            ) from error

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Work from the project's folder, as `alembic` does: relative paths count from there.

        Whatever the project's code prints goes to stderr, so that the output of `--format json` is only JSON.
        """
        before = Path.cwd()
        path_before = list(sys.path)
        os.chdir(self.root)
        _forget_relative_finders()
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        finally:
            os.chdir(before)
            sys.path[:] = path_before
            _forget_relative_finders()

    def relative(self, path: str | Path) -> str:
        """A path as the plan shows it: relative to the project's folder where it is inside."""
        resolved = os.path.realpath(path)
        root = os.path.join(os.path.realpath(self.root), "")  # noqa: PTH118 - thousands of times in a plan
        return Path(resolved.removeprefix(root)).as_posix()


def _forget_relative_finders() -> None:
    """Let the import system look at relative entries of `sys.path` anew.

    `prepend_sys_path = .` puts a relative folder there, and Python remembers for good which folder it first meant:
    in a process that works on two projects, the second would import from the first.
    """
    for entry in [entry for entry in sys.path_importer_cache if not Path(entry).is_absolute()]:
        del sys.path_importer_cache[entry]


def find_project(settings: Settings, options: AlembicOptions | None = None) -> AlembicProject:
    """Find the Alembic project that belongs to what is configured.

    Args:
        settings: what is in force.
        options: Alembic's own command line options.

    Raises:
        NoProject: there is none.
        ProjectError: what erm.yaml names is not there, or cannot be read; Alembic is too old.
    """
    if (unfit := too_old(alembic.__version__)) is not None:
        raise unfit
    migrations = settings.migrations
    place = find_place(
        settings.project_dir, ini=migrations.alembic_ini, directory=migrations.directory, elsewhere=Path.cwd()
    )
    return AlembicProject(place.root, place.ini, place.toml, place.directory, options or AlembicOptions())
