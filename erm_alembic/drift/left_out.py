"""What is left out of the comparison, and how much: other tools' histories, `drift.ignore`, routing's heartbeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from erm_alembic.config.settings import DriftIgnore, DriftSettings, HeartbeatSettings
from erm_alembic.drift.fix.splitting import split_outside_quotes
from erm_alembic.errors import ConfigurationError
from erm_alembic.planning.comparison import Comparison, LeftOut
from erm_alembic.planning.model import Drift
from erm_alembic.spelling import nearest

__all__ = ["leave_out", "unused_items", "verify_kinds", "without_left_out"]


def leave_out(
    drift: Sequence[Drift], ignore: Sequence[DriftIgnore], heartbeats: Collection[HeartbeatSettings | None] = ()
) -> tuple[tuple[Drift, ...], tuple[LeftOut, ...]]:
    """Take out other tools' histories, and what `drift.ignore` names; each difference is counted for the first item.

    Args:
        drift: what was found.
        ignore: the items.
        heartbeats: the tables that routing keeps on the primary (`database.routing.heartbeat`).

    Example:
        >>> found = Drift("index", "public.tmp_a_idx", "database", "absent", "an index")
        >>> leave_out([found], [DriftIgnore(kind="index", name="public.tmp_*")])
        ((), (LeftOut(item='index public.tmp_*', count=1),))
    """
    kept, counts, others, beats = [], Counter[int](), [], Counter[str]()
    for each in drift:
        if each.history_of is not None:
            others.append(LeftOut(f"table {each.object}, the history of {each.history_of}", 1))
            continue
        index = next((index for index, item in enumerate(ignore) if _names(item, each)), None)
        if index is not None:
            counts[index] += 1
        elif (table := next((table for table in heartbeats if table and _is_of(table, each)), None)) is not None:
            beats[f"table {table.schema}.{table.table}, the heartbeat of routing"] += 1
        else:
            kept.append(each)
    named = (LeftOut(str(ignore[index]), counts[index]) for index in sorted(counts))
    return tuple(kept), (*others, *named, *(LeftOut(table, count) for table, count in beats.items()))


def without_left_out(comparison: Comparison, kept: Sequence[Drift]) -> Comparison:
    """How a comparison ended once what is left out is left out: nothing else may differ.

    Args:
        comparison: how it ended.
        kept: the differences that are not left out, of any source.
    """
    if comparison.verdict != "differs" or any(each.source == comparison.source for each in kept):
        return comparison
    return replace(comparison, verdict="same")


def unused_items(left_out: Sequence[LeftOut], ignore: Sequence[DriftIgnore]) -> tuple[str, ...]:
    """The items that left out nothing: mistyped, or no longer needed.

    Args:
        left_out: what the items left out.
        ignore: the items.
    """
    used = {each.item for each in left_out}
    return tuple(dict.fromkeys(str(item) for item in ignore if str(item) not in used))


def _names(item: DriftIgnore, drift: Drift) -> bool:
    if item.kind is not None and item.kind != drift.kind:
        return False
    return item.name is None or any(fnmatchcase(name, item.name) for name in _known_as(drift))


def _is_of(heartbeat: HeartbeatSettings, drift: Drift) -> bool:
    """Whether a difference is about the heartbeat's table, or about the bare schema that it is in."""
    schema = drift.object.removeprefix("schema ") if drift.kind in ("owner", "grant") else drift.object
    if drift.kind == "grant":
        schema = schema.rpartition(" to ")[0]
    if drift.kind == "schema" or drift.object.startswith("schema "):
        return _unquoted(schema) == [heartbeat.schema]
    return any(_unquoted(name) == [heartbeat.schema, heartbeat.table] for name in _known_as(drift))


def _unquoted(name: str) -> list[str]:
    parts = split_outside_quotes(name, ".")
    return [part[1:-1].replace('""', '"') if part.startswith('"') else part for part in parts]


def _known_as(drift: Drift) -> Iterator[str]:
    """The names of what a difference is about: an owner and a grant are known by their object too."""
    yield from _with_owners(drift.object)
    if drift.kind in ("owner", "grant"):  # `table public.users`, `table public.users to reader`
        of_grant = drift.object.rpartition(" to ")[0] if drift.kind == "grant" else drift.object
        yield from _with_owners(split_outside_quotes(of_grant, " ")[-1])
    elif drift.kind in ("publication-table", "publication-schema", "user-mapping"):  # `pub: public.users`
        yield from _with_owners(drift.object.partition(": ")[2])


def _with_owners(name: str) -> Iterator[str]:
    """A name, and those of what it belongs to: with a table, its columns are left out too."""
    yield name
    quoted = False
    for place in range(len(name) - 1, 0, -1):
        if name[place] == '"':
            quoted = not quoted
        elif name[place] in ".(" and not quoted:
            yield name[:place]


def verify_kinds(settings: DriftSettings, known: Collection[str], origins: Mapping[str, str]) -> None:
    """Make sure that each kind in `drift` is one: a mistyped one would leave out nothing, and say nothing.

    Args:
        settings: the section.
        known: the kinds that there are.
        origins: the places of the settings in erm.yaml.

    Raises:
        ConfigurationError: for all the unknown kinds together, each with the nearest known one.
    """
    named = [(f"drift.severity.{kind}", f"drift.severity.{kind}", kind) for kind in settings.severity]
    for index, item in enumerate(settings.ignore):
        if item.kind is not None:
            named.append((f"drift.ignore[{index}].kind", f"drift.ignore[{index}]", item.kind))
    lines = []
    for key, place, kind in named:
        if kind not in known:
            near = nearest(kind, sorted(known))
            meant = f"; did you mean {near}?" if near else ""
            lines.append(f"{origins.get(place, 'erm.yaml')}: {key}: {kind} is no kind of object{meant}")
    if lines:
        raise ConfigurationError(
            "\n".join(lines),
            effect="Nothing was compared or changed.",
            cure=f"Correct the name. The kinds are: {', '.join(sorted(known))}.",
        )
