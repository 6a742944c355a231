"""Federated averaging by Flower: who takes part, what is sent, how updates become one state.

Imports Flower: import it inside `quiet_flower` only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MessageType, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from sazon.core import rng
from sazon.core.seams import State
from sazon.federate.grid import InProcessGrid, server_identity
from sazon.federate.learner import Learner
from sazon.federate.sites import Site

ARRAYS, METRICS, CONFIG, WEIGHT, ROUND = "arrays", "metrics", "config", "num-examples", "server-round"
FEWEST = 2
"""Sites in a round at least: the average of one is that one's update."""
Observe = Callable[[int, State], None]
"""Told the averaged state after each round (0: before the first)."""


@dataclass(frozen=True, kw_only=True)
class Federation:
    """A state trained together, and what that took."""

    state: State
    communicated_bytes: int
    """Bytes of all weights sent, both ways, over all rounds."""
    seconds: float
    """Time spent training at the sites, added up."""


def federate(
    learner: Learner, sites: Sequence[Site], *, rounds: int, fraction: float, observe: Observe
) -> Federation:
    """Train at the sites in turn with the average: w ← Σ nᵢ wᵢ / Σ nᵢ, nᵢ the rows of site i.

    The state after the last round is returned, not the best one: choosing by validation would
    make the validation accuracy too good to be true.

    Args:
        learner: the technique that is trained.
        sites: at least two.
        rounds: times everybody trains and is averaged.
        fraction: share of the sites that take part in a round.
        observe: told the state before the first and after each round.

    Source: McMahan et al. 2017, "Communication-Efficient Learning of Deep Networks from
    Decentralized Data", algorithm 1.
    """
    grid = InProcessGrid({site.name: site_app(learner, site) for site in sites})

    def look(round_number: int, arrays: ArrayRecord) -> MetricRecord | None:
        observe(round_number, unpack(arrays))
        return None

    with server_identity():
        result = _Averaging(learner.seed, fraction).start(
            grid=grid, initial_arrays=pack(learner.start()), num_rounds=rounds, evaluate_fn=look
        )
    return Federation(
        state=unpack(result.arrays), communicated_bytes=grid.bytes, seconds=round(grid.seconds, 3)
    )


def site_app(learner: Learner, site: Site) -> ClientApp:
    """The program of one site: it holds that site's rows and sends weights and a row count."""
    app = ClientApp()

    def train(message: Message, context: Context) -> Message:
        before = unpack(message.content[ARRAYS])
        round_number = int(message.content[CONFIG][ROUND])
        after = learner.train(before, site.fit, who=f"site {site.name}", round_number=round_number)
        metrics = MetricRecord({WEIGHT: len(site.fit)})
        return Message(RecordDict({ARRAYS: pack(after), METRICS: metrics}), reply_to=message)

    app.train()(train)
    return app


class _Averaging(FedAvg):  # type: ignore[misc]  # Flower is not followed by mypy
    """Flower's FedAvg with participants drawn from a stream of ours, not from the global one."""

    def __init__(self, seed: int, fraction: float) -> None:
        super().__init__(
            fraction_train=fraction,
            weighted_by_key=WEIGHT,
            arrayrecord_key=ARRAYS,
            configrecord_key=CONFIG,
        )
        self._seed = seed

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """One message to each site that takes part in this round."""
        nodes = list(grid.get_node_ids())
        size = min(len(nodes), max(FEWEST, math.ceil(self.fraction_train * len(nodes))))
        stream = rng.stream(self._seed, f"participants#{server_round}")
        chosen = sorted(int(n) for n in stream.choice(nodes, size=size, replace=False))
        config[ROUND] = server_round
        record = RecordDict({ARRAYS: arrays, CONFIG: config})
        return [Message(record, node, MessageType.TRAIN) for node in chosen]

    def configure_evaluate(self, *_: Any) -> Iterable[Message]:
        """Nothing: the averaged state is measured by `observe`."""
        return []


def pack(state: State) -> ArrayRecord:
    """A state as Flower sends it."""
    return ArrayRecord({name: Array(np.asarray(value)) for name, value in state.items()})


def unpack(arrays: ArrayRecord) -> State:
    """A state that Flower has sent."""
    return {str(name): array.numpy() for name, array in arrays.items()}
