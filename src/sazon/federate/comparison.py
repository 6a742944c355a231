"""What federating is worth: the same training on all rows pooled, and at each site alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from sazon.core.seams import State
from sazon.core.types import Dataset, Estimate
from sazon.federate.learner import Learner
from sazon.federate.sites import Site, pool
from sazon.stats.clusters import Clustering
from sazon.stats.paired import Pair
from sazon.stats.proportions import proportion

Right = npt.NDArray[np.bool_]
Step = Callable[[str], None]
"""Told after each round of training, with the name of who is trained."""


def compare(
    learner: Learner, sites: Sequence[Site], validation: Dataset, federated: Right, *, rounds: int, step: Step
) -> dict[str, Estimate]:
    """Accuracies on validation of the pooled and lone trainings, and the paired difference to pooled.

    Everybody takes as many rounds of as many local steps as the federation did.

    Args:
        learner: the technique that is trained.
        sites: the sites of the federation.
        validation: all validation rows.
        federated: which of them the federated state answers correctly, shape (n,).
        rounds: rounds of the federation.
        step: told after each round.

    Returns:
        `pooled`, `difference_to_pooled` (federated − pooled), per site `alone.<site>` (trained
        there alone, measured on all rows), `alone_own.<site>` and `pooled_own.<site>` (measured
        on that site's rows).
    """
    pooled = learner.right(_train(learner, pool(sites), who="pooled", rounds=rounds, step=step), validation)
    found = {
        "pooled": accuracy(pooled),
        "difference_to_pooled": Pair.of(federated, pooled, Clustering.of(validation.groups)).difference(),
    }
    for site, own in by_site(sites, validation):
        found[f"pooled_own.{site.name}"] = accuracy(pooled[own])
        state = _train(learner, site.fit, who=f"alone {site.name}", rounds=rounds, step=step)
        alone = learner.right(state, validation)
        found[f"alone.{site.name}"] = accuracy(alone)
        found[f"alone_own.{site.name}"] = accuracy(alone[own])
    return found


def by_site(sites: Sequence[Site], validation: Dataset) -> Iterator[tuple[Site, Right]]:
    """Each site with the mask of its own validation rows."""
    homes = np.array([e.site for e in validation.examples], dtype=object)
    for site in sites:
        yield site, np.asarray(homes == site.name, dtype=np.bool_)


def accuracy(right: Right) -> Estimate:
    """Share of right answers with Wilson's interval; undefined without rows."""
    if not len(right):
        return Estimate.none("no validation rows here", unit="share", n=0)
    return proportion(int(right.sum()), len(right))


def _train(learner: Learner, rows: Dataset, *, who: str, rounds: int, step: Step) -> State:
    state = learner.start()
    for number in range(1, rounds + 1):
        state = learner.train(state, rows, who=who, round_number=number)
        step(who)
    return state
