"""A primary with its replicas, as a table for people (`erm replicas`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from erm_alembic.config.redaction import redact
from erm_alembic.config.sizes import about
from erm_alembic.postgres.server_facts import ServerFacts, Slot, is_same_start
from erm_alembic.render.safe import Paint, one_line, plain
from erm_alembic.render.words import target_line
from erm_alembic.routing.positions import format_lsn
from erm_alembic.routing.reporting.overview import Overview, PolicyView, PrimaryView, ReplicaView

__all__ = ["replicas_text", "table", "unseen"]

HEAD = ("server", "role", "reachable", "read-only", "lag", "behind", "position", "timeline", "sync", "conflicts")
SLOT_HEAD = ("slot", "kind", "in use", "holds back", "oldest rows", "status")
# Where a list of reasons goes on in the next line; and what it has at least.
WIDTH, LEAST = 110, 50
UNKNOWN, NONE = "?", "-"
ANY = "any replica"

Cell = tuple[str, str]


def table(rows: Sequence[Sequence[Cell]], paint: Paint = plain) -> list[str]:
    """Rows with their columns under each other.

    Args:
        rows: each cell's text and the role that colours it; "" for none.
        paint: gives colour; none by default.

    Example:
        >>> table([[("a", ""), ("bb", "")], [("ccc", ""), ("d", "")]])
        ['a    bb', 'ccc  d']
    """
    widths = [max(len(row[column][0]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(_cells(row, widths, paint)).rstrip() for row in rows]


def _cells(row: Sequence[Cell], widths: Sequence[int], paint: Paint) -> Iterator[str]:
    for (text, role), width in zip(row, widths, strict=True):
        padding = " " * (width - len(text))
        yield (paint(text, role) if role else text) + padding


def replicas_text(overview: Overview, environment: str, *, paint: Paint = plain, tells_unseen: bool = True) -> str:
    """The servers, who could answer which read, the slots, and what could not be seen.

    Args:
        overview: what there is to see.
        environment: the profile.
        paint: gives colour; none by default.
        tells_unseen: whether what could not be seen is told.
    """
    primary = overview.primary
    version = primary.facts.version if primary.facts else UNKNOWN
    moment = datetime.fromtimestamp(overview.taken_at, UTC).strftime("%H:%M:%S")
    lines = [target_line(environment, primary.url, version, paint), f"At       {moment} UTC, {_watched(overview)}", ""]
    rows = [_headed(HEAD), _primary_row(primary), *(_replica_row(replica) for replica in overview.replicas)]
    lines += table(rows, paint)
    lines += _troubles(overview, paint)
    if not overview.replicas:
        which = "discovered" if overview.discovers else "configured for this environment"
        lines += ["", f"No replicas are {which}: every read goes to the primary."]
    else:
        lines += ["", "Reads that could go to a replica now", *_policy_lines(overview, paint)]
    lines += _slot_lines(overview, paint)
    lines += [f"Not seen: {line}" for line in unseen(overview)] if tells_unseen else []
    return "\n".join(lines) + "\n"


def _watched(overview: Overview) -> str:
    return f"watched for {overview.watched_for:.1f} s"


def _headed(names: Sequence[str]) -> list[Cell]:
    return [(name, "dim") for name in names]


def _primary_row(primary: PrimaryView) -> list[Cell]:
    state = primary.state
    wrong = state.reachable and not state.writable
    return [
        ("primary", "strong"),
        (primary.role, "bad" if wrong else ""),
        _yes(state.reachable, "bad"),
        (UNKNOWN if state.seen_at is None else "yes" if wrong else "no", "bad" if wrong else ""),
        (NONE, ""),
        (NONE, ""),
        (UNKNOWN if state.lsn is None else format_lsn(state.lsn), ""),
        (UNKNOWN if state.timeline is None else str(state.timeline), ""),
        (NONE, ""),
        (NONE, ""),
    ]


def _replica_row(replica: ReplicaView) -> list[Cell]:
    state = replica.state
    promoted = replica.role == "primary"
    return [
        (one_line(replica.name), "strong"),
        (replica.role, "bad" if promoted else ""),
        _yes(state.reachable, "bad"),
        (UNKNOWN if state.seen_at is None else "yes" if state.in_recovery else "no", "bad" if promoted else ""),
        (_lag(replica), "warn" if state.lag or state.at_least else ""),
        (UNKNOWN if state.lag_bytes is None else about(state.lag_bytes), "warn" if state.lag_bytes else ""),
        (UNKNOWN if state.replay_lsn is None else format_lsn(state.replay_lsn), ""),
        (UNKNOWN if state.timeline is None else str(state.timeline), ""),
        (one_line(_sync(replica)), ""),
        (_conflicts(replica.facts), ""),
    ]


def _yes(value: bool, otherwise: str) -> Cell:
    return ("yes", "") if value else ("no", otherwise)


def _lag(replica: ReplicaView) -> str:
    state = replica.state
    if state.lag is None:
        return UNKNOWN
    return f"{'>= ' if state.at_least else ''}{state.lag:.1f} s"


def _sync(replica: ReplicaView) -> str:
    sender = replica.sender
    if sender is None:
        return UNKNOWN
    if sender.state not in (None, "streaming"):
        return f"{sender.sync_state} ({sender.state})"
    return sender.sync_state or UNKNOWN


def _conflicts(facts: ServerFacts | None) -> str:
    if facts is None or "pg_stat_database_conflicts" in facts.refused:
        return UNKNOWN
    return str(sum(facts.conflicts.values()))


def _troubles(overview: Overview, paint: Paint) -> Iterator[str]:
    if overview.undiscovered:
        yield f"{paint('discovery', 'warn')}: {one_line(redact(overview.undiscovered))}"
    if overview.primary.state.problem:
        yield f"{paint('primary', 'bad')}: {one_line(redact(overview.primary.state.problem))}"
    for replica in overview.replicas:
        for trouble in _troubles_of(replica, overview):
            yield f"{paint(one_line(replica.name), 'warn')}: {one_line(redact(trouble))}"


def _troubles_of(replica: ReplicaView, overview: Overview) -> Iterator[str]:
    state, facts = replica.state, replica.facts
    if state.problem:
        yield state.problem
    if facts is None:
        return
    if (twin := _twin(replica, overview)) is not None:
        yield f"its address leads to the same server as that of {twin}"
    if facts.replay_paused:
        yield "its replay is paused; SELECT pg_wal_replay_resume() lets it go on"
    if state.in_recovery and facts.receiver is None and "pg_stat_wal_receiver" not in facts.refused:
        yield "it receives nothing: no process of it is connected to the server that it follows"
    if replica.commit_age is not None and (state.lag_bytes or state.at_least):
        yield f"the last commit that it has replayed was made {replica.commit_age:.1f} s ago, by the primary's clock"
    limits = [replica.config.limit.seconds, *(policy.mode.need.limit.seconds for policy in overview.policies)]
    if state.at_least and any(limit is not None and limit > (state.lag or 0) for limit in limits):
        yield (
            f"it was behind already when the watching began, {overview.watched_for:.1f} s ago: whether it is within a "
            "limit above that is known to those who watch longer, as applications and --watch do"
        )
    counted = [f"{number} by {kind}" for kind, number in facts.conflicts.items() if number]
    if counted:
        yield f"its replay has cancelled queries: {', '.join(counted)}"


def _twin(replica: ReplicaView, overview: Overview) -> str | None:
    """The replica before this one to whose server it leads too."""
    for other in overview.replicas:
        if other is replica:
            return None
        if other.facts is not None and replica.facts is not None and is_same_start(other.facts, replica.facts):
            return other.name
    return None


def _policy_lines(overview: Overview, paint: Paint) -> list[str]:
    rows: list[list[Cell]] = []
    reasons: list[list[str]] = []
    for policy in overview.policies:
        role = "good" if policy.eligible or not policy.mode.replicas else "bad"
        objections = [
            f"{one_line(name)}: {_briefly(overview, name, why)}" for name, why in policy.objections.items() if why
        ]
        who = ", ".join(map(one_line, policy.eligible)) or _otherwise(policy, overview.has_budget)
        rows.append(
            [
                (f"  {one_line(policy.name or ANY)}{' (the default)' if policy.is_default else ''}", ""),
                (_asked(policy), "dim"),
                (who, role),
            ]
        )
        reasons.append([f"not {one_line(objection)}" for objection in objections])
    lines: list[str] = []
    for plain_row, shown, why in zip(table(rows), table(rows, paint), reasons, strict=True):
        if not why:
            lines.append(shown)
            continue
        indent = max(len(each) for each in table(rows)) + 2
        first, *rest = _wrapped(why, max(WIDTH - indent, LEAST))
        lines.append(f"{shown}{'':{indent - len(plain_row)}}{first}")
        lines += [f"{'':{indent}}{line}" for line in rest]
    return lines


def _wrapped(parts: Sequence[str], width: int) -> Iterator[str]:
    """Parts joined by semicolons, in lines that are no longer than the width where a part is not."""
    line = ""
    for part in parts:
        if line and len(line) + 2 + len(part) > width:
            yield f"{line};"
            line = part
        else:
            line = f"{line}; {part}" if line else part
    yield line


def _briefly(overview: Overview, name: str, why: str) -> str:
    """Why a replica could not be taken; that it cannot be reached stands above in the server's own words."""
    unreachable = any(each.name == name and not each.state.reachable for each in overview.replicas)
    return "it cannot be reached" if unreachable else redact(why)


def _otherwise(policy: PolicyView, has_budget: bool) -> str:
    if not policy.mode.replicas:
        return "the primary"
    if policy.mode.disable_fallback:
        return "nobody: the read fails"
    return f"nobody: the primary{', within its budget' if has_budget else ''}"


def _asked(policy: PolicyView) -> str:
    if not policy.mode.replicas:
        return ""
    limit = policy.mode.need.limit
    return str(limit) if limit.seconds is None and limit.bytes is None else f"up to {limit}"


def _slot_lines(overview: Overview, paint: Paint) -> list[str]:
    rows = [_slot_row(slot) for slot in overview.primary.facts.slots] if overview.primary.facts else []
    return ["", *table([_headed(SLOT_HEAD), *rows], paint)] if rows else []


def _slot_row(slot: Slot) -> list[Cell]:
    lost = slot.wal_status in ("lost", "unreserved") or slot.invalidation_reason is not None
    status = ", ".join(word for word in (slot.wal_status, slot.invalidation_reason) if word)
    return [
        (one_line(slot.name), ""),
        (slot.kind, ""),
        _yes(slot.active, "warn"),
        (NONE if slot.held_bytes is None else about(slot.held_bytes), ""),
        (NONE if slot.xmin_age is None else f"{slot.xmin_age} transactions", ""),
        (status or NONE, "bad" if lost else ""),
    ]


def unseen(overview: Overview) -> Iterator[str]:
    """What could not be seen, why, and what would show it.

    Args:
        overview: what there is to see.
    """
    primary = overview.primary
    if primary.facts is None:
        yield f"slots and sync states, because the primary does not tell them: {one_line(redact(primary.silent))}"
    servers = {"the primary": primary.facts, **{one_line(each.name): each.facts for each in overview.replicas}}
    blind: dict[str, list[str]] = {}
    for name, facts in servers.items():
        if facts is not None and not facts.sees_statistics and (overview.replicas or facts.senders):
            blind.setdefault(one_line(facts.quoted_role), []).append(name)
    for role, names in blind.items():
        yield (
            f"who is synchronous, because {role} may not see how other processes do on {', '.join(names)}; "
            f"on the primary: GRANT pg_monitor TO {role}"
        )
    for name, facts in servers.items():
        if facts is not None and facts.refused:
            yield f"{', '.join(facts.refused)}, which {name} does not give to {one_line(facts.quoted_role)}"
        if facts is not None and facts.pooled:
            yield f"which server {name} is: a connection pooler is in between, and may lead elsewhere each time"
