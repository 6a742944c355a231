"""Confident learning: which training labels a model that did not see the row would doubt.

A suspect is not an error: the weaker the model, the more right labels it doubts. So suspects are
shown, and leave training only where the recipe says so.

Source: Northcutt, Jiang & Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels".
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sazon.adapt.checks import note
from sazon.adapt.measure import codes, row_losses
from sazon.adapt.softmax_regression import cross_validate, deal_folds
from sazon.core.events import Emit, silent
from sazon.core.seams import Base
from sazon.core.suspects import Suspect, Suspects
from sazon.core.types import Dataset, Estimate, Floats
from sazon.core.words import Value
from sazon.data.duplicates import equal_rows
from sazon.models.embed import Embedder
from sazon.models.language_model import is_causal
from sazon.models.linear import vectorisers
from sazon.models.softmax import softmax
from sazon.stats.clusters import Clustering, share

Codes = npt.NDArray[np.intp]
FOLDS = 5
LEAST_ROWS = 20
"""Fewer rows say nothing of each other's labels."""
GRID = (1.0, 10.0)
"""Inverse penalties tried; the one with the least out-of-fold log-loss is taken."""
COMPONENTS = 256
"""Directions kept of TF-IDF, the strongest ones."""
LANDMARKS = 2000
"""Rows whose Gram matrix gives these directions; up to so many rows it is exact."""
RESAMPLES = 400


def find(
    data: Dataset,
    *,
    base: Base | None,
    cache: Path,
    rng: np.random.Generator,
    emit: Emit = silent,
    level: float = 0.95,
) -> Suspects:
    """Look for rows whose label is doubtful, and for equal texts.

    Args:
        data: labelled rows; groups stay whole when folds are dealt.
        base: an encoder whose embeddings are used beside TF-IDF; a causal model is not, nor any
            where torch is not installed (`features` says what was used).
        cache: where embeddings are kept, so that candidates need not make them again.
        rng: deals the folds and draws the bootstrap.
        emit: takes progress.
        level: of the intervals.
    """
    if not installed("sklearn"):
        return not_looked_at(data, "suspects_uninstalled")
    folds, kept = _deal(data, rng)
    if not len(kept):
        return not_looked_at(data, "suspects_too_few", rows=len(data), least=LEAST_ROWS)
    checked = data.select(kept)
    labels = checked.labels
    given = codes(checked.targets, labels)
    features, seen = _features(checked.inputs, base=base, cache=cache, emit=emit, rng=rng)
    if features is None:
        return not_looked_at(data, "suspects_no_words")
    probabilities = _out_of_fold(features, given, folds[kept], classes=len(labels))
    copies, conflicting = _equal(data)
    clustering = Clustering.of(checked.groups)
    return Suspects(
        rows=len(checked),
        left_out=len(data) - len(checked),
        suspects=_ranked(checked, probabilities, given, labels),
        features=seen,
        accuracy=share(probabilities.argmax(axis=1) == given, clustering, level=level),
        expected=expected_errors(probabilities, given, clustering, rng=rng, level=level),
        copies=copies,
        conflicting=conflicting,
    )


def installed(package: str) -> bool:
    """Whether a package of the extra `adapt` is there; labels are looked at without any of them missing
    being an error, since a recipe may train nothing.
    """
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def not_looked_at(data: Dataset, why: str, **values: Value) -> Suspects:
    """Nothing but equal texts: labels were not looked at, for a reason among the notes."""
    nothing = Estimate.none("labels were not looked at")
    copies, conflicting = _equal(data)
    return Suspects(
        rows=len(data),
        accuracy=nothing,
        expected=nothing,
        copies=copies,
        conflicting=conflicting,
        skipped=note(why, **values),
    )


def without(data: Dataset, found: Suspects) -> Dataset:
    """The rows without the suspects; a class all of whose rows are suspect keeps the least suspect one."""
    left = Counter(data.targets)
    gone: set[str] = set()
    for suspect in found.suspects:
        if left[suspect.given] > 1:
            left[suspect.given] -= 1
            gone.add(suspect.example)
    return data.select(i for i, e in enumerate(data.examples) if e.id not in gone)


# ------------------------------------------------------------------- confident learning


def confident_class(probabilities: Floats, given: Codes) -> Codes:
    """The class each row confidently belongs to, −1 where to none.

    t_j = mean of p_j over the rows labelled j; row i belongs to the likeliest class j with p_ij ≥ t_j.

    Args:
        probabilities: out of fold, shape (n, classes); every class has a row.
        given: labels as class columns, shape (n,).

    Returns:
        shape (n,).

    Source: Northcutt et al. 2021, equations 1 and 2.
    """
    n, classes = probabilities.shape
    sums = np.bincount(given, weights=probabilities[np.arange(n), given], minlength=classes)
    threshold = sums / np.bincount(given, minlength=classes)
    reached = np.where(probabilities >= threshold, probabilities, -1.0)
    return np.where(reached.max(axis=1) >= 0, reached.argmax(axis=1), -1)


def normalised_margin(probabilities: Floats, given: Codes) -> Floats:
    """P of the given label less the largest p of the others, shape (n,), in [−1, 1]."""
    rows = np.arange(len(given))
    others = probabilities.copy()
    others[rows, given] = -np.inf
    return np.asarray(probabilities[rows, given] - others.max(axis=1))


def expected_errors(
    probabilities: Floats,
    given: Codes,
    clustering: Clustering,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
) -> Estimate:
    """Wrong labels to expect: Σ_j n_j · (share of the confident rows labelled j that belong elsewhere).

    The interval resamples groups and so speaks of chance alone: a weak model doubts right labels,
    which no resampling of its doubts can show.

    Args:
        probabilities: out of fold, shape (n, classes).
        given: labels as class columns, shape (n,).
        clustering: of the same rows.
        rng: the stream of the bootstrap.
        level: nominal coverage.

    Source: Northcutt et al. 2021, equation 3 (the confident joint, calibrated to the label counts).
    """
    n, classes = probabilities.shape
    belongs = confident_class(probabilities, given)
    labelled, confident, elsewhere = (np.zeros((clustering.count, classes)) for _ in range(3))
    np.add.at(labelled, (clustering.codes, given), 1)
    np.add.at(confident, (clustering.codes, given), belongs >= 0)
    np.add.at(elsewhere, (clustering.codes, given), (belongs >= 0) & (belongs != given))

    def count(weights: Floats) -> Floats:
        doubted, sure = weights @ elsewhere, weights @ confident
        # At least one row of each class is taken to be right, as the authors' own code does.
        rates = doubted / np.maximum(np.maximum(sure, doubted + 1), 1)
        return np.asarray(((weights @ labelled) * rates).sum(axis=-1))

    groups = clustering.count
    value = float(count(np.ones((1, groups)))[0])
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), RESAMPLES).astype(np.float64)
    tail = (1 - level) / 2
    low, high = np.quantile(count(drawn), [tail, 1 - tail])
    return Estimate(
        value=value,
        low=min(value, float(low)),
        high=max(value, float(high)),
        level=level,
        unit="labels",
        n=n,
        clusters=groups,
        method="calibrated confident joint; bootstrap of groups, the model's own errors not included",
    )


def _ranked(
    data: Dataset, probabilities: Floats, given: Codes, labels: tuple[str, ...]
) -> tuple[Suspect, ...]:
    """The rows that confidently belong to another class than their label's, lowest margin first."""
    belongs = confident_class(probabilities, given)
    margins = normalised_margin(probabilities, given)
    doubted = np.flatnonzero((belongs >= 0) & (belongs != given))
    order = doubted[np.argsort(margins[doubted], kind="stable")]
    return tuple(
        Suspect(
            example=data.examples[i].id,
            given=labels[given[i]],
            likelier=labels[belongs[i]],
            probability=float(probabilities[i, belongs[i]]),
            margin=float(margins[i]),
        )
        for i in order
    )


# ---------------------------------------------------------------------------- the model


def _deal(data: Dataset, rng: np.random.Generator) -> tuple[Codes, Codes]:
    """Fold of each row, and the rows of classes that stand in two folds at least."""
    folds = min(FOLDS, len(set(data.groups)))
    nothing = np.zeros(0, dtype=np.intp)
    if len(data) < LEAST_ROWS or folds < 2:
        return nothing, nothing
    dealt = deal_folds(data.groups, data.targets, folds, rng)
    met: dict[str, set[int]] = {}
    for target, fold in zip(data.targets, dealt.tolist(), strict=True):
        met.setdefault(target, set()).add(fold)
    # A class in one fold alone would look impossible there, and its threshold be met by every row.
    kept = np.array([i for i, t in enumerate(data.targets) if len(met[t]) > 1], dtype=np.intp)
    several = sum(len(found) > 1 for found in met.values()) > 1
    return dealt, kept if several and len(kept) >= LEAST_ROWS else nothing


def _features(
    inputs: list[str], *, base: Base | None, cache: Path, emit: Emit, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32] | None, str]:
    """What the model sees of the texts, shape (n, width), and its name; None where there are no words.

    Embeddings and TF-IDF side by side doubt fewer right labels than either alone (demo, English
    base: 71 % of the labels agreed with, against 49 % and 66 %). Labels play no part here, so
    nothing of a held-out row's label reaches the others.
    """
    blocks: dict[str, npt.NDArray[np.float32]] = {}
    if base is not None and installed("torch") and not is_causal(base.path):
        blocks[base.name] = Embedder(base, cache=cache, emit=emit, stage="suspects").embed(inputs)
    if (words := _words(inputs, rng)) is not None:
        blocks["TF-IDF"] = words
    if not blocks:
        return None, ""
    return np.concatenate(list(blocks.values()), axis=1), " + ".join(blocks)


def _words(inputs: list[str], rng: np.random.Generator) -> npt.NDArray[np.float32] | None:
    """TF-IDF in its strongest directions, rows of length 1; None where there are no words.

    From the eigenvectors of the Gram matrix of some rows, which is exact where those are all.

    Source: Williams & Seeger 2001, "Using the Nyström Method to Speed Up Kernel Machines".
    """
    from scipy.linalg import eigh
    from scipy.sparse import hstack

    try:
        table = hstack([view.fit_transform(inputs) for view in vectorisers().values()], format="csr")
    except ValueError:
        return None
    n = len(inputs)
    marks = np.sort(rng.choice(n, size=min(n, LANDMARKS), replace=False))
    alike = (table @ table[marks].T).toarray().astype(np.float64)
    last = len(marks) - 1
    strength, vectors = eigh(alike[marks], subset_by_index=[max(0, last - COMPONENTS + 1), last])
    firm = strength > 1e-6 * strength[-1]
    found = alike @ (vectors[:, firm] / np.sqrt(strength[firm]))
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.maximum(length, 1e-12), dtype=np.float32)


def _out_of_fold(features: npt.NDArray[np.float32], given: Codes, folds: Codes, *, classes: int) -> Floats:
    """Probabilities of each row by a model that saw no row of its fold, shape (n, classes)."""
    none = (np.zeros((0, features.shape[1]), np.float32), np.zeros(0, np.intp))
    scores = cross_validate(features, given, folds, classes=classes, grid=GRID, always=none)
    found = [softmax(one) for one in scores]
    return min(found, key=lambda p: float(row_losses(p, given).mean()))


def _equal(data: Dataset) -> tuple[int, tuple[tuple[str, ...], ...]]:
    """Copies with the same label, and the ids of equal texts with different labels."""
    ids, targets = data.ids, data.targets
    same = equal_rows(data.inputs)
    copies = sum(len(rows) - len({targets[i] for i in rows}) for rows in same)
    several = [rows for rows in same if len({targets[i] for i in rows}) > 1]
    return copies, tuple(tuple(ids[i] for i in rows) for rows in several)
