"""Where addresses and logins come from, and when these run out, for people and for programs; never the secret."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import timedelta

from erm_alembic.config.durations import format_duration
from erm_alembic.config.sources import OpenedSource
from erm_alembic.render.json import result_document
from erm_alembic.render.safe import one_line

__all__ = ["sources_json", "sources_text"]


def sources_text(environment: str, sources: Sequence[OpenedSource]) -> str:
    """One paragraph an address.

    Args:
        environment: the profile's name.
        sources: what was opened.

    Example:
        >>> kept = ("vault:db/creds/app", "erm.yaml:3", "v-app-1", 3600.0, 3590.0)
        >>> address = ("database.url", "erm.yaml:2", "postgresql://db/app")
        >>> found = OpenedSource(*address, *kept, renewable=True, ends_sessions=True)
        >>> print(sources_text("prod", [found]))
        environment  prod
        <BLANKLINE>
        database.url  (erm.yaml:2)
          address  postgresql://db/app
          login    vault:db/creds/app  (erm.yaml:3)
          user     v-app-1
          lasts    1h, renewed while erm runs; then the role is dropped
        <BLANKLINE>
    """
    lines = [f"environment  {one_line(environment)}"]
    for source in sources:
        lines += ["", f"{one_line(source.key)}  ({one_line(source.origin)})"]
        lines += [f"  {name:7}  {one_line(value)}" for name, value in _rows(source)]
    if not sources:
        lines += ["", "No database is configured."]
    return "\n".join(lines) + "\n"


def sources_json(environment: str, sources: Sequence[OpenedSource]) -> str:
    """One object with `environment` and `sources`, each with its members; `problem` has `what` and `cure`, or is null.

    Args:
        environment: the profile's name.
        sources: what was opened.
    """
    told = []
    for source in sources:
        document = {field.name: getattr(source, field.name) for field in fields(source)}
        if source.remaining is not None:
            document["remaining"] = round(source.remaining, 1)
        if source.problem is not None:
            document["problem"] = dict(zip(("what", "cure"), source.problem, strict=True))
        told.append(document)
    return result_document({"environment": environment, "sources": told})


def _rows(source: OpenedSource) -> Iterator[tuple[str, str]]:
    if source.login != source.address:
        yield "address", source.address
    yield "login", f"{source.login}  ({source.login_origin})" if source.login else "as the address and libpq have it"
    if source.problem is not None:
        yield "problem", source.problem[0]
        yield "cure", source.problem[1]
        return
    yield "user", source.user or "as libpq has it"
    if source.lasts is not None:
        how = "renewed while erm runs" if source.renewable else "then asked for anew"
        end = "; then the role is dropped" if source.ends_sessions and source.renewable else ""
        yield "lasts", f"{format_duration(timedelta(seconds=round(source.lasts)))}, {how}{end}"
