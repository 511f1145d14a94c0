"""Time and memory over the number of revisions, as a plot: a straight line is what one hopes to see."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.bench import ALEMBIC, ERM, PLAN, Bench
from benchmarks.measure import Command, Timing, measured, side_by_side

__all__ = ["Line", "measure_growth", "plot"]

NO_CACHE = {"ERM_NO_CACHE": "1"}
COLOURS = ("#2563eb", "#0d9488", "#9333ea", "#d97706")
WIDTH, HEIGHT, LEFT, TOP, GAP = 340, 220, 60, 40, 90


@dataclass(frozen=True)
class Line:
    """One command over the number of revisions: seconds and megabytes by number."""

    name: str
    seconds: dict[int, float]
    megabytes: dict[int, float]


def measure_growth(bench: Bench, numbers: Sequence[int], rounds: int = 2) -> tuple[Line, ...]:
    """Measure an apply of revisions that do nothing, plans of what was applied, and Alembic beside them."""
    lines = tuple(
        Line(name, {}, {}) for name in ("erm plan", "erm plan, ERM_NO_CACHE=1", "alembic current", "erm apply (no-ops)")
    )
    for number in numbers:
        folder = bench.project(number, body="nothing")
        applied = measured(Command((*ERM, "migrate"), folder))
        found = side_by_side(
            {
                lines[0].name: Command(PLAN, folder),
                lines[1].name: Command(PLAN, folder, environment=NO_CACHE),
                lines[2].name: Command((*ALEMBIC, "current"), folder),
            },
            rounds,
        )
        for line in lines:
            _add(line, number, found.get(line.name, [applied]))
    return lines


def _add(line: Line, number: int, timings: list[Timing]) -> None:
    line.seconds[number] = statistics.median(timing.wall for timing in timings)
    line.megabytes[number] = max(timing.memory for timing in timings) / 1e6


def plot(lines: Sequence[Line]) -> str:
    """The two plots, side by side, as an SVG file."""
    total = LEFT + 2 * WIDTH + GAP + 20, TOP + HEIGHT + 50 + 18 * len(lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total[0]} {total[1]}" font-family="sans-serif"'
        ' font-size="12" role="img" aria-label="Time and memory over the number of revisions">',
        "<style>text{fill:#374151}.axis{stroke:#9ca3af}@media(prefers-color-scheme:dark){text{fill:#d1d5db}}</style>",
        *_panel("seconds", [(line.name, line.seconds) for line in lines], LEFT),
        *_panel("megabytes, at the most", [(line.name, line.megabytes) for line in lines], LEFT + WIDTH + GAP),
    ]
    for index, line in enumerate(lines):
        y = TOP + HEIGHT + 50 + 18 * index
        parts.append(f'<rect x="{LEFT}" y="{y - 9}" width="14" height="4" fill="{COLOURS[index]}"/>')
        parts.append(f'<text x="{LEFT + 22}" y="{y - 3}">{line.name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(title: str, series: Iterable[tuple[str, dict[int, float]]], left: int) -> Iterable[str]:
    series = list(series)
    right = max(number for _, points in series for number in points)
    top = _round_up(max(value for _, points in series for value in points.values()))
    yield f'<text x="{left}" y="{TOP - 14}" font-weight="bold">{title}</text>'
    bottom = TOP + HEIGHT
    yield f'<path class="axis" fill="none" d="M{left} {TOP}V{bottom}H{left + WIDTH}"/>'
    for part in range(5):
        y, x = bottom - HEIGHT * part / 4, left + WIDTH * part / 4
        yield f'<text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end">{top * part / 4:g}</text>'
        yield f'<text x="{x:.0f}" y="{bottom + 18}" text-anchor="middle">{right * part // 4:,}</text>'
    for index, (_, points) in enumerate(series):
        places = [(left + WIDTH * number / right, bottom - HEIGHT * value / top) for number, value in points.items()]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline fill="none" stroke="{COLOURS[index]}" stroke-width="2" points="{joined}"/>'
        for x, y in places:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[index]}"/>'


def _round_up(value: float) -> float:
    """The next number that divides into quarters that are easy to read."""
    step = 1.0
    while step < value:
        step *= 10
    return next(step * part for part in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if step * part >= value)
