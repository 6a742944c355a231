"""Answer sheets: what each candidate answered to every test row, and how long it took.

A sheet is written once per run and read on resume, so that timings are measured once.
Ids, labels and numbers are kept; inputs never are. Free text about people is sealed, where there are keys.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sazon import models
from sazon.core.errors import IntegrityError, PluginError
from sazon.core.events import Emit, Event, silent
from sazon.core.seams import Predictor
from sazon.core.types import Answers, Candidate, Dataset, Example, Floats
from sazon.evaluate.config import LatencyConfig
from sazon.evaluate.together import ask_together
from sazon.policy import safe
from sazon.policy.safe import Safe

BATCH = 256
ANSWERS = "answers.parquet"
TIMINGS = "timings.json"
_SEALED = "answer"
COLUMNS = (
    "example",
    "answer",
    "confidence",
    "probabilities",
    "tokens",
    "seconds",
    "money",
    "error",
    "routed",
)


@dataclass(frozen=True, kw_only=True)
class Timings:
    """How fast a candidate answered, on this machine, once."""

    batch_seconds: float | None = None
    """Seconds to answer all rows in batches; None where nothing ran here."""
    batch_rows: int = 0
    at_once: int = 1
    """Callers who asked at the same time; 1: that was not tried."""
    at_once_seconds: tuple[float, ...] = ()
    """Seconds of every request then, the wait in the queue included."""
    at_once_wall_seconds: float = 0.0
    """Seconds all of them took together."""

    @property
    def throughput_per_s(self) -> float | None:
        """Rows answered per second in batches."""
        return self.batch_rows / self.batch_seconds if self.batch_seconds else None


@dataclass(frozen=True, kw_only=True)
class AnswerSheet:
    """One candidate's answers, in the order of the test rows; no rows where nothing was asked."""

    candidate: str
    examples: tuple[str, ...] = ()
    labels: tuple[str | None, ...] = ()
    """None: no answer; `errors` says why."""
    confidence: Floats
    """Shape (n,); NaN: none given."""
    probabilities: Floats | None = None
    """Shape (n, classes)."""
    classes: tuple[str, ...] = ()
    errors: tuple[str | None, ...] = ()
    routed: tuple[str | None, ...] = ()
    """Which candidate answered, for cascades."""
    tokens: Floats
    """Shape (n,); NaN: unknown. Likewise seconds and money."""
    seconds: Floats
    """Latency of the rows answered one by one, or as recorded."""
    money: Floats
    timings: Timings

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.examples)

    @classmethod
    def empty(cls, candidate: str) -> AnswerSheet:
        """The sheet of a candidate that answers nothing here (assumed or published quality)."""
        none = np.zeros(0)
        return cls(
            candidate=candidate, confidence=none, tokens=none, seconds=none, money=none, timings=Timings()
        )

    def aligned(self, test: Dataset) -> AnswerSheet:
        """Itself, once it is sure that its rows are the test set's.

        Raises:
            IntegrityError: the sheet belongs to other rows.
        """
        if self.examples and self.examples != tuple(test.ids):
            raise IntegrityError(
                f"the answers of {self.candidate!r} belong to other test rows",
                mend="Remove the run's evaluate folder and run again.",
            )
        return self

    def write(self, directory: Path, test: Dataset | None = None) -> None:
        """Write `answers.parquet` and `timings.json`.

        Args:
            directory: where.
            test: the rows answered. Free text about people is sealed under their keys, where keys are
                in hand; labels and numbers never are.
        """
        import polars as pl

        n = len(self)
        keys = safe.in_hand()
        sealed = keys is not None and test is not None and not test.public and not self.classes
        answers = _sealed(keys, self.labels, test) if sealed and keys and test else list(self.labels)
        table = pl.DataFrame(
            {
                "example": list(self.examples),
                "answer": answers,
                "confidence": _nullable(self.confidence),
                "probabilities": [None] * n if self.probabilities is None else self.probabilities.tolist(),
                "tokens": _nullable(self.tokens),
                "seconds": _nullable(self.seconds),
                "money": _nullable(self.money),
                "error": list(self.errors) or [None] * n,
                "routed": list(self.routed) or [None] * n,
            },
            schema={
                "example": pl.String,
                "answer": pl.String,
                "confidence": pl.Float64,
                "probabilities": pl.List(pl.Float64),
                "tokens": pl.Float64,
                "seconds": pl.Float64,
                "money": pl.Float64,
                "error": pl.String,
                "routed": pl.String,
            },
        )
        table.write_parquet(directory / ANSWERS)
        facts = {"candidate": self.candidate, "classes": list(self.classes)} | asdict(self.timings)
        facts |= {"sealed_under": keys.id} if sealed and keys else {}
        (directory / TIMINGS).write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", "utf-8")

    @classmethod
    def read(cls, directory: Path) -> AnswerSheet:
        """Read what `write` wrote.

        Raises:
            IntegrityError: the files are missing or cut, or sealed under other keys.
            EnvironmentLacks: the answers are sealed, and no keys are in hand.
        """
        import polars as pl

        try:
            facts = json.loads((directory / TIMINGS).read_text("utf-8"))
            table = pl.read_parquet(directory / ANSWERS)
            timings = Timings(
                **{name: facts[name] for name in ("batch_seconds", "batch_rows")},
                at_once=facts["at_once"],
                at_once_seconds=tuple(facts["at_once_seconds"]),
                at_once_wall_seconds=facts["at_once_wall_seconds"],
            )
            candidate, classes = str(facts["candidate"]), tuple(facts["classes"])
            column = {name: table[name].to_list() for name in COLUMNS}
            under = facts.get("sealed_under")
        except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
            raise IntegrityError(
                "no readable answers here", where=str(directory), mend="Remove the folder and run again."
            ) from error
        rows = column["probabilities"]
        routed, errors = tuple(column["routed"]), tuple(column["error"])
        return cls(
            candidate=candidate,
            examples=tuple(column["example"]),
            labels=tuple(column["answer"] if under is None else _unsealed(under, column, directory)),
            confidence=_floats(column["confidence"]),
            probabilities=np.array(rows, dtype=np.float64) if rows and rows[0] is not None else None,
            classes=classes,
            errors=errors,
            routed=routed if any(routed) else (),
            tokens=_floats(column["tokens"]),
            seconds=_floats(column["seconds"]),
            money=_floats(column["money"]),
            timings=timings,
        )


def answer(
    candidate: Candidate,
    test: Dataset,
    *,
    directory: Path,
    latency: LatencyConfig | None = None,
    emit: Emit = silent,
) -> AnswerSheet:
    """Let a candidate answer the whole test set, measure its times, and write the sheet.

    Throughput is measured over the whole set in batches; latency on a fixed, evenly spread sample
    answered one by one once warm, or taken from the recording where nothing runs here.

    Args:
        candidate: measured ones answer; assumed and published ones get an empty sheet.
        test: the rows.
        directory: where `answers.parquet` and `timings.json` go.
        latency: how response times are measured.
        emit: told of progress.
    """
    if candidate.artifact is None:
        sheet = AnswerSheet.empty(candidate.name)
    else:
        sheet = _ask(candidate.name, models.load(candidate), test, latency or LatencyConfig(), emit)
    sheet.write(directory, test)
    return sheet


def _sealed(keys: Safe, answers: Sequence[str | None], test: Dataset) -> list[str | None]:
    """Answers sealed under the keys of the people whose rows they are."""

    def sealed(answer: str, row: Example) -> str:
        people = [row.subject] if row.subject else []
        return keys.seal(people, answer.encode("utf-8", "surrogatepass"), _SEALED, row.id)

    pairs = zip(answers, test.examples, strict=True)
    return [None if answer is None else sealed(answer, row) for answer, row in pairs]


def _unsealed(under: str, column: Mapping[str, Sequence[str | None]], directory: Path) -> list[str | None]:
    """The answers; None where the person was erased."""
    keys = safe.expected(under, what="these answers are", where=str(directory))
    found = [
        None if sealed is None else keys.open(sealed, _SEALED, str(example))
        for sealed, example in zip(column["answer"], column["example"], strict=True)
    ]
    return [None if answer is None else answer.decode("utf-8", "surrogatepass") for answer in found]


def _ask(name: str, predictor: Predictor, test: Dataset, latency: LatencyConfig, emit: Emit) -> AnswerSheet:
    inputs, stage = test.inputs, f"evaluate.{name}"
    here = predictor.can.runs_here
    if here:
        for text in inputs[: latency.warm_up]:
            predictor.predict([text])
    parts: list[Answers] = []
    began = time.perf_counter()
    for start in range(0, len(inputs), BATCH):
        parts.append(predictor.predict(inputs[start : start + BATCH]))
        emit(Event(stage=stage, done=min(start + BATCH, len(inputs)), total=len(inputs)))
    batch_seconds = time.perf_counter() - began
    sheet = _sheet(name, predictor.classes, test, parts, elsewhere=0.0 if here else np.nan)
    if not here or not inputs:
        return sheet
    elsewhere = sheet.seconds
    seconds = _one_by_one(predictor, inputs, elsewhere=elsewhere, latency=latency)
    # A clock here does not see a provider's work, so only what runs here alone has a throughput.
    alone = bool((elsewhere == 0).all())
    if not alone:
        return replace(sheet, seconds=seconds)
    timings = Timings(batch_seconds=batch_seconds, batch_rows=len(inputs))
    return replace(sheet, seconds=seconds, timings=_at_once(timings, predictor, inputs, latency))


def _at_once(
    timings: Timings, predictor: Predictor, inputs: Sequence[str], latency: LatencyConfig
) -> Timings:
    """The timings with those of several callers at once, where they are wanted."""
    if latency.at_once == 1 or not latency.texts:
        return timings
    texts = [inputs[i] for i in _spread(len(inputs), latency.texts)]
    seconds, wall = ask_together(predictor, texts, callers=latency.at_once)
    return replace(
        timings, at_once=latency.at_once, at_once_seconds=tuple(seconds), at_once_wall_seconds=wall
    )


def _spread(rows: int, most: int) -> npt.NDArray[np.int64]:
    """Positions of at most so many rows, evenly spread."""
    return np.unique(np.linspace(0, rows - 1, min(most, rows)).astype(np.int64))


def _one_by_one(
    predictor: Predictor, inputs: Sequence[str], *, elsewhere: Floats, latency: LatencyConfig
) -> Floats:
    """Latency of a sample, NaN for all other rows; seconds spent elsewhere are added.

    Where some of those are not known all are NaN: the rows answered here alone would flatter.
    """
    chosen = _spread(len(inputs), latency.texts)
    seconds = np.full(len(inputs), np.nan)
    if np.isnan(elsewhere[chosen]).any():
        return seconds
    for i in chosen:
        began = time.perf_counter()
        predictor.predict([inputs[i]])
        seconds[i] = time.perf_counter() - began
    return seconds + elsewhere


def _sheet(
    name: str, classes: tuple[str, ...], test: Dataset, parts: Sequence[Answers], *, elsewhere: float
) -> AnswerSheet:
    """Join the batches into one sheet; `elsewhere`: seconds spent elsewhere where nothing is said."""
    errors = tuple(e for part in parts for e in (part.errors or (None,) * len(part.labels)))
    labels = tuple(label for part in parts for label in part.labels)
    confidence = _joined([part.confidence for part in parts], parts, missing=np.nan)
    _refuse_nonsense(name, labels, errors, confidence, rows=len(test))
    routed = tuple(r for part in parts for r in part.routed)
    known = [part.probabilities for part in parts if part.probabilities is not None]
    return AnswerSheet(
        candidate=name,
        examples=tuple(test.ids),
        labels=tuple(None if e is not None else label for label, e in zip(labels, errors, strict=True)),
        confidence=confidence,
        probabilities=np.concatenate(known) if known and len(known) == len(parts) else None,
        classes=next((part.classes for part in parts if part.classes), classes),
        errors=errors,
        routed=routed if len(routed) == len(test) else (),
        tokens=_joined([part.tokens for part in parts], parts, missing=np.nan),
        seconds=_joined([part.seconds for part in parts], parts, missing=elsewhere),
        money=_joined([part.money for part in parts], parts, missing=np.nan),
        timings=Timings(),
    )


def _refuse_nonsense(
    name: str,
    labels: Sequence[str],
    errors: Sequence[str | None],
    confidence: Floats,
    *,
    rows: int,
) -> None:
    """See that a predictor kept its contract.

    Raises:
        PluginError: too few or too many answers, or a confidence that is no probability.
    """
    if not len(labels) == len(errors) == len(confidence) == rows:
        raise PluginError(
            f"the predictor of {name!r} gave {len(labels)} answers to {rows} inputs",
            mend="A predictor must answer every input, in order; see sazon.testing.",
        )
    sure = confidence[np.isfinite(confidence)]
    if np.isinf(confidence).any() or (sure < 0).any() or (sure > 1).any():
        raise PluginError(
            f"the predictor of {name!r} gave a confidence outside [0, 1]",
            mend="Confidence is a probability, or NaN where there is none; see sazon.testing.",
        )


def _joined(values: Sequence[Floats | None], parts: Sequence[Answers], *, missing: float) -> Floats:
    columns = [
        np.full(len(part.labels), missing) if value is None else np.asarray(value, dtype=np.float64)
        for value, part in zip(values, parts, strict=True)
    ]
    return np.concatenate(columns) if columns else np.zeros(0)


def _nullable(values: Floats) -> list[float | None]:
    return [None if np.isnan(v) else float(v) for v in values]


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
