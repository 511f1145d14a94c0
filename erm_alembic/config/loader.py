"""From erm.yaml, the environment and the flags to the settings in force.

`ERM_DATABASE_URL` beats every profile; then the profile of `--env`, else of `ERM_ENV`, else `dev`; a profile that is
not declared, or has no url, falls back to `database.url`. `ERM_DATABASE_CREDENTIALS` beats the `credentials` beside the
address, `ERM_SHADOW_URL` beats `shadow.url`. Addresses stay sealed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erm_alembic.config.document import Document, InvalidConfiguration, KeyPath, Problem, dotted, read_document
from erm_alembic.config.env_option import DEFAULT_ENVIRONMENT
from erm_alembic.config.in_force import Seal, origins_of, settings_of
from erm_alembic.config.interpolation import UnsetVariable, has_variables
from erm_alembic.config.profiles import SECTIONS, declared_profiles, effective, profile_data
from erm_alembic.config.sealed import SealedUrl, has_typed_password, register_address
from erm_alembic.config.sealed_login import SealedLogin
from erm_alembic.config.secrets import scheme_of
from erm_alembic.config.secrets.settings import SecretsSettings
from erm_alembic.config.secrets_model import secrets_settings
from erm_alembic.config.settings import Settings
from erm_alembic.config.validation import find_problems
from erm_alembic.config.variables import put_variables_in
from erm_alembic.errors import ConfigurationError
from erm_alembic.spelling import nearest

if TYPE_CHECKING:
    from erm_alembic.config.review import Surroundings

__all__ = ["check_file", "find_file", "load_settings"]

FILE_NAME = "erm.yaml"
URL_VARIABLE = "ERM_DATABASE_URL"
CREDENTIALS_VARIABLE = "ERM_DATABASE_CREDENTIALS"
SHADOW_VARIABLE = "ERM_SHADOW_URL"
ENVIRONMENT_VARIABLE = "ERM_ENV"

# A profile is taken for a typo of another one sooner than any other word: falling back would act on another database.
NEAR_A_PROFILE = 0.6
_NO_SECRETS = SecretsSettings()


class NoDatabase(ConfigurationError):
    """No database is configured for the environment."""


def load_settings(
    env: str | None = None,
    config: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    require_url: bool = True,
) -> Settings:
    """Read what is configured for one environment.

    Args:
        env: the profile's name, as `--env` gives it.
        config: the file, as `--config` gives it; without it, erm.yaml is looked for in `cwd` and above.
        environ: the variables; the process's own by default.
        cwd: where to look; the working directory by default.
        require_url: whether a database must be configured.

    Raises:
        InvalidConfiguration: the file has problems; all of them are listed.
        NoDatabase: no database is configured.
        ConfigurationError: the file cannot be read, the environment's name is a typo, or a variable is not set.

    Example:
        >>> settings = load_settings(environ={"ERM_DATABASE_URL": "postgresql:///shop"}, cwd=Path("/"))
        >>> settings.environment, settings.url.reveal()
        ('dev', 'postgresql:///shop')
    """
    environ = os.environ if environ is None else environ
    cwd = (cwd or Path.cwd()).absolute()
    path = find_file(cwd, config)
    document = read_document(path) if path else Document()
    data, unset = put_variables_in(document.data, environ)
    if problems := find_problems(document, data):
        raise InvalidConfiguration(document.path or cwd / FILE_NAME, problems)
    project_dir = path.parent if path else cwd

    chooser = _Chooser(document, data, environ, project_dir)
    environment = env or environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_ENVIRONMENT
    chooser.refuse_typo(environment)
    url, notes = chooser.url(environment)
    if url is None and require_url:
        raise chooser.nothing_configured(environment)
    _refuse_unset(document, data, unset, environment)

    found = effective(data, environment)
    secrets = secrets_settings(found.secrets, project_dir)
    if url is not None:
        login = replace(url.login, secrets=secrets) if url.login is not None else None
        url = replace(url, secrets=secrets, login=login)
    settings = settings_of(found, environment, project_dir, chooser.sealing(secrets, url))
    replicas, routing = settings.replicas, settings.routing
    if url is not None and url.origin == URL_VARIABLE and (replicas or routing.discovery is not None):
        replicas, routing = (), replace(routing, discovery=None)
        notes.append(f"{URL_VARIABLE} replaces the database, so the replicas in {FILE_NAME} are left out.")
    origins = origins_of(settings, found, document)
    if url is not None:
        origins["database.url"] = url.origin
        origins["database.credentials"] = url.login.origin if url.login is not None else "not set"
    shadow = settings.shadow
    if text := environ.get(SHADOW_VARIABLE, "").strip():
        shadow = replace(shadow, url=_sealed_variable(SHADOW_VARIABLE, text, environ, project_dir, secrets))
        origins["shadow.url"] = SHADOW_VARIABLE
    return replace(
        settings,
        config_path=path,
        url=url,
        replicas=replicas,
        routing=routing,
        shadow=shadow,
        origins=origins,
        notes=tuple(notes),
    )


def check_file(
    config: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    around: Surroundings | None = None,
) -> Path | None:
    """Look for problems in the file, for all environments at once; no address is opened.

    Args:
        config: the file; without it, erm.yaml is looked for in `cwd` and above.
        environ: the variables; the process's own by default.
        cwd: where to look; the working directory by default.
        around: the rules, files and revisions that the file may name; without it only the file itself is judged.

    Returns:
        The file that was read, None when there is none.

    Raises:
        InvalidConfiguration: the file has problems; all of them are listed.
        ConfigurationError: the file cannot be read.
    """
    path = find_file((cwd or Path.cwd()).absolute(), config)
    if path is None:
        return None
    document = read_document(path)
    data, _ = put_variables_in(document.data, os.environ if environ is None else environ)
    problems = find_problems(document, data)
    if around is not None:
        from erm_alembic.config.review import review

        problems += review(document, data, path.parent, around)
    if problems:
        raise InvalidConfiguration(path, tuple(sorted(problems, key=lambda problem: problem.line or 0)))
    return path


def find_file(cwd: Path, config: Path | None = None) -> Path | None:
    """The erm.yaml of a folder: there or above, up to the repository's root.

    Args:
        cwd: where to start, absolute.
        config: the file that the user named.

    Raises:
        ConfigurationError: the named file does not exist.
    """
    if config is not None:
        path = cwd / config.expanduser()
        if not path.is_file():
            raise ConfigurationError(
                f"The configuration file {path} does not exist." if not path.exists() else f"{path} is not a file.",
                effect="Nothing was run.",
                cure="Correct --config, or leave it out to use the erm.yaml of this folder.",
            )
        return path
    for folder in (cwd, *cwd.parents):
        if (folder / FILE_NAME).exists():
            return folder / FILE_NAME
        if (folder / ".git").exists():
            return None
    return None


class _Chooser:
    """Chooses the database's address among the places where it may stand."""

    def __init__(
        self, document: Document, data: Mapping[str, Any], environ: Mapping[str, str], project_dir: Path
    ) -> None:
        self._document = document
        self._data = data
        self._environ = environ
        self._project_dir = project_dir
        self._profiles = declared_profiles(data)

    def sealed(self, text: str, path: KeyPath) -> SealedUrl:
        """Seal an address of the file."""
        typed = has_typed_password(text)
        if typed:
            register_address(text)
        return SealedUrl(
            text=text,
            origin=self._document.origin_of(path),
            key=dotted(path),
            typed_password=typed,
            line=self._document.line_of(path),
            base_dir=self._project_dir,
            environ=self._environ,
        )

    def login(self, text: str, path: KeyPath) -> SealedLogin:
        """Seal what says where a user and a password are kept."""
        origin, line = self._document.origin_of(path), self._document.line_of(path)
        return SealedLogin(text, origin, dotted(path), line, self._project_dir, self._environ)

    def sealing(self, secrets: SecretsSettings, primary: SealedUrl | None) -> Seal:
        """Seals addresses beside that of the primary, whose login they share unless they have one of their own.

        Args:
            secrets: the section `secrets` that is in force.
            primary: the database's address.
        """

        def seal(text: str, path: KeyPath, credentials: str | None = None, at: KeyPath | None = None) -> SealedUrl:
            is_shadow = path[-2:-1] == ("shadow",)
            shared = primary.login if primary is not None and not is_shadow else None
            login = shared if credentials is None else replace(self.login(credentials, at or path), secrets=secrets)
            sealed = self.sealed(text, path)
            return replace(sealed, secrets=secrets, login=login, login_is_inherited=credentials is None)

        return seal

    def _login_beside(self, environment: str, url_is_own: bool) -> SealedLogin | None:
        """Where the login of an address is kept: said beside it, never taken from beside another address."""
        if text := self._environ.get(CREDENTIALS_VARIABLE, "").strip():
            variable = CREDENTIALS_VARIABLE
            return SealedLogin(text, variable, variable, None, self._project_dir, self._environ)
        own = profile_data(self._data, environment).get("credentials")
        if own is not None:
            return self.login(own, ("database", "environments", environment, "credentials"))
        base = (self._data.get("database") or {}).get("credentials")
        return None if url_is_own or base is None else self.login(base, ("database", "credentials"))

    def url(self, environment: str) -> tuple[SealedUrl | None, list[str]]:
        """The address, and what must be said about the choice."""
        own = profile_data(self._data, environment).get("url")
        if text := self._environ.get(URL_VARIABLE, "").strip():
            found = _sealed_variable(URL_VARIABLE, text, self._environ, self._project_dir)
            if self._environ.get(CREDENTIALS_VARIABLE, "").strip():
                found = replace(found, login=self._login_beside(environment, url_is_own=True))
            notes = []
            if own is not None:
                notes.append(f"{URL_VARIABLE} is set: it wins over the url of {environment} in {self._name}.")
            if has_variables(text):
                notes.append(f"{URL_VARIABLE} is taken as it is: the `${{...}}` in it is not replaced.")
            return found, notes
        if own is not None:
            sealed = self.sealed(own, ("database", "environments", environment, "url"))
            return replace(sealed, login=self._login_beside(environment, url_is_own=True)), []
        base = (self._data.get("database") or {}).get("url")
        if base is None:
            return None, []
        reason = "has no url" if environment in self._profiles else f"is not declared in {self._name}"
        sealed = replace(
            self.sealed(base, ("database", "url")), login=self._login_beside(environment, url_is_own=False)
        )
        return sealed, [f"Environment {environment!r} {reason}: using database.url."]

    def refuse_typo(self, environment: str) -> None:
        """Refuse a name that is nearly a declared one: falling back would act on another database.

        Raises:
            ConfigurationError: the name is close to that of a declared profile.
        """
        if environment in self._profiles:
            return
        if near := _close_name(environment, self._profiles):
            raise ConfigurationError(
                f"There is no environment {environment!r} in {self._name}; {near!r} is close to it.",
                effect="Nothing was run, because it might be a typo.",
                cure=f"Write --env {near}, or declare database.environments.{environment} in {self._name}.",
            )

    def nothing_configured(self, environment: str) -> NoDatabase:
        """The error of an environment for which no database is configured."""
        if self._profiles:
            state = "has no url" if environment in self._profiles else "is not declared"
            what = f"Environment {environment!r} {state}, and there is no database.url to fall back to."
            cure = f"Declared: {', '.join(self._profiles)}. Choose one of them with --env, or configure the database:\n"
        else:
            what, cure = "No database is configured.", "Configure it in one of three ways:\n"
        return NoDatabase(
            what,
            effect="Nothing was run.",
            cure=cure
            + f"  1. a profile in {FILE_NAME}:  database.environments.{environment}.url: embedded://app_dev\n"
            + f"  2. one database for all environments, in {FILE_NAME}:  database.url: postgresql://USER@HOST/DATABASE\n"
            + f"  3. the variable {URL_VARIABLE}=postgresql://USER@HOST/DATABASE",
        )

    @property
    def _name(self) -> str:
        return self._document.path.name if self._document.path else FILE_NAME


def _sealed_variable(
    name: str,
    text: str,
    environ: Mapping[str, str],
    project_dir: Path,
    secrets: SecretsSettings = _NO_SECRETS,
) -> SealedUrl:
    """The address in a variable."""
    if scheme_of(text) in (None, "cmd"):
        register_address(text)
    return SealedUrl(text, name, name, base_dir=project_dir, environ=environ, secrets=secrets)


def _close_name(name: str, declared: list[str]) -> str | None:
    """The declared profile that a name is close to: by spelling, by case, or as its abbreviation."""
    if near := nearest(name, declared, near=NEAR_A_PROFILE):
        return near
    lowered = {candidate.lower(): candidate for candidate in reversed(declared)}
    wanted = name.lower()
    shortest = 3
    return next(
        (
            candidate
            for low, candidate in lowered.items()
            if min(len(low), len(wanted)) >= shortest and (low.startswith(wanted) or wanted.startswith(low))
        ),
        None,
    )


def _refuse_unset(
    document: Document, data: Mapping[str, Any], unset: Mapping[KeyPath, UnsetVariable], environment: str
) -> None:
    """Complain about the unset variables of the settings in force, all of them at once."""
    problems = [
        Problem(document.line_of(path), dotted(path), str(error))
        for path, error in unset.items()
        if _in_force(path, data, environment)
    ]
    if problems and document.path:
        raise InvalidConfiguration(document.path, tuple(sorted(problems, key=lambda problem: problem.line or 0)))


def _in_force(path: KeyPath, data: Mapping[str, Any], environment: str) -> bool:
    """Whether a key that was taken out would count: a profile of its own hides the base's key."""
    if path[:2] == ("database", "environments"):
        return path[2:3] == (environment,)
    for name, place in SECTIONS.items():
        if path[: len(place)] == place:
            found: Any = profile_data(data, environment)
            for part in (name, *path[len(place) :]):
                found = found.get(part) if isinstance(found, dict) else None
            return found is None
    return True
