"""Find the Alembic project that a team already has, and load it the way Alembic does."""

from __future__ import annotations

import contextlib
import os
import sys
import tomllib
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from erm_alembic.config.settings import Settings
from erm_alembic.errors import ProjectError
from erm_alembic.revisions.source.version_locations import USUAL_DIRECTORIES, ini_within

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

    def config(self) -> Config:
        """A fresh Alembic configuration; env.py may change it, so each run has its own."""
        config = Config(
            str(self.ini) if self.ini else None,
            toml_file=str(self.toml) if self.toml else None,
            ini_section=self.options.name,
            stdout=sys.stderr,
            cmd_opts=Namespace(x=list(self.options.x), tag=self.options.tag, name=self.options.name),
        )
        # Alembic hands the folder to ConfigParser as it is, which takes a percent sign in it for an interpolation.
        values = config.file_config
        values.set("DEFAULT", "here", values.defaults()["here"].replace("%", "%%"))
        if self.directory is not None:
            config.set_main_option("script_location", str(self.directory).replace("%", "%%"))
        return config

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
    """Find the Alembic project: `migrations:` of erm.yaml first, then what `alembic` itself would find.

    Args:
        settings: what is in force.
        options: Alembic's own command line options.

    Raises:
        ProjectError: when there is none, with the three ways to name one.
    """
    options = options or AlembicOptions()
    root = settings.project_dir
    migrations = settings.migrations
    if migrations.alembic_ini is not None:
        ini = (root / migrations.alembic_ini).resolve()
        if not ini.is_file():
            raise ProjectError(
                f"There is no {ini}.",
                effect="No revision was read.",
                cure="Correct `migrations.alembic_ini` in erm.yaml.",
            )
        if ini == ini_within(ini.parent):
            return AlembicProject(root, ini, None, ini.parent, options)
        return AlembicProject(ini.parent, ini, _alembic_toml(ini.parent), None, options)
    ini_here = root / "alembic.ini"
    found_ini = ini_here.resolve() if ini_here.is_file() else None
    toml = _alembic_toml(root)
    if migrations.directory is not None:
        directory = (root / migrations.directory).resolve()
        _require_env_py(directory)
        return AlembicProject(root, found_ini or ini_within(directory), toml, directory, options)
    if found_ini or toml:
        return AlembicProject(root, found_ini, toml, None, options)
    for name in USUAL_DIRECTORIES:
        directory = (root / name).resolve()
        if (directory / "env.py").is_file():
            return AlembicProject(root, ini_within(directory), None, directory, options)
    raise ProjectError(
        f"No Alembic project was found in {root}.",
        effect="Nothing was done.",
        cure="Run erm where alembic.ini stands, name it in erm.yaml (`migrations: {alembic_ini: path/alembic.ini}` "
        "or `migrations: {directory: path}`), or start a new project with `erm init`.",
    )


def _require_env_py(directory: Path) -> None:
    if not (directory / "env.py").is_file():
        raise ProjectError(
            f"There is no env.py in {directory}.",
            effect="No revision was read.",
            cure="Correct `migrations.directory` in erm.yaml, or create the directory with `erm init`.",
        )


def _alembic_toml(folder: Path) -> Path | None:
    path = folder / "pyproject.toml"
    if not path.is_file():
        return None
    try:
        tools = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(
            f"{path} cannot be read: {error}.", effect="No revision was read.", cure="Correct the file."
        ) from error
    return path.resolve() if "script_location" in tools.get("alembic", {}) else None
