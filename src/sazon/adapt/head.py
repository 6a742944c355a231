"""Choose and fit a linear head on a frozen base: the core of transfer, the start of fine-tuning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sazon.adapt.config import Switch
from sazon.adapt.measure import calibrated_loss, codes, fit_temperature, validation_metrics
from sazon.adapt.softmax_regression import Head, cross_validate, deal_folds, fit_head, labelled
from sazon.core.errors import DataError
from sazon.core.types import Estimate, Floats, TrainingData
from sazon.models.embed import Embedder
from sazon.models.softmax import softmax

FEW_ROWS_PER_CLASS = 20
"""Up to this median, label names are worth a training row (measured: +2.2 points at 5, +0.6 at 10)."""
MANY_ROWS = 4000
"""From here on three folds choose C as well as five do."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Embedded rows, shape (n, width), and their class columns, shape (n,)."""

    X: npt.NDArray[np.float32]
    truth: npt.NDArray[np.intp]

    def __add__(self, other: Rows) -> Rows:
        """Both, one after the other."""
        return Rows(X=np.concatenate([self.X, other.X]), truth=np.concatenate([self.truth, other.truth]))


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A head trained on fit alone, and how it does on validation."""

    head: Head
    C: float
    temperature: float
    fit: Rows
    validation: Rows
    names: Rows
    classes: int
    cv_accuracy: float | None
    """Out-of-fold accuracy of the chosen C; None where there was nothing to choose."""

    def on_validation(self) -> Floats:
        """Probabilities for the validation rows, shape (n, classes)."""
        return softmax(self.head.scores(self.validation.X), temperature=self.temperature)

    def metrics(self) -> Mapping[str, Estimate]:
        """Validation accuracy and log-loss of the head trained on fit alone."""
        return validation_metrics(self.on_validation(), self.validation.truth)

    def refitted(self) -> Head:
        """The same C on fit, validation and label names together."""
        rows = self.fit + self.validation + self.names
        return fit_head(rows.X, labelled(rows.truth, self.classes), C=self.C, start=self.head)

    def facts(self) -> dict[str, str | float | int | bool | None]:
        """What was chosen."""
        return {
            "C": self.C,
            "cv_accuracy": self.cv_accuracy,
            "label_names": len(self.names.truth) > 0,
            "temperature": self.temperature,
        }


def choose_head(
    embedder: Embedder,
    data: TrainingData,
    *,
    grid: Sequence[float],
    folds: int,
    label_names: Switch,
    rng: np.random.Generator,
    name: str,
) -> Fitted:
    """Embed all rows, choose C by grouped cross-validation on fit, train on fit.

    Among the values of C whose accuracy is within half a standard error of the best, the one
    with the least log-loss after temperature scaling is taken.

    Raises:
        DataError: a class has neither a row nor a label name to learn from.
    """
    fit = _embed(embedder, data.fit.inputs, data.fit.targets, data.labels)
    validation = _embed(embedder, data.validation.inputs, data.validation.targets, data.labels)
    texts, targets = label_rows(data) if wants_label_names(data, label_names) else ([], [])
    names = _embed(embedder, texts, targets, data.labels)
    classes = len(data.labels)
    require_every_class(data, fit.truth, names.truth, name=name)
    C, cv_accuracy, ordered = grid[0], None, sorted(grid)
    if len(ordered) > 1:
        k = min(folds, 3 if len(data.fit) >= MANY_ROWS else folds, len(set(data.fit.groups)))
        if k < 2:
            raise DataError(
                "all training rows belong to one group, so nothing can be cross-validated",
                where=f"candidates.{name}",
                mend="Check data.group, or give a single C.",
            )
        dealt = deal_folds(data.fit.groups, data.fit.targets, k, rng)
        extra = (names.X, names.truth)
        scores = cross_validate(fit.X, fit.truth, dealt, classes=classes, grid=ordered, always=extra)
        accuracy = (scores.argmax(axis=2) == fit.truth).mean(axis=1)
        # The head is calibrated after it is chosen, so each C is judged calibrated.
        loss = np.array([calibrated_loss(one, fit.truth) for one in scores])
        chosen = _least_loss_of_the_best(accuracy, loss, n=len(fit.truth))
        C, cv_accuracy = ordered[chosen], float(accuracy[chosen])
    rows = fit + names
    head = fit_head(rows.X, labelled(rows.truth, classes), C=C)
    return Fitted(
        head=head,
        C=C,
        temperature=fit_temperature(head.scores(validation.X), validation.truth),
        fit=fit,
        validation=validation,
        names=names,
        classes=classes,
        cv_accuracy=cv_accuracy,
    )


def wants_label_names(data: TrainingData, switch: Switch) -> bool:
    """Whether label names become training rows: as told, or where a class has few rows."""
    if switch != "auto":
        return bool(switch)
    counts = Counter(data.fit.targets)
    return float(np.median([counts[label] for label in data.labels])) <= FEW_ROWS_PER_CLASS


def label_rows(data: TrainingData) -> tuple[list[str], list[str]]:
    """Label names as words, and their descriptions, each with its label."""
    texts = [label.replace("_", " ").replace("-", " ").strip() for label in data.labels]
    described = [label for label in data.labels if data.descriptions.get(label)]
    return texts + [data.descriptions[d] for d in described], [*data.labels, *described]


def require_every_class(
    data: TrainingData, truth: npt.NDArray[np.intp], named: npt.NDArray[np.intp], *, name: str
) -> None:
    """Refuse a class with nothing to learn from.

    Raises:
        DataError: naming up to three of the classes.
    """
    seen = set(truth.tolist()) | set(named.tolist())
    if missing := [label for i, label in enumerate(data.labels) if i not in seen]:
        shown = ", ".join(repr(label) for label in missing[:3])
        raise DataError(
            f"{len(missing)} classes have no row to learn from: {shown}",
            where=f"candidates.{name}",
            mend="Add rows of these classes, or set label_names: true to learn them from their names.",
        )


def _embed(embedder: Embedder, texts: Sequence[str], targets: Sequence[str], labels: Sequence[str]) -> Rows:
    return Rows(X=embedder.embed(texts), truth=codes(targets, labels))


def _least_loss_of_the_best(accuracy: Floats, loss: Floats, *, n: int) -> int:
    best = float(accuracy.max())
    near = accuracy >= best - 0.5 * np.sqrt(best * (1 - best) / n)
    return int(np.where(near, loss, np.inf).argmin())
