"""Where the quality of a model that is not made here comes from: live, recorded, published or assumed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from sazon.core import digest
from sazon.core.config import Config, refuse
from sazon.core.errors import PolicyRefused
from sazon.core.seams import Job
from sazon.core.types import Artifact, Candidate, Dataset, Kind, Phrase, Placement, Splits
from sazon.evaluate.asked import Asked
from sazon.evaluate.tell import told

if TYPE_CHECKING:
    from sazon.models.recorded import Recording

Facts = Mapping[str, str | float | int | bool | None]


class ShareRange(Config):
    """A share that is not known exactly."""

    p10: float = Field(gt=0, lt=1)
    """Nine times out of ten it is at least this."""
    p90: float = Field(gt=0, lt=1)
    """Nine times out of ten it is at most this."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.p10 > self.p90:
            raise refuse(f"p10 ({self.p10:g}) is above p90 ({self.p90:g})", "Write the lower figure as p10.")
        return self


class Assumed(Config):
    """A quality nobody measured on this task: it is shown as assumed everywhere."""

    accuracy: ShareRange
    """The range the accuracy is believed to be in."""


class Published(Config):
    """A quality somebody else measured, on other rows."""

    k: int = Field(ge=0)
    """Right answers."""
    n: int = Field(gt=0)
    """Answers in all."""
    source: str = Field(min_length=1)
    """Where it was published."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.k > self.n:
            raise refuse(f"k ({self.k}) is above n ({self.n})", "k counts the right answers among n.")
        return self


class QualitySource(Asked):
    """Exactly one of live or recorded answers, published figures or an assumed range."""

    live: bool = False
    """Ask the provider, once and after consent: `sazon evaluate RECIPE --record CANDIDATE`. The answers
    are kept in the cache and not asked for again."""
    recorded: str | None = None
    """Recording of this model's answers to these texts, relative to the recipe."""
    published: Published | None = None
    """Right answers among n, with the source."""
    assumed: Assumed | None = None
    """A range, where nobody has measured yet."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [
            k for k in ("live", "recorded", "published", "assumed") if getattr(self, k) not in (None, False)
        ]
        if len(given) != 1:
            said = " and ".join(given) if given else "nothing"
            raise refuse(
                f"needs exactly one of live, recorded, published and assumed, got {said}",
                "Without measurements write: assumed: {accuracy: {p10: 0.86, p90: 0.94}}",
            )
        if needless := sorted(self.model_fields_set & set(Asked.model_fields)) if not self.answers else []:
            raise refuse(
                f"{' and '.join(needless)}: a model whose quality is {given[0]} is not asked",
                "Leave it out, or write live: true.",
            )
        return self

    @property
    def answers(self) -> bool:
        """Whether the model itself has answered, or will."""
        return self.live or self.recorded is not None

    def answered_by(self, recording: Path) -> Self:
        """The same source once its answers lie in a recording."""
        return self.model_copy(update={"live": False, "recorded": str(recording)})

    @property
    def kind(self) -> Kind:
        """How the quality is known."""
        if self.answers:
            return "measured"
        return "published" if self.published is not None else "assumed"

    @property
    def claimed(self) -> dict[str, str | float | int | bool | None]:
        """The published or assumed figures as facts."""
        if self.published is not None:
            return {"k": self.published.k, "n": self.published.n, "source": self.published.source}
        if self.assumed is not None:
            return {"accuracy_p10": self.assumed.accuracy.p10, "accuracy_p90": self.assumed.accuracy.p90}
        return {}


def candidate_from(
    source: QualitySource,
    *,
    technique: str,
    model: str | None,
    placement: Placement,
    providers: tuple[str, ...],
    facts: Facts,
    splits: Splits,
    job: Job,
    root: Path,
) -> Candidate:
    """The candidate a quality source stands for; recorded answers become its artifact.

    Raises:
        DataError: not a recording, or one that belongs to other data.
        PolicyRefused: live, and no recording of it was made yet.
    """
    if source.live:
        raise PolicyRefused(
            "its answers have not been recorded, so nothing was asked",
            where=f"candidates.{job.name}",
            mend=f"Give consent: sazon evaluate RECIPE --record {job.name}",
        )
    held: dict[str, str | float | int | bool | None] = {**facts, **source.claimed}
    artifact: Artifact | None = None
    notes: tuple[Phrase, ...] = ()
    if source.recorded is not None:
        from sazon.models.recorded import RecordedPredictor, refuse_stranger

        path = root / source.recorded
        recording = RecordedPredictor.save(path, job.directory)
        if error := refuse_stranger(recording, splits.test.inputs, where=str(path)):
            raise error
        counts = counted(recording, rows_asked(splits))
        model, notes = recording.model, _notes(recording, splits.test, counts)
        held |= {
            "recorded_at": recording.made_at,
            "prompt_digest": recording.prompt_name,
            "recording_digest": digest.of_file(path),
            "pseudonymised": recording.covered,
            **counts,
        }
        artifact = Artifact(path=job.directory, digest=digest.of_folder(job.directory))
    return Candidate(
        name=job.name,
        technique=technique,
        kind=source.kind,
        base=model,
        artifact=artifact,
        placement=placement,
        providers=providers,
        facts=held,
        notes=notes,
    )


def rows_asked(splits: Splits) -> list[str]:
    """Every distinct text that a model may have been asked: test, and what certifies a cascade."""
    judged = (splits.test, splits.trust, splits.calibration)
    return list(dict.fromkeys(text for rows in judged if rows is not None for text in rows.inputs))


def counted(recording: Recording, inputs: Sequence[str]) -> dict[str, int | float | None]:
    """What asking came to, over distinct texts: counts, and tokens per answer that were billed.

    None where the recording does not say: nothing told is not nothing. Texts that stayed here are counted
    apart (`blocked`, `not_consented`), where there are any.

    Args:
        recording: the answers.
        inputs: distinct texts; those without a line are not counted.
    """
    from sazon.models.remote import CUT_OFF, UNSENT, UNUSABLE

    found = [recording.answers[key] for key in map(recording.key, inputs) if key in recording.answers]
    unsent = [line.error for line in found if line.error in UNSENT]
    lines = [line for line in found if line.error not in UNSENT]
    billed = [line for line in lines if line.error is None or line.error in UNUSABLE]
    attempts = sum(line.attempts for line in lines)
    return {
        "asked": len(lines),
        "failed": sum(line.error is not None for line in lines),
        "unreadable": sum(line.error in UNUSABLE for line in lines),
        "retries": None if math.isnan(attempts) else int(attempts) - len(lines),
        "tokens_in": _mean([line.tokens_in for line in billed]),
        "tokens_out": _mean([line.tokens_out for line in billed]),
        "cut_off": sum(line.error == CUT_OFF for line in lines),
        **{error: unsent.count(error) for error in UNSENT if error in unsent},
    }


def _mean(values: Sequence[float]) -> float | None:
    mean = sum(values) / len(values) if values else math.nan
    return None if math.isnan(mean) else mean


def _notes(
    recording: Recording, test: Dataset, counts: Mapping[str, int | float | None]
) -> tuple[Phrase, ...]:
    notes = []
    missing = len(test) - recording.joined(test.inputs)
    if missing:
        notes.append(told("notes.not_recorded", missing=missing, rows=len(test)))
    if recording.covered:
        notes.append(told("notes.pseudonymised"))
    stayed = {name: int(counts.get(name) or 0) for name in ("blocked", "not_consented")}
    if any(stayed.values()):
        notes.append(told("notes.unsent", **stayed))
    strange = sorted(set(test.labels) - set(recording.labels)) if recording.labels else []
    if strange:
        notes.append(told("notes.not_offered", labels=len(strange), names=", ".join(strange)))
    if counts["failed"]:
        shown = ("asked", "failed", "unreadable", *(() if recording.labels else ("cut_off",)))
        key = "notes.failed" if recording.labels else "notes.failed_text"
        notes.append(told(key, **{name: counts[name] for name in shown}))
    return tuple(notes)
