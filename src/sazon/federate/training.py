"""The order of work: federate and measure, compare, then federate once more with all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sazon.core.events import Event
from sazon.core.seams import Job, State
from sazon.core.types import Dataset, Estimate
from sazon.federate.comparison import Right, accuracy, by_site, compare
from sazon.federate.config import FederateConfig
from sazon.federate.flower import quiet_flower
from sazon.federate.learner import Learner
from sazon.federate.sites import Site

if TYPE_CHECKING:
    from sazon.federate.coordinator import Federation, Observe


@dataclass(frozen=True, kw_only=True)
class Round:
    """How the averaged state did on validation after one round (0: before the first)."""

    number: int
    right: Right
    """Which validation rows were answered correctly."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A state trained together, what that took, and how it compares."""

    state: State
    sites: tuple[Site, ...]
    history: tuple[Round, ...]
    """Of the federation that was measured, on fit rows alone; only its last round where every
    measurement would need a predictor on disk."""
    estimates: dict[str, Estimate]
    """`accuracy`, `own.<site>` (on that site's rows) and what `compare` returns, all on validation."""
    refitted: bool
    """True where `state` was trained on validation rows too, after measuring."""
    rows: int
    """Rows that `state` was trained on."""
    rounds: int
    """Rounds in all, of measuring and refitting."""
    communicated_bytes: int
    seconds: float


def train(
    config: FederateConfig, learner: Learner, sites: tuple[Site, ...], validation: Dataset, job: Job
) -> Outcome:
    """Federate on fit rows, measure on validation, compare, and refit on both where asked for."""
    refit = config.refit and any(len(site.validation) for site in sites)
    trainings = 1 + refit + (1 + len(sites) if config.compare else 0)
    step = _progress(job, total=trainings * config.rounds)
    history: list[Round] = []

    def measure(number: int, state: State) -> None:
        shown = ""
        # Without answers from a state, measuring means writing and loading a whole predictor.
        if learner.answers_at_once or number == config.rounds:
            right = learner.right(state, validation)
            history.append(Round(number=number, right=right))
            shown = f", validation accuracy {np.mean(right):.3f}" if len(right) else ""
        if number:
            step(f"round {number} of {config.rounds}{shown}")

    def count(number: int, state: State) -> None:
        if number:
            step(f"round {number} of {config.rounds}, with validation rows")

    federations = [_federate(config, learner, sites, job, observe=measure)]
    right = history[-1].right
    estimates = {"accuracy": accuracy(right)} | {
        f"own.{site.name}": accuracy(right[own]) for site, own in by_site(sites, validation)
    }
    if config.compare:
        estimates |= compare(learner, sites, validation, right, rounds=config.rounds, step=step)
    trained = tuple(site.with_validation() for site in sites) if refit else sites
    if refit:
        federations.append(_federate(config, learner, trained, job, observe=count))
    return Outcome(
        state=federations[-1].state,
        sites=sites,
        history=tuple(history),
        estimates=estimates,
        refitted=refit,
        rows=sum(len(site.fit) for site in trained),
        rounds=len(federations) * config.rounds,
        communicated_bytes=sum(f.communicated_bytes for f in federations),
        seconds=sum(f.seconds for f in federations),
    )


def _federate(
    config: FederateConfig, learner: Learner, sites: Sequence[Site], job: Job, *, observe: Observe
) -> Federation:
    with quiet_flower(home=job.cache / "flower", emit=job.emit, stage=f"federate.{job.name}"):
        from sazon.federate.coordinator import federate

        return federate(learner, sites, rounds=config.rounds, fraction=config.fraction, observe=observe)


def _progress(job: Job, *, total: int) -> Callable[[str], None]:
    done = 0

    def step(message: str) -> None:
        nonlocal done
        done += 1
        job.emit(Event(stage=f"federate.{job.name}", message=message, done=done, total=total))

    return step
