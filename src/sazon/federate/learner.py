"""What is trained together: a technique with a local step, its options and its random streams."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from sazon.core import registry, rng
from sazon.core.errors import DataError, PluginError, RecipeError
from sazon.core.seams import Base, State, Trainable
from sazon.core.types import Answers, Candidate, Dataset
from sazon.models import load_folder

STEPS = ("initial_state", "local_step", "save_state")


@runtime_checkable
class AnswersFromState(Protocol):
    """What a trainable technique may offer besides, so that a state is measured without saving it."""

    def answer_state(
        self,
        state: State,
        inputs: Sequence[str],
        config: Any,
        *,
        base: Base | None,
        labels: Sequence[str],
        cache: Path,
    ) -> Answers:
        """Answer as the predictor made of `state` would."""
        ...


@dataclass(frozen=True, kw_only=True)
class Learner:
    """One technique's local training, the same at every site."""

    technique: Trainable
    options: Any
    base: Base | None
    labels: tuple[str, ...]
    cache: Path
    seed: int
    local_steps: int

    @property
    def answers_at_once(self) -> bool:
        """Whether a state is measured without writing a predictor."""
        return isinstance(self.technique, AnswersFromState)

    def start(self) -> State:
        """The state everybody starts from."""
        return dict(self.technique.initial_state(self.options, base=self.base, labels=self.labels))

    def train(self, state: State, rows: Dataset, *, who: str, round_number: int) -> State:
        """One round of local steps on some rows.

        Args:
            state: left as it is.
            rows: all that is learnt from.
            who: names the random stream, so that it depends neither on the order nor on the
                number of the others.
            round_number: from 1.

        Raises:
            DataError: training diverged.
            PluginError: the technique changed names or shapes of its numbers.
        """
        stream = rng.stream(self.seed, f"{who}#{round_number}")
        after = copy(state)
        for _ in range(self.local_steps):
            after = self.technique.local_step(
                after,
                rows,
                self.options,
                base=self.base,
                labels=self.labels,
                cache=self.cache,
                rng=stream,
            )
        check_update(state, after, who=who)
        return after

    def right(self, state: State, rows: Dataset) -> npt.NDArray[np.bool_]:
        """Which rows the state answers correctly, shape (n,)."""
        if not len(rows):
            return np.zeros(0, dtype=np.bool_)
        labels = self._answers(state, rows.inputs).labels
        return np.array([a == t for a, t in zip(labels, rows.targets, strict=True)], dtype=np.bool_)

    def save(self, state: State, directory: Path) -> None:
        """Write the predictor made of a state."""
        self.technique.save_state(
            copy(state), self.options, base=self.base, labels=self.labels, directory=directory
        )

    def _answers(self, state: State, inputs: Sequence[str]) -> Answers:
        if isinstance(self.technique, AnswersFromState):
            return self.technique.answer_state(
                copy(state), inputs, self.options, base=self.base, labels=self.labels, cache=self.cache
            )
        self.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.cache) as folder:
            self.save(state, Path(folder))
            return load_folder(Path(folder)).predict(inputs)


def find_trainable(parent: Candidate, *, where: str) -> tuple[Trainable, Any]:
    """The technique of a candidate and its options, both needed to train it at the sites.

    Args:
        parent: the candidate named by `of`; its fact `options` holds its options as JSON.
        where: the federated candidate, for errors.

    Raises:
        RecipeError: the technique offers no local step.
        PluginError: the candidate does not carry its options.
    """
    technique = registry.load("technique", parent.technique)()
    if not all(callable(getattr(technique, step, None)) for step in STEPS):
        raise RecipeError(
            f"{parent.name!r} cannot be trained at several sites: "
            f"the technique {parent.technique!r} has no local step",
            where=where,
            mend="Name a candidate whose technique has one, such as transfer.",
        )
    options = parent.facts.get("options")
    if not isinstance(options, str):
        raise PluginError(
            f"the candidate {parent.name!r} does not carry its options",
            where=where,
            mend="Whoever makes candidates keeps their options as JSON in the fact 'options'.",
        )
    return cast(Trainable, technique), technique.Config.model_validate_json(options)


def check_update(before: Mapping[str, Any], after: Mapping[str, Any], *, who: str) -> None:
    """Refuse an update that cannot be averaged.

    Raises:
        PluginError: names or shapes changed.
        DataError: a number is not finite.
    """
    if {k: np.shape(v) for k, v in before.items()} != {k: np.shape(v) for k, v in after.items()}:
        raise PluginError(
            f"a local step changed names or shapes of the state ({who!r})",
            mend="It must return the numbers it was given, trained.",
        )
    if not all(np.isfinite(v).all() for v in after.values()):
        raise DataError(
            f"training diverged ({who!r}): an update is not finite",
            mend="Lower the learning rate of the trained candidate.",
        )


def copy(state: State) -> State:
    """The same numbers in memory of their own."""
    return {name: np.array(value) for name, value in state.items()}
