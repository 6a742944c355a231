"""Answers given once by somebody else's model, replayed from a recording.

A recording is JSON lines: a header, then one answer a line. An answer is found again by the digest
of (input, prompt, model), never by its row number, so that it cannot be joined to other data.

    {"sazon_recording": 1, "model": …, "prompt_digest": …, "labels": […], "made_at": …, "provider": …,
     "data_public": …}    (no labels: the answers are free text)
    {"key": …, "model": …, "answer": label or text or null, "tokens_in": …, "tokens_out": …,
     "seconds": …, "money": …, "attempts": …, "at": …, "error": text or null}

Answers about data that is not public are sealed: `sealed_recording.py` says how.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sazon.core import digest
from sazon.core.errors import DataError, SazonError
from sazon.core.run import write_aside
from sazon.core.seams import Capabilities
from sazon.core.types import Answers, Floats
from sazon.models.folder import write_facts
from sazon.models.sealed_recording import Hand

RECORDING_VERSION = 1
FILE = "recording.jsonl"
NOT_RECORDED = "not recorded"
MEND = "Record the answers again, or point `recorded` to the right file."


def recording_key(
    input: str, prompt_digest: str, model: str, *, name: Callable[..., str] = digest.of_text
) -> str:
    """What an answer is found by: digest of the input, the prompt and the model, keyed where sealed."""
    return name(input, prompt_digest, model)


@dataclass(frozen=True, kw_only=True)
class RecordedAnswer:
    """One line of a recording."""

    answer: str | None
    error: str | None = None
    tokens: float = math.nan
    """Input and output tokens billed together; NaN: unknown. Likewise seconds and money."""
    tokens_in: float = math.nan
    tokens_out: float = math.nan
    seconds: float = math.nan
    money: float = math.nan
    attempts: float = math.nan
    """Requests it took, those of earlier lines for the same text included."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A whole recording: who answered to which prompt, and the answers by key."""

    model: str
    prompt_digest: str
    labels: tuple[str, ...]
    provider: str
    made_at: str
    answers: Mapping[str, RecordedAnswer]
    covered: bool = False
    """Whether the texts were asked under pseudonyms."""
    hand: Hand = field(default_factory=Hand)
    """How it is written."""

    def key(self, input: str) -> str:
        """The key of an input under this recording's prompt and model."""
        return recording_key(input, self.prompt_digest, self.model, name=self.hand.name)

    @property
    def prompt_name(self) -> str:
        """The prompt's digest as it may be shown: examples of people in it must not be guessed."""
        return self.hand.name("prompt", self.prompt_digest) if self.hand.sealed else self.prompt_digest

    def joined(self, inputs: Sequence[str]) -> int:
        """How many of the inputs it has a line for."""
        return sum(self.key(text) in self.answers for text in inputs)


def read_recording(path: Path) -> Recording:
    """Read a recording; of two lines with one key the later counts (it was asked again).

    A sealed one is opened with the keys in hand; answers about people who were erased are missing.

    Raises:
        DataError: not there, not a recording, of another version, or a line that cannot be read.
        EnvironmentLacks: it is sealed, and no keys are open.
        IntegrityError: it is sealed under other keys, or a sealed line was changed.
    """
    lines = _lines(path)
    header = _line(lines[0] if lines else "", f"{path}:1")
    version = header.get("sazon_recording")
    if version != RECORDING_VERSION:
        what = "this is not a recording" if version is None else f"a recording of version {version!r}"
        raise DataError(what, where=str(path), mend=MEND)
    hand = Hand.of(header, where=str(path))
    header = hand.read_header(header, where=f"{path}:1")
    try:
        facts = {k: str(header[k]) for k in ("model", "prompt_digest")}
        labels = tuple(str(label) for label in header["labels"])
    except (KeyError, TypeError) as error:
        raise DataError(
            "the header lacks model, prompt_digest or labels", where=f"{path}:1", mend=MEND
        ) from error
    answers: dict[str, RecordedAnswer] = {}
    for number, line in enumerate(lines[1:], start=2):
        where = f"{path}:{number}"
        entry = hand.read_line(_line(line, where), where=where) if line.strip() else None
        if entry is not None:
            if not isinstance(entry.get("key"), str) or entry.get("model", facts["model"]) != facts["model"]:
                raise DataError("no key, or another model than the header's", where=where, mend=MEND)
            answers[entry["key"]] = _recorded(entry, where, before=answers.get(entry["key"]))
    return Recording(
        labels=labels,
        provider=str(header.get("provider") or ""),
        made_at=str(header.get("made_at") or ""),
        answers=answers,
        covered=bool(header.get("covered")),
        hand=hand,
        **facts,
    )


def _lines(path: Path) -> list[str]:
    """The whole lines of a file."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("cannot read this recording", where=str(path), mend=MEND) from error
    lines = text.split("\n")  # not splitlines: a raw U+2028 inside an answer ends no line
    if len(lines) > 1 and not text.endswith("\n") and not _is_json(lines[-1]):
        del lines[-1]  # Recording was interrupted in the middle of this answer: it is missing, and counted.
    return lines


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _line(text: str, where: str) -> dict[str, Any]:
    try:
        entry = json.loads(text)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        raise DataError(
            "not a JSON object", where=where, mend="A recording is JSON lines, one object a line."
        )
    return entry


def _recorded(entry: Mapping[str, Any], where: str, *, before: RecordedAnswer | None) -> RecordedAnswer:
    answer, error = entry.get("answer"), entry.get("error")
    if answer is not None and not isinstance(answer, str):
        raise DataError("an answer must be text or null", where=where)
    numbers = {}
    for name in ("tokens_in", "tokens_out", "seconds", "money", "attempts"):
        value = entry.get(name)
        known = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if value is not None and not (known and value >= 0):
            raise DataError(f"{name} must be a number ≥ 0 or null", where=where)
        numbers[name] = math.nan if value is None else float(value)
    return RecordedAnswer(
        answer=answer if error is None else None,
        error=str(error) if error is not None else None if answer is not None else "no answer",
        tokens=numbers["tokens_in"] + numbers["tokens_out"],
        tokens_in=numbers["tokens_in"],
        tokens_out=numbers["tokens_out"],
        seconds=numbers["seconds"],
        money=numbers["money"],
        attempts=numbers["attempts"] + (before.attempts if before else 0.0),
    )


class RecordedPredictor:
    """Replays a recording; an input it does not hold is an error, never a guess."""

    def __init__(self, recording: Recording) -> None:
        """Keep the recording."""
        self.recording = recording
        self.classes = recording.labels
        self.can = Capabilities(probabilities=False, runs_here=False)

    @classmethod
    def load(cls, directory: Path) -> RecordedPredictor:
        """Read the predictor from its folder."""
        return cls(read_recording(directory / FILE))

    @staticmethod
    def save(source: Path, directory: Path) -> Recording:
        """Copy a recording into a candidate's folder, after reading it through.

        Raises:
            DataError: it is not a recording.
        """
        recording = read_recording(source)
        directory.mkdir(parents=True, exist_ok=True)
        write_aside(directory / FILE, source.read_bytes())
        facts = {
            "model": recording.model,
            "prompt_digest": recording.prompt_name,
            "classes": list(recording.labels),
        }
        write_facts(directory, "recorded", facts)
        return recording

    def predict(self, inputs: Sequence[str]) -> Answers:
        """The recorded answer to each input, in order."""
        missing = RecordedAnswer(answer=None, error=NOT_RECORDED)
        found = [self.recording.answers.get(self.recording.key(text), missing) for text in inputs]

        def column(name: str) -> Floats:
            return np.array([getattr(f, name) for f in found], dtype=np.float64)

        return Answers(
            labels=tuple(f.answer or "" for f in found),
            confidence=np.full(len(found), np.nan),
            classes=self.classes,
            errors=tuple(f.error for f in found),
            tokens=column("tokens"),
            money=column("money"),
            seconds=column("seconds"),
        )


def refuse_stranger(recording: Recording, inputs: Sequence[str], *, where: str) -> SazonError | None:
    """The error for a recording that holds no line for any of the inputs: it belongs to other data."""
    if not inputs or recording.joined(inputs):
        return None
    return DataError(
        f"none of the {len(recording.answers)} recorded answers belongs to these rows",
        where=where,
        mend="It was made from other texts, another prompt or another model; record the answers again.",
    )
