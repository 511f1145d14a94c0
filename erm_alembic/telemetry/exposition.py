"""The text format of Prometheus, as far as erm writes it: gauges with labels, and reading its own files again."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["HEADER", "Gauge", "read_gauges", "rendered", "replaced"]

HEADER = "# Written by erm; each line is replaced by the next run on the same environment and database."
HELP = {
    "erm_last_run_timestamp_seconds": "When the last run ended.",
    "erm_last_run_success": "Whether the last run did what it should: 1, else 0.",
    "erm_last_run_duration_seconds": "How long the last run took.",
    "erm_last_run_info": "How the last run ended, and the revisions that the database has since.",
    "erm_last_success_timestamp_seconds": "When the last run ended that did what it should.",
    "erm_revisions_pending": "Revisions that are not applied, as the last plan or run saw it.",
    "erm_drift_differences": "Differences between the database and what its history says, as the last plan saw it.",
    "erm_replica_lag_seconds": "How far a replica was behind when it was last looked at.",
    "erm_observation_timestamp_seconds": "When the database was last observed.",
    "erm_observation_worse": "Whether it was worse than before when it was last observed: 1, else 0.",
    "erm_observation_findings": "How many things were worse than before when it was last observed.",
}
LINE = re.compile(r"(?P<name>[a-z_]+)\{(?P<labels>.*)\} (?P<value>\S+)")
LABEL = re.compile(r'(?P<name>[a-z_]+)="(?P<value>(?:[^"\\]|\\.)*)",?')
ESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


@dataclass(frozen=True)
class Gauge:
    """One value.

    Args:
        name: of the metric; one of `HELP`.
        value: the value.
        labels: what tells it apart.
    """

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def rendered(gauges: Iterable[Gauge]) -> str:
    """The values as the text of a file.

    Args:
        gauges: the values.

    Example:
        >>> print(rendered([Gauge("erm_revisions_pending", 2, {"environment": "prod"})]).split(chr(10), 1)[1], end="")
        # HELP erm_revisions_pending Revisions that are not applied, as the last plan or run saw it.
        # TYPE erm_revisions_pending gauge
        erm_revisions_pending{environment="prod"} 2
    """
    by_name: dict[str, list[Gauge]] = {}
    for gauge in gauges:
        by_name.setdefault(gauge.name, []).append(gauge)
    lines = [HEADER]
    for name, text in HELP.items():
        if name in by_name:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge", *map(_line, by_name[name])]
    return "\n".join(lines) + "\n"


def read_gauges(text: str) -> list[Gauge] | None:
    """The values of a file; None where erm has not written it.

    Args:
        text: the file's text.
    """
    if not text.startswith(HEADER):
        return None
    found = []
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if match is None or match["name"] not in HELP:
            continue
        labels = {each["name"]: _unescaped(each["value"]) for each in LABEL.finditer(match["labels"])}
        try:
            found.append(Gauge(match["name"], float(match["value"]), labels))
        except ValueError:
            continue
    return found


def replaced(
    former: Iterable[Gauge], new: Sequence[Gauge], labels: Mapping[str, str], gone: Collection[str] = ()
) -> list[Gauge]:
    """The new values of one database with what the others have, and with what it has of other metrics.

    Args:
        former: the values that were there.
        new: the new ones.
        labels: what tells the database from the others.
        gone: metrics of which what it had counts no more, whether there is a new value or not.
    """
    names = {*gone, *(gauge.name for gauge in new)}
    kept = [
        gauge
        for gauge in former
        if gauge.name not in names or any(gauge.labels.get(name) != value for name, value in labels.items())
    ]
    return [*kept, *new]


def _line(gauge: Gauge) -> str:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in gauge.labels.items())
    return (
        f"{gauge.name}{{{labels}}} {gauge.value:.10g}"
        if gauge.value < 1e9
        else f"{gauge.name}{{{labels}}} {gauge.value:.3f}"
    )


def _escaped(value: str) -> str:
    return "".join(ESCAPED.get(character, character) for character in value)


def _unescaped(value: str) -> str:
    return re.sub(r"\\.", lambda found: UNESCAPED.get(found[0], found[0]), value)
