"""A small trainable technique: softmax regression by full-batch gradient descent on hashed words."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sazon.core import registry, rng
from sazon.core.config import Config
from sazon.core.seams import Job
from sazon.core.types import Answers, Candidate, Dataset, Example, TrainingData
from sazon.federate.learner import Learner
from sazon.federate.technique import Federate, FederateOptions

WIDTH = 24


class ToyConfig(Config):
    rate: float = 1.0
    noise: float = 0.0
    break_at: str = ""


def features(inputs: Sequence[str]) -> np.ndarray:
    X = np.zeros((len(inputs), WIDTH))
    for i, text in enumerate(inputs):
        for word in text.split():
            X[i, zlib.crc32(word.encode()) % WIDTH] += 1.0
    return X


def probabilities(state: dict[str, np.ndarray], X: np.ndarray) -> np.ndarray:
    scores = X @ state["weight"] + state["bias"]
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def answer(state: dict[str, np.ndarray], inputs: Sequence[str], labels: Sequence[str]) -> Answers:
    p = probabilities(state, features(inputs))
    best = p.argmax(axis=1)
    return Answers(
        labels=tuple(labels[i] for i in best),
        confidence=p.max(axis=1),
        probabilities=p,
        classes=tuple(labels),
    )


class Toy:
    stage = "adapt"
    Config = ToyConfig
    seen: tuple[set[str], ...] = ()

    def initial_state(self, config: ToyConfig, *, base: Any, labels: Sequence[str]) -> dict[str, np.ndarray]:
        return {"weight": np.zeros((WIDTH, len(labels))), "bias": np.zeros(len(labels))}

    def local_step(self, state, rows, config, *, base, labels, cache, rng):  # type: ignore[no-untyped-def]
        Toy.seen = (*Toy.seen, {e.site for e in rows.examples})
        if config.break_at and config.break_at in {e.site for e in rows.examples}:
            return {"weight": state["weight"] * np.nan, "bias": state["bias"]}
        X = features(rows.inputs)
        truth = np.eye(len(labels))[[labels.index(t) for t in rows.targets]]
        residual = (probabilities(state, X) - truth) / len(X)
        # Changes what it was given in place, as a careless plug-in may.
        state["weight"] -= config.rate * X.T @ residual + config.noise * rng.normal(
            size=state["weight"].shape
        )
        state["bias"] -= config.rate * residual.sum(axis=0)
        return state

    def save_state(self, state, config, *, base, labels, directory: Path) -> None:  # type: ignore[no-untyped-def]
        directory.mkdir(parents=True, exist_ok=True)
        np.savez(directory / "toy.npz", **state)
        (directory / "predictor.json").write_text(json.dumps({"predictor": "toy", "classes": list(labels)}))


class ToyThatAnswers(Toy):
    """Offers answers from a state, so that nothing need be saved to measure."""

    def answer_state(self, state, inputs, config, *, base, labels, cache) -> Answers:  # type: ignore[no-untyped-def]
        return answer(state, inputs, labels)


class ToyPredictor:
    def __init__(self, state: dict[str, np.ndarray], classes: list[str]) -> None:
        self.state, self.classes = state, classes

    @classmethod
    def load(cls, directory: Path) -> ToyPredictor:
        with np.load(directory / "toy.npz") as stored:
            state = dict(stored)
        return cls(state, json.loads((directory / "predictor.json").read_text())["classes"])

    def predict(self, inputs: Sequence[str]) -> Answers:
        return answer(self.state, inputs, self.classes)


class Untrainable:
    Config = ToyConfig


KNOWN = {
    ("technique", "toy"): Toy,
    ("technique", "answering"): ToyThatAnswers,
    ("technique", "untrainable"): Untrainable,
    ("predictor", "toy"): ToyPredictor,
}
WORDS = {"book": "appointment tomorrow please", "pay": "invoice card money", "ask": "opening hours where"}


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load", lambda seam, name: KNOWN[seam, name])
    Toy.seen = ()


def make_rows(
    split: str, sizes: dict[str | None, int], *, labels: Sequence[str] = tuple(WORDS), seed: int = 0
) -> Dataset:
    stream = rng.stream(seed, split)
    rows = []
    for site, n in sizes.items():
        for i in range(n):
            label = labels[i % len(labels)]
            own = WORDS[label].split()
            other = WORDS[str(stream.choice(list(WORDS)))].split()
            words = [str(w) for w in (*stream.choice(own, 2), stream.choice(other))]
            rows.append(Example(id=f"{split}-{site}-{i}", input=" ".join(words), target=label, site=site))
    return Dataset(name="toy", split=split, examples=tuple(rows))  # type: ignore[arg-type]


def make_data(fit: dict[Any, int], validation: dict[Any, int] | None = None) -> TrainingData:
    held_out = {s: 6 for s in fit} if validation is None else validation
    return TrainingData(
        fit=make_rows("fit", fit), validation=make_rows("validation", held_out), labels=tuple(sorted(WORDS))
    )


@pytest.fixture
def seen() -> Callable[[], tuple[set[str], ...]]:
    """The sites of the rows that each local step so far was given."""
    return lambda: Toy.seen


@pytest.fixture
def training_data() -> Callable[..., TrainingData]:
    return make_data


@pytest.fixture
def learner(tmp_path: Path) -> Callable[..., Learner]:
    def make(
        *, local_steps: int = 1, seed: int = 0, technique: type[Toy] = ToyThatAnswers, **options: Any
    ) -> Learner:
        return Learner(
            technique=technique(),  # type: ignore[arg-type]
            options=ToyConfig(**options),
            base=None,
            labels=tuple(sorted(WORDS)),
            cache=tmp_path / "cache",
            seed=seed,
            local_steps=local_steps,
        )

    return make


@pytest.fixture
def adapt(tmp_path: Path) -> Callable[..., Candidate]:
    """Run the technique as the pipeline would."""

    def run(
        data: TrainingData,
        *,
        technique: str = "answering",
        folder: str = "together",
        seed: int = 0,
        parent_options: str | None = '{"rate": 1.0}',
        emit: Callable[[Any], None] = lambda event: None,
        **options: Any,
    ) -> Candidate:
        parent = Candidate(
            name="probe", technique=technique, base="tiny@1", facts={"options": parent_options}
        )
        job = Job(
            name="together",
            directory=tmp_path / folder,
            cache=tmp_path / "cache",
            rng=rng.stream(seed, "federate.together"),
            emit=emit,
        )
        job.directory.mkdir(parents=True)
        config = FederateOptions.model_validate({"of": "probe"} | options)
        return Federate().adapt(config, base=None, data=data, parents={"probe": parent}, job=job)

    return run
