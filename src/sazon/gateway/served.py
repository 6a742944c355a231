"""What is served: one task, answered on this machine."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sazon.core.errors import PolicyRefused
from sazon.core.seams import Predictor
from sazon.core.types import Answers, Candidate


@dataclass(frozen=True, kw_only=True)
class Served:
    """A task, the candidate that answers it, and its predictor."""

    name: str
    """Name of the task; clients ask for it as the model."""
    candidate: Candidate
    predictor: Predictor

    def __post_init__(self) -> None:
        """Refuse whatever would have to ask somebody else.

        Raises:
            PolicyRefused: the candidate does not run on this machine alone.
        """
        local = self.candidate.placement == "local" and not self.candidate.providers
        if not (local and self.predictor.can.runs_here):
            raise PolicyRefused(
                "only candidates that run on this machine can be served: every exit is closed",
                where=self.candidate.name,
                mend="Serve a local candidate of the run.",
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The model names it answers to."""
        return (self.name, "sazon")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One answer, ready for JSON."""

    label: str
    confidence: float | None
    probabilities: dict[str, float] | None
    answered_by: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "label": self.label,
            "confidence": self.confidence,
            "probabilities": self.probabilities,
            "answered_by": self.answered_by,
        }


def readings(answers: Answers, candidate: Candidate) -> list[Reading | None]:
    """Each answer by itself; None where the predictor gave none."""
    found: list[Reading | None] = []
    for i, label in enumerate(answers.labels):
        if answers.errors and answers.errors[i] is not None:
            found.append(None)
            continue
        confidence = float(answers.confidence[i])
        rows = answers.probabilities
        found.append(
            Reading(
                label=label,
                confidence=confidence if math.isfinite(confidence) else None,
                probabilities=None
                if rows is None
                else dict(zip(answers.classes, map(float, rows[i]), strict=True)),
                answered_by=answers.routed[i] if answers.routed else candidate.name,
            )
        )
    return found


def events(served: Served, reading: Reading, head: dict[str, Any], *, with_usage: bool) -> Sequence[bytes]:
    """The answer as server-sent events in the OpenAI shape, `[DONE]` at the end."""
    head = head | {"object": "chat.completion.chunk"}

    def event(delta: dict[str, str], finish: str | None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _event(head | {"choices": [choice]} | more)

    blocks = [
        event({"role": "assistant", "content": ""}, None),
        event({"content": reading.label}, None),
        event({}, "stop", sazon=extra(served, reading)),
    ]
    if with_usage:
        # Tokens are not counted here, and unknown is not zero.
        blocks.append(_event(head | {"choices": [], "usage": None}))
    return [*blocks, b"data: [DONE]\n\n"]


def completion(served: Served, reading: Reading, head: dict[str, Any]) -> dict[str, Any]:
    """The answer as a chat completion in the OpenAI shape."""
    message = {"role": "assistant", "content": reading.label, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return head | {
        "object": "chat.completion",
        "choices": [choice],
        "usage": None,
        "sazon": extra(served, reading),
    }


def extra(served: Served, reading: Reading) -> dict[str, Any]:
    """What sazon says beyond the OpenAI shape."""
    return {
        "task": served.name,
        "candidate": served.candidate.name,
        "digest": served.candidate.digest,
        **reading.as_json(),
    }


def _event(content: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n\n"
