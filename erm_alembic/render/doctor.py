"""What the doctor found, as text and as JSON (`erm doctor`)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace

from erm_alembic.config.redaction import redact
from erm_alembic.doctor.model import Diagnosis, Examination, Examined, NotTold
from erm_alembic.render.json import plain_value, result_document
from erm_alembic.render.safe import Paint, block, one_line, plain
from erm_alembic.render.words import counted, target_line

__all__ = ["doctor_json", "doctor_text"]

ROLES = {"error": "bad", "warning": "warn", "info": "dim", "unknown": "warn", "healthy": "good", "not needed": "dim"}
# The loudest last: it stays on the screen.
ORDER = ("info", "unknown", "warning", "error")
WIDTH = 110


def doctor_text(found: Examination, *, paint: Paint = plain) -> str:
    """What is healthy in one line a check, then what is not, each with its effect and its cure.

    Args:
        found: what was found.
        paint: gives colour; none by default.

    Example:
        >>> made = (Examined("clocks", "The servers' clocks agree."),)
        >>> print(doctor_text(Examination("dev", "postgresql://db/shop", "15.18", made)), end="")
        Target   dev  postgresql://db/shop  (PostgreSQL 15.18)
        <BLANKLINE>
        healthy     clocks  The servers' clocks agree.
        <BLANKLINE>
        1 check made: nothing must be mended.
    """
    lines = [target_line(found.environment, found.url, found.server_version or "?", paint), ""]
    healthy = [each for each in found.examined if each.verdict == "healthy"]
    width = max((len(each.check) for each in healthy), default=0)
    for each in healthy:
        note = f" ({one_line(each.note)})" if each.note else ""
        lines.append(
            f"{_mark('healthy', paint)}  {each.check:{width}}  {each.title}{paint(note, 'dim') if note else ''}"
        )
    lines += _not_made(found, paint)
    for level in ORDER:
        for each in found.examined:
            lines += _said(each, level, paint)
    return "\n".join([*lines, "", _summary(found, paint)]) + "\n"


def _mark(word: str, paint: Paint) -> str:
    return paint(word, ROLES[word]) + " " * (len("not needed") - len(word))


def _not_made(found: Examination, paint: Paint) -> Iterator[str]:
    """The checks for which there was nothing to look at, by their reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in found.examined:
        if each.verdict == "not needed":
            reasons.setdefault(("not needed", each.skipped), []).append(each.check)
        elif _is_silence(each):
            reasons.setdefault(("unknown", each.not_told[0].why), []).append(each.check)
    for (word, why), checks in reasons.items():
        first, *rest = textwrap.wrap(f"{', '.join(checks)} ({why})", WIDTH, break_on_hyphens=False)
        yield f"{_mark(word, paint)}  {first}"
        yield from (f"{'':12}{line}" for line in rest)


def _is_silence(examined: Examined) -> bool:
    """Whether nothing could be looked at, which one line says for all checks of which that is so."""
    return not examined.diagnoses and len(examined.not_told) == 1 and examined.not_told[0].server is None


def _said(examined: Examined, level: str, paint: Paint) -> Iterator[str]:
    for each, names in _once(examined, level).items():
        yield ""
        place = _place(each, names)
        yield f"{_mark(level, paint)}  {paint(examined.check, 'strong')}{f'  {place}' if place else ''}"
        if isinstance(each, NotTold):
            yield from _paragraph("", each.why)
        else:
            yield from _paragraph("", each.what)
            yield from _paragraph("effect: ", each.effect)
        yield from _paragraph("cure:   ", each.cure)


def _once(examined: Examined, level: str) -> dict[Diagnosis | NotTold, list[str]]:
    """What a check says, each thing once, with the servers of which it is so."""
    if level == "unknown":
        said: list[Diagnosis | NotTold] = [] if _is_silence(examined) else list(examined.not_told)
    else:
        said = [each for each in examined.diagnoses if each.level == level]
    servers: dict[Diagnosis | NotTold, list[str]] = {}
    for each in said:
        servers.setdefault(replace(each, server=None), []).append(each.server or "")
    return servers


def _place(said: Diagnosis | NotTold, servers: Sequence[str]) -> str:
    path = said.path if isinstance(said, Diagnosis) else None
    line = said.line if isinstance(said, Diagnosis) else None
    file = f"{path}:{line}" if path and line else path
    return one_line(", ".join(part for part in (*servers, file) if part))


def _paragraph(label: str, text: str) -> Iterator[str]:
    """A text under its label; no word is cut, so that a statement or a URL can be pasted."""
    if not text:
        return
    indent = " " * 4
    for number, line in enumerate(block(redact(text))):
        first = f"{indent}{label if not number else ' ' * len(label)}"
        yield from textwrap.wrap(
            line,
            WIDTH,
            initial_indent=first,
            subsequent_indent=indent + " " * len(label),
            break_long_words=False,
            break_on_hyphens=False,
        )


def _summary(found: Examination, paint: Paint) -> str:
    made = sum(each.verdict not in ("unknown", "not needed") for each in found.examined)
    numbers = {level: sum(len(_once(each, level)) for each in found.examined) for level in ("error", "warning")}
    parts = [counted(number, level) for level, number in numbers.items() if number]
    untold = sum(bool(each.not_told) for each in found.examined)
    parts += [f"{counted(untold, 'check')} could not be made"] if untold else []
    verdict = "nothing must be mended" if found.healthy else "something must be mended"
    colour = "good" if found.healthy else "bad"
    return f"{counted(made, 'check')} made: {paint(verdict, colour)}{''.join(f', {part}' for part in parts)}."


def doctor_json(found: Examination) -> str:
    """The same as one JSON object: `checks` with their verdicts, `findings`; keys are added, never renamed.

    Args:
        found: what was found.
    """
    return result_document(
        {
            "environment": found.environment,
            "database": {"url": found.url, "server_version": found.server_version},
            "healthy": found.healthy,
            "checks": [
                {
                    "check": each.check,
                    "title": each.title,
                    "verdict": each.verdict,
                    "skipped": each.skipped or None,
                    "note": each.note or None,
                }
                for each in found.examined
            ],
            "findings": [
                {"check": each.check, **_masked(diagnosis)} for each in found.examined for diagnosis in each.diagnoses
            ],
            "not_told": [
                {"check": each.check, **_masked(untold)} for each in found.examined for untold in each.not_told
            ],
        }
    )


def _masked(said: Diagnosis | NotTold) -> dict[str, object]:
    members: dict[str, object] = plain_value(said)
    return {key: redact(value) if isinstance(value, str) else value for key, value in members.items()}
