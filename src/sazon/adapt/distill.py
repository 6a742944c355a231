"""Distillation: a static student learns the probabilities of any teacher candidate."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from sazon import models
from sazon.adapt.checks import note, require_all_labels, require_learnable
from sazon.adapt.lesson import Lesson, make_lesson
from sazon.adapt.measure import codes, fit_temperature, training_cost, validation_metrics
from sazon.adapt.softmax_regression import Goal, fit_head, one_hot
from sazon.core import digest
from sazon.core.config import Config
from sazon.core.events import Event
from sazon.core.seams import Base, Job
from sazon.core.types import Artifact, Candidate, Phrase, TrainingData
from sazon.models.softmax import softmax
from sazon.models.static import StaticPredictor, ngrams


class DistillConfig(Config):
    """Options of a distilled candidate."""

    teacher: str
    """Name of the candidate to learn from."""
    student: Literal["static"] = "static"
    """What it becomes: a table of n-grams, read with numpy alone."""
    gold: float = Field(default=0.5, ge=0, le=1)
    """λ: share of the true labels in the loss on labelled rows; the rest is the teacher's."""
    temperature: float = Field(default=2.0, gt=0, le=20)
    """T: how much teacher and student are softened when they are compared."""
    variants: int = Field(default=1, ge=0, le=20)
    """Unlabelled variants made of each text, on which the teacher is followed; together they
    weigh as much as the teacher does on the text itself."""
    C: float = Field(default=10.0, gt=0, le=1e6)
    """Inverse strength of the penalty on the table."""
    rarest: int = Field(default=2, ge=1, le=100)
    """An n-gram enters the table when it stands in so many training texts."""
    refit: bool = True
    """Train once more on fit and validation together after measuring on validation."""


class Distill:
    """λ·CE(label, s) + (1−λ)·T²·KL(teacher/T ‖ s/T), the second term also on variants of the texts."""

    stage: ClassVar[Literal["adapt"]] = "adapt"
    Config: ClassVar[type[DistillConfig]] = DistillConfig

    def parents(self, config: DistillConfig) -> tuple[str, ...]:
        """The teacher."""
        return (config.teacher,)

    def adapt(
        self,
        config: DistillConfig,
        *,
        base: Base | None,
        data: TrainingData,
        parents: Mapping[str, Candidate],
        job: Job,
    ) -> Candidate:
        """Ask the teacher once, train on fit, measure on validation, train on all rows.

        Raises:
            DataError: nothing can be learnt from the rows.
            RecipeError: the teacher does not give probabilities over the task's classes.
        """
        require_learnable(data, name=job.name)
        require_all_labels(data, name=job.name)
        began = time.perf_counter()
        teacher = parents[config.teacher]
        told = _teller(job)
        lesson = make_lesson(
            models.load(teacher), data, variants=config.variants, rng=job.rng, told=told, name=job.name
        )
        student = train_static(config, lesson.only_fit(), data.labels)
        truth = codes(data.validation.targets, data.labels)
        scores = student.scores(data.validation.inputs)
        temperature = fit_temperature(scores, truth)
        if config.refit and len(truth):
            student = train_static(config, lesson, data.labels)
        student.temperature = temperature
        student.save(job.directory)
        metrics = validation_metrics(softmax(scores, temperature=temperature), truth)
        return Candidate(
            name=job.name,
            technique="distill",
            parents=(config.teacher,),
            artifact=Artifact(path=job.directory, digest=digest.of_folder(job.directory)),
            training=training_cost(
                seconds=time.perf_counter() - began, rows=len(lesson.texts), tokens=None, device="cpu"
            ),
            validation=metrics,
            facts={
                "teacher": config.teacher,
                "kept": _kept(metrics["accuracy"].value, teacher),
                "features": len(student.idf),
                "temperature": temperature,
                "variants": int((lesson.truth < 0).sum()),
            },
            notes=_seen(teacher, data),
        )


def train_static(config: DistillConfig, lesson: Lesson, labels: tuple[str, ...]) -> StaticPredictor:
    """Fit the table of a static student on a lesson."""
    from scipy.sparse import csr_matrix

    words, pieces = _vocabulary(lesson.texts, rarest=config.rarest)
    student = StaticPredictor(
        classes=labels,
        words=words,
        pieces=pieces,
        idf=np.ones(len(words) + len(pieces), dtype=np.float32),
        table=np.zeros((0, len(labels)), dtype=np.float32),
        bias=np.zeros(len(labels), dtype=np.float32),
        temperature=1.0,
    )
    views = [student.rows(text) for text in lesson.texts]
    counts = np.bincount(
        np.concatenate([r for view in views for r in view]).astype(np.intp), minlength=len(student.idf)
    )
    student.idf = (np.log((1 + len(views)) / (1 + counts)) + 1).astype(np.float32)
    values, columns, starts = [], [], [0]
    for view in views:
        for rows in view:
            idf = student.idf[rows]
            values.append(idf / np.sqrt(max(float(idf @ idf), 1e-12)))
            columns.append(np.array(rows, dtype=np.intp))
        starts.append(starts[-1] + sum(len(rows) for rows in view))
    X = csr_matrix((np.concatenate(values), np.concatenate(columns), starts), shape=(len(views), len(counts)))
    head = fit_head(X, *_goals(config, lesson, len(labels)), C=config.C, steps=100)
    student.table = np.ascontiguousarray(head.weight.T, dtype=np.float32)
    student.bias = head.bias.astype(np.float32)
    return student


def _goals(config: DistillConfig, lesson: Lesson, classes: int) -> list[Goal]:
    known = (lesson.truth >= 0)[:, None]
    gold = np.where(known, one_hot(lesson.truth, classes), 0.0)
    soft = softmax(np.log(np.maximum(lesson.soft, 1e-9)), temperature=config.temperature)
    gold_weights = np.where(known[:, 0], config.gold, 0.0)
    hard = Goal(targets=gold, weights=gold_weights)
    followed = np.where(known[:, 0], 1.0, 1.0 / max(1, config.variants)) * (1.0 - config.gold)
    return [hard, Goal(targets=soft, weights=followed, temperature=config.temperature)]


def _vocabulary(texts: Sequence[str], *, rarest: int) -> tuple[list[str], list[str]]:
    words: Counter[str] = Counter()
    pieces: Counter[str] = Counter()
    for text in texts:
        found = ngrams(text)
        words.update(found[0])
        pieces.update(found[1])
    return _often(words, rarest), _often(pieces, rarest)


def _often(counts: Counter[str], rarest: int) -> list[str]:
    return sorted(gram for gram, count in counts.items() if count >= rarest)


def _seen(teacher: Candidate, data: TrainingData) -> tuple[Phrase, ...]:
    """A warning where the teacher was refitted on the rows that measure the student."""
    if not len(data.validation) or teacher.training is None or teacher.training.rows <= len(data.fit):
        return ()
    return (note("flattered"),)


def _kept(accuracy: float | None, teacher: Candidate) -> float | None:
    """Share of the teacher's validation accuracy that the student keeps."""
    told = teacher.validation.get("accuracy")
    if accuracy is None or told is None or not told.value:
        return None
    return accuracy / told.value


def _teller(job: Job) -> Callable[[int, int], None]:
    def told(done: int, total: int) -> None:
        job.emit(Event(stage=f"adapt.{job.name}", message="asking the teacher", done=done, total=total))

    return told
