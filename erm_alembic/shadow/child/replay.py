"""The child's task `replay`: the history up to given revisions, run in the shadow as Alembic would run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erm_alembic.config.redaction import first_line
from erm_alembic.errors import ErmError, ProjectError
from erm_alembic.revisions.forked import ends_forked_children
from erm_alembic.revisions.graph import applied_revisions, history_steps, script_of
from erm_alembic.revisions.kept_open import kept_open
from erm_alembic.revisions.recording.call_stack import failed_at
from erm_alembic.shadow.child.files_read import FilesRead
from erm_alembic.shadow.child.job import Job
from erm_alembic.shadow.child.session import child_session

if TYPE_CHECKING:
    from erm_alembic.revisions.environment import MigrationContext, RevisionStep
    from erm_alembic.revisions.project import AlembicProject

__all__ = ["replay"]

START_FROM_LIVE = (
    "Where its first tables were made elsewhere, start from the live schema: `shadow: {from: live}` in erm.yaml."
)
CORRECT = "Correct the revision, or see why it fails there and not on the target."
# By the beginning of the SQLSTATE: something that a statement names is not there.
MISSING = ("42", "3F")


def replay(job: Job, emit: Callable[[dict[str, Any]], None]) -> None:
    """Bring the shadow to the revisions `arguments["revisions"]`; none of them leaves it at the base.

    With `arguments["stamp"]`, a shadow that records nothing has the schema of these already, from elsewhere;
    `arguments["where"]` is what a message calls it.

    Args:
        job: what is to be done.
        emit: told each `note` about what was stood in for, each `extension` that was made and each that is `lacking`,
            `read` with the `paths` of the files that the project's code has read, and `replayed` with the number of
            `steps` that were run.

    Raises:
        ProjectError: a revision fails, with its place in its file.
    """
    wanted, stamp = tuple(job.arguments["revisions"]), tuple(job.arguments.get("stamp", ()))
    count = 0
    files = FilesRead()
    files.start()
    with child_session(job) as session:

        def work(heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
            nonlocal count
            if stamp and not heads:
                context.stamp(session.scripts, stamp)  # type: ignore[arg-type]  # several, as stamp() takes them
                heads = stamp
            for step in history_steps(session.scripts, heads, wanted):
                step.migration_fn = _naming(job.project, step, files, job.arguments.get("where", "in the shadow"))
                yield step
                count += 1

        with files.env_py(within=True):
            session.run(work)
        for note in session.loaded.notes:
            emit({"event": "note", "note": note})
        for name in session.loaded.lacking:
            emit({"event": "lacking", "extension": name})
        for name in session.loaded.extensions:
            emit({"event": "extension", "name": name, "version": job.extensions.get(name, {}).get("version")})
        scripts = session.scripts
        revisions = [Path(script_of(scripts, each).path) for each in applied_revisions(scripts, wanted)]
        emit({"event": "read", "paths": files.paths(Path(scripts.env_py_location), revisions)})
    emit({"event": "replayed", "steps": count})


def _cure(error: BaseException) -> str:
    """Only what is not there can have been made elsewhere."""
    state = getattr(getattr(error, "orig", error), "pgcode", None) or ""
    is_missing = state.startswith(MISSING) or type(error).__name__ == "NoSuchTableError"
    return START_FROM_LIVE if is_missing else CORRECT


def _naming(project: AlembicProject, step: RevisionStep, files: FilesRead, where: str) -> Callable[..., None]:
    """A revision's function, which names its place in the file when it fails."""
    run, script = step.migration_fn, step.revision

    def migration_fn(**kw: Any) -> None:
        try:
            with files.env_py(within=False), ends_forked_children(), kept_open():
                run(**kw)
        except (ErmError, KeyboardInterrupt):
            raise
        except BaseException as error:
            shown = project.relative(script.path)
            raise ProjectError(
                f"{failed_at(error, script.path, shown)}: revision {script.revision} fails {where}: "
                f"{type(error).__name__}: {first_line(error)}",
                effect="The history cannot be replayed from an empty database.",
                cure=_cure(error),
            ) from error

    migration_fn.__name__ = run.__name__
    return migration_fn
