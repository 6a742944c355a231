"""Where the quality of a model that is not made here comes from: recorded, published or assumed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from sazon.core import digest
from sazon.core.config import Config, refuse
from sazon.core.seams import Job
from sazon.core.types import Artifact, Candidate, Dataset, Kind, Phrase, Placement, Splits
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


class QualitySource(Config):
    """Exactly one of recorded answers, published figures or an assumed range."""

    recorded: str | None = None
    """Recording of this model's answers to these texts, relative to the recipe."""
    published: Published | None = None
    """Right answers among n, with the source."""
    assumed: Assumed | None = None
    """A range, where nobody has measured yet."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [k for k in ("recorded", "published", "assumed") if getattr(self, k) is not None]
        if len(given) != 1:
            said = " and ".join(given) if given else "nothing"
            raise refuse(
                f"needs exactly one of recorded, published and assumed, got {said}",
                "Without measurements write: assumed: {accuracy: {p10: 0.86, p90: 0.94}}",
            )
        return self

    @property
    def kind(self) -> Kind:
        """How the quality is known."""
        if self.recorded is not None:
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
    """
    held: dict[str, str | float | int | bool | None] = {**facts, **source.claimed}
    artifact: Artifact | None = None
    notes: tuple[Phrase, ...] = ()
    if source.recorded is not None:
        from sazon.models.recorded import RecordedPredictor, refuse_stranger

        path = root / source.recorded
        recording = RecordedPredictor.save(path, job.directory)
        if error := refuse_stranger(recording, splits.test.inputs, where=str(path)):
            raise error
        model, notes = recording.model, _notes(recording, splits.test)
        held |= {"recorded_at": recording.made_at, "prompt_digest": recording.prompt_digest}
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


def _notes(recording: Recording, test: Dataset) -> tuple[Phrase, ...]:
    notes = []
    missing = len(test) - recording.joined(test.inputs)
    if missing:
        notes.append(told("notes.not_recorded", missing=missing, rows=len(test)))
    strange = sorted(set(test.labels) - set(recording.labels))
    if strange:
        notes.append(told("notes.not_offered", labels=len(strange), names=", ".join(strange)))
    return tuple(notes)
