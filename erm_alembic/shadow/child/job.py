"""What the child process is told to do: a value that travels as one line of JSON on its standard input.

The shadow's address is within; the target's is not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from erm_alembic.revisions.project import AlembicOptions, AlembicProject

__all__ = ["Job"]


@dataclass(frozen=True)
class Job:
    """One task of the child, and all that it may know.

    Args:
        task: the name of a function in `tasks.TASKS`.
        url: the shadow database as a libpq URI, with the role that revisions run as; never shown.
        project: the Alembic project.
        metadata: `migrations.metadata`, used where env.py sets no target_metadata.
        role: `migrations.role`, which a session acts as.
        arguments: what this task is told besides; values that JSON has.
        extensions: what the target knows of its extensions: `version`, and `statements` where the shadow's server lacks
            their files; by name.
        given: whether the target's schemas and extensions are there already, as an administrator may have made them.
        path: the import path of the parent.
        environ: the variables that the project's code sees.

    Example:
        >>> project = AlembicProject(Path("/srv/shop"), None, None, Path("/srv/shop/migrations"))
        >>> job = Job("replay", "postgresql:///shadow", project, arguments={"revisions": ["3a1f"]})
        >>> Job.from_json(job.to_json()) == job
        True
    """

    task: str
    url: str = field(repr=False)
    project: AlembicProject
    metadata: str | None = None
    role: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    extensions: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    given: bool = False
    path: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(repr=False, default_factory=lambda: MappingProxyType({}))

    def to_json(self) -> str:
        """The job as one line."""
        project = self.project
        return json.dumps(
            {
                "task": self.task,
                "url": self.url,
                "root": str(project.root),
                "ini": _text(project.ini),
                "toml": _text(project.toml),
                "directory": _text(project.directory),
                "x": list(project.options.x),
                "name": project.options.name,
                "tag": project.options.tag,
                "metadata": self.metadata,
                "role": self.role,
                "arguments": dict(self.arguments),
                "extensions": dict(self.extensions),
                "given": self.given,
                "path": list(self.path),
                "environ": dict(self.environ),
            }
        )

    @classmethod
    def from_json(cls, line: str) -> Job:
        """Read what `to_json` wrote."""
        told = json.loads(line)
        options = AlembicOptions(tuple(told["x"]), told["name"], told["tag"])
        return cls(
            task=told["task"],
            url=told["url"],
            project=AlembicProject(
                Path(told["root"]), _path(told["ini"]), _path(told["toml"]), _path(told["directory"]), options
            ),
            metadata=told["metadata"],
            role=told["role"],
            arguments=told["arguments"],
            extensions=told["extensions"],
            given=told["given"],
            path=tuple(told["path"]),
            environ=told["environ"],
        )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
