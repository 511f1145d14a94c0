"""What was observed of a database, for people (`erm observe`): as a picture that changes, a line, a summary."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.config.redaction import redact
from erm_alembic.config.sizes import about
from erm_alembic.observing.model import Observation, Sample, StatementChange, Worsened
from erm_alembic.render.fold import fold
from erm_alembic.render.safe import Paint, clip, one_line, plain
from erm_alembic.render.sparkline import sparkline
from erm_alembic.render.words import counted, duration, target_line

__all__ = ["observation_line", "observation_text"]

# Of each line of the history: how wide its name is, its picture, its number.
NAME, NUMBER = 18, 12
WIDTH = 80
# In a picture that must fit on a screen.
WAITS, STATEMENTS, TABLES = 3, 5, 5

ROWS = (
    ("lag", "replica lag"),
    ("lock_wait", "longest lock wait"),
    ("waiting", "waiting for locks"),
    ("transaction", "oldest transaction"),
    ("query", "longest statement"),
    ("statement", "mean of statements"),
    ("commits", "commits"),
    ("rollbacks", "rollbacks"),
    ("connections", "connections"),
)


def observation_text(
    observation: Observation,
    *,
    paint: Paint = plain,
    columns: int = WIDTH,
    ascii_only: bool = False,
    is_under_way: bool = False,
) -> str:
    """What was observed so far, or in all.

    Args:
        observation: what was observed.
        paint: gives colour; none by default.
        columns: how wide it may be.
        ascii_only: whether only characters of ASCII may be used for the history.
        is_under_way: whether it goes on.
    """
    version = observation.last.server.version if observation.last else "?"
    lines = [target_line(observation.environment, observation.database, version, paint), _course(observation), ""]
    lines += _history(observation, paint, columns, ascii_only)
    if observation.last is not None:
        lines += _replicas(observation.last, paint)
        lines += _waits(observation.last, paint) if is_under_way else []
        lines += _tables(observation.last)
    lines += _statements(observation, paint)
    lines += ["", *_findings(observation, paint, is_under_way)]
    lines += [f"Not seen {one_line(redact(f'{name}: {why}'))}" for name, why in observation.unseen.items()]
    return fold("\n".join(lines), columns) + "\n"


def observation_line(observation: Observation) -> str:
    """The last look on one line, for a log.

    Args:
        observation: what was observed so far.
    """
    moment = f"{observation.ended_at:%H:%M:%S}"
    if observation.is_away:
        return f"{moment}  no answer: {one_line(redact(observation.gaps[-1].why))}"
    values = observation.points[-1].values if observation.points else {}
    told = [f"{label} {_number(metric, values[metric])}" for metric, label in ROWS if metric in values]
    worse = [finding.rule for finding in observation.findings if not finding.is_over]
    return f"{moment}  {', '.join(told)}" + (f"; worse: {', '.join(dict.fromkeys(worse))}" if worse else "")


def _course(observation: Observation) -> str:
    seconds = f"{_time(observation.observed_s)} of {_time(observation.wanted_s)}"
    gaps = f", {counted(len(observation.gaps), 'gap')}" if observation.gaps else ""
    return (
        f"Observed {seconds}, {counted(observation.samples, 'sample')}{gaps}, until {observation.ended_at:%H:%M:%S} UTC"
    )


def _history(observation: Observation, paint: Paint, columns: int, ascii_only: bool) -> Iterator[str]:
    room = max(10, min(60, columns - NAME - 2 * NUMBER - 11))
    for metric, label in ROWS:
        values = [point.values.get(metric) for point in observation.points]
        seen = [value for value in values if value is not None]
        if not seen or (metric == "lag" and not (observation.last and observation.last.replicas)):
            continue
        picture = sparkline(values, room, ascii_only=ascii_only)
        last = "?" if values[-1] is None or observation.is_away else _number(metric, values[-1])
        if metric == "connections" and observation.last and observation.last.connections:
            last = f"{observation.last.connections.used} of {observation.last.connections.limit}"
        most = f"most {_number(metric, max(seen))}"
        yield f"{label:<{NAME}}  {paint(f'{picture:<{room}}', 'dim')}  {last:>{NUMBER}}  {most}"


def _replicas(sample: Sample, paint: Paint) -> Iterator[str]:
    if not sample.replicas:
        return
    yield ""
    for replica in sample.replicas:
        lag = "?" if replica.seconds is None else f"{'>= ' if replica.at_least else ''}{replica.seconds:.1f} s"
        behind = "" if not replica.size else f" ({about(replica.size)})"
        trouble = f"  {paint(one_line(redact(replica.problem)), 'bad')}" if replica.problem else ""
        yield f"Replica  {one_line(replica.name)}  {lag} behind{behind}{trouble}"


def _waits(sample: Sample, paint: Paint) -> Iterator[str]:
    for wait in sample.waits[:WAITS]:
        since = "" if wait.seconds is None else f" for {_time(wait.seconds)}"
        yield f"{paint('Waiting', 'warn')}  pid {wait.pid}{since}: {one_line(wait.lock)}"
        for blocker in wait.blockers[:WAITS]:
            yield f"         held by {one_line(redact(blocker))}"


def _tables(sample: Sample) -> Iterator[str]:
    for table in [table for table in sample.tables if table.is_asked_for][:TABLES]:
        cleaned = "never vacuumed" if table.vacuumed_at is None else f"vacuumed {table.vacuumed_at:%Y-%m-%d %H:%M} UTC"
        under_way = ", vacuum under way" if table.is_vacuumed else ""
        share = f"{table.dead_share:.0%} of {table.live + table.dead} rows dead"
        yield f"Table    {one_line(table.name)}  {share}, {cleaned}{under_way}"


def _statements(observation: Observation, paint: Paint) -> Iterator[str]:
    for change in observation.changed[:STATEMENTS]:
        yield f"{paint('Slower', 'warn')}   {_change(change)}"


def _change(change: StatementChange) -> str:
    before = "new" if change.before_ms is None else f"was {change.before_ms:.3g} ms"
    text = clip(one_line(change.text), WIDTH) if change.text else f"query id {change.query}"
    return f"{change.now_ms:.3g} ms ({before}), {counted(change.calls, 'call')}: {text}"


def _findings(observation: Observation, paint: Paint, is_under_way: bool) -> Iterator[str]:
    if not observation.findings:
        so_far = " so far" if is_under_way else ""
        if observation.samples:
            yield paint(f"Nothing became worse{so_far}.", "good")
        return
    word = {True: paint("It became worse", "bad"), False: paint("Worth a look", "warn")}[observation.is_worse]
    yield f"{word}: {counted(len(observation.findings), 'finding')}"
    for finding in observation.findings:
        role = "bad" if finding.severity == "error" else "warn"
        yield f"  {paint(finding.severity, role)} {finding.rule} {_when(finding)}"
        yield f"  {one_line(redact(finding.message))}"
        yield f"  help: {one_line(redact(finding.help))}"


def _when(finding: Worsened) -> str:
    if finding.first_at is None or finding.last_at is None:
        return ""
    first, last = f"{finding.first_at:%H:%M:%S}", f"{finding.last_at:%H:%M:%S}"
    when = first if first == last else f"{first} to {last}"
    return f"({when} UTC{', over' if finding.is_over else ''})"


def _number(metric: str, value: float) -> str:
    match metric:
        case "lag" | "lock_wait" | "transaction" | "query":
            return _time(value)
        case "statement":
            return f"{value:.3g} ms"
        case "commits" | "rollbacks":
            return f"{value:.3g}/s" if value < 1000 else f"{value:.0f}/s"
    return f"{value:.0f}"


def _time(seconds: float) -> str:
    return "0 s" if seconds < 0.0005 else duration(round(seconds * 1000))
