"""One site's share of training a head together: a few epochs of gradient descent, in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sazon.adapt.softmax_regression import one_hot
from sazon.core.seams import Base, State
from sazon.models.embed import Embedder
from sazon.models.probe import save_probe
from sazon.models.softmax import softmax
from sazon.models.transformer import can_bf16, declared_length, declared_width


def zeros(base: Base, labels: Sequence[str]) -> State:
    """A head of zeros: weight (classes, width) and bias (classes,)."""
    return {"weight": np.zeros((len(labels), declared_width(base.path))), "bias": np.zeros(len(labels))}


@lru_cache(maxsize=4)
def embedder_of(base: Base, cache: Path) -> Embedder:
    """The embedder of a site, kept between rounds so that the base is read once."""
    return Embedder(base, cache=cache)


def descend(
    state: State,
    X: npt.NDArray[np.float32],
    truth: npt.NDArray[np.intp],
    *,
    epochs: int,
    rate: float,
    batch: int,
    rng: np.random.Generator,
) -> State:
    """Minimise the mean cross-entropy by mini-batch gradient descent from `state`.

    W ← W − rate · mean over the batch of (p − y)·xᵀ, and the bias likewise. On unit vectors
    the curvature is at most 1/2, so any rate below 4 descends.

    Args:
        state: weight (classes, width) and bias (classes,); left as it is.
        X: unit vectors, shape (n, width).
        truth: class columns, shape (n,).
        epochs: passes over the rows.
        rate: learning rate.
        batch: rows of one step.
        rng: shuffles the rows.
    """
    weight, bias = state["weight"].copy(), state["bias"].copy()
    targets = one_hot(truth, len(bias))
    for _ in range(epochs):
        order = rng.permutation(len(truth))
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            residual = softmax(X[rows] @ weight.T + bias) - targets[rows]
            weight -= rate / len(rows) * (residual.T @ X[rows])
            bias -= rate / len(rows) * residual.sum(axis=0)
    return {"weight": weight, "bias": bias}


def save(state: State, *, base: Base, labels: Sequence[str], directory: Path) -> None:
    """Write a probe whose head is `state`."""
    save_probe(
        directory,
        base=base,
        classes=labels,
        weight=state["weight"],
        bias=state["bias"],
        temperature=1.0,
        precision="bf16" if can_bf16() else "fp32",
        max_length=declared_length(base.path),
    )
