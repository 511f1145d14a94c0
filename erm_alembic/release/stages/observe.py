"""observe: the database is looked at for as long as wanted; what became worse than before stops the release."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from erm_alembic.config.durations import format_duration
from erm_alembic.observing import Observation, Worsened, observation_json, observation_of, observe, sample_of
from erm_alembic.release.course import Course
from erm_alembic.release.stage import Ended, Stage, nothing_to_do

__all__ = ["STAGE"]

# How often what was observed is written to the ledger, and told, in seconds: so much is lost by a kill, at most.
KEEP_EVERY = 10.0
TELL_EVERY = 300.0
# What is seen once may be over when it is looked at again.
CONFIRMED = 2


def _would(course: Course) -> str:
    if not course.observe_for:
        return "nothing: release.observe.for is 0s"
    return f"look for {format_duration(course.observe_for)} whether locks, lag, errors or slow queries became worse"


def _run(course: Course) -> Ended:
    if not course.observe_for:
        return nothing_to_do("release.observe.for is 0s")
    course.tell(f"  observing for {format_duration(course.observe_for)}")
    sample = course.details("measure").get("sample")
    seen = _Seen(course)
    # A signal ends it between two looks, so that nothing of what was seen is lost.
    with course.watch.held():
        observation = observe(
            course.opened.target,
            before=None if sample is None else sample_of(json.dumps(sample)),
            resumed=_resumed(course),
            tables=course.details("plan").get("tables", ()),
            duration=course.observe_for,
            told=seen.take,
            stop=lambda: course.watch.received is not None or bool(seen.worse),
        )
    return _ended(course, observation)


class _Seen:
    """What is done with each look."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._kept = self._told = time.monotonic()
        self.worse: Sequence[Worsened] = ()

    def take(self, observation: Observation) -> None:
        now = time.monotonic()
        self.worse = [each for each in _worse(observation) if each.seen >= CONFIRMED]
        if now - self._kept >= KEEP_EVERY:
            self._course.keep(_details(observation))
            self._kept = now
        if now - self._told >= TELL_EVERY:
            self._course.tell(f"  observed {_shown(observation.observed_s)} of {_shown(observation.wanted_s)}")
            self._told = now


def _resumed(course: Course) -> Observation | None:
    """What was observed before an interruption; after a failure, whoever goes on has judged it, and it begins anew."""
    record = course.record
    assert record is not None
    earlier = [each for each in record.stages if each.stage == "observe" and each.id != course.row]
    if not earlier or earlier[-1].outcome == "failed" or "observation" not in earlier[-1].details:
        return None
    return observation_of(json.dumps(earlier[-1].details["observation"]))


def _worse(observation: Observation) -> list[Worsened]:
    """What is worse now, and not only was for a while."""
    return [each for each in observation.findings if each.severity == "error" and not each.is_over]


def _ended(course: Course, observation: Observation) -> Ended:
    details = _details(observation)
    if worse := _worse(observation):
        told = "\n".join(f"  {each.rule}: {each.message}" for each in worse)
        looked_at = f"`{course.command('observe')}` shows it live."
        return Ended("failed", f"worse than before:\n{told}", looked_at, details)
    took = _shown(observation.observed_s)
    if not observation.is_complete:
        return Ended("interrupted", f"observed {took} of {_shown(observation.wanted_s)}", details=details)
    passed = [each.rule for each in observation.findings if each.severity == "error"]
    meanwhile = f"; over by now: {', '.join(dict.fromkeys(passed))}" if passed else ""
    return Ended("done", f"nothing became worse in {took}{meanwhile}", details=details)


def _details(observation: Observation) -> dict[str, Any]:
    return {
        "observation": json.loads(observation_json(observation)),
        "observed_s": round(observation.observed_s, 1),
        "wanted_s": observation.wanted_s,
        "samples": observation.samples,
        "findings": [
            {"rule": each.rule, "severity": each.severity, "message": each.message, "is_over": each.is_over}
            for each in observation.findings
        ],
    }


def _shown(seconds: float) -> str:
    return format_duration(timedelta(seconds=round(seconds)))


STAGE = Stage("observe", _would, _run)
