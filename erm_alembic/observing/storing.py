"""Samples and observations as JSON, and back: what a release keeps in the ledger to go on tomorrow."""

from __future__ import annotations

from functools import cache
from typing import Any

from erm_alembic.errors import ErmError
from erm_alembic.observing.model import Observation, Sample

__all__ = ["observation_json", "observation_of", "sample_json", "sample_of"]


@cache
def _adapter(kind: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def observation_json(observation: Observation) -> str:
    """An observation as one line of JSON; neither values nor passwords stand in it.

    Args:
        observation: the observation.
    """
    return _written(Observation, observation)


def observation_of(text: str) -> Observation:
    """The observation that a text keeps.

    Args:
        text: what `observation_json` gave.

    Raises:
        ErmError: the text is none, or a newer erm wrote it.
    """
    found = _read(Observation, text)
    assert isinstance(found, Observation)
    return found


def sample_json(sample: Sample) -> str:
    """A sample as one line of JSON.

    Args:
        sample: the sample.
    """
    return _written(Sample, sample)


def sample_of(text: str) -> Sample:
    """The sample that a text keeps.

    Args:
        text: what `sample_json` gave.

    Raises:
        ErmError: the text is none.
    """
    found = _read(Sample, text)
    assert isinstance(found, Sample)
    return found


def _written(kind: type, value: object) -> str:
    text: str = _adapter(kind).dump_json(value, ensure_ascii=True).decode()
    return text


def _read(kind: type, text: str) -> object:
    from pydantic import ValidationError

    try:
        found: object = _adapter(kind).validate_json(text)
    except ValidationError as error:
        raise ErmError(
            f"What was kept of an observation cannot be read: {error.errors(include_input=False)[0]['msg']}.",
            effect="It cannot be gone on with.",
            cure="Observe anew; a newer erm may have written it.",
        ) from None
    return found
