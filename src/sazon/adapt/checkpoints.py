"""Checkpoints: what a training needs to go on from where it was cut short, as if it never was."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sazon.core.errors import IntegrityError
from sazon.core.run import readable_disk_errors, write_aside

if TYPE_CHECKING:
    import torch

    from sazon.adapt.processes import Team
    from sazon.adapt.training import Trainee

Tensors = dict[str, "torch.Tensor"]
EVERY_MINUTES = 5.0
"""A long epoch is saved on the way, at least so often."""


class Memory(Protocol):
    """What the caller of a training wants back with its checkpoint."""

    def remember(self) -> tuple[Mapping[str, Any], Mapping[str, torch.Tensor]]:
        """JSON-like facts and tensors."""
        ...

    def recall(self, facts: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
        """Take back what `remember` gave."""
        ...


class Checkpoint:
    """One file: the newest state of one training, replaced whole or not at all."""

    def __init__(
        self,
        path: Path,
        *,
        memory: Memory | None = None,
        minutes: float = EVERY_MINUTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is read or written yet.

        Args:
            path: of the file.
            memory: whose content is kept with the weights.
            minutes: after which a checkpoint is due in the middle of an epoch.
            clock: seconds that only rise.
        """
        self.path = path
        self.memory = memory
        self.seconds_before = 0.0
        """Training time of the processes that were cut short."""
        self._every, self._clock = minutes * 60, clock
        self._began = self._last = clock()

    @property
    def due(self) -> bool:
        """Whether the last one is too long ago."""
        return self._clock() - self._last >= self._every

    def write(self, facts: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
        """Replace the file.

        Raises:
            EnvironmentLacks: the disk is full or read-only; the checkpoint before stays as it was.
        """
        from safetensors.torch import save

        held, kept = self.memory.remember() if self.memory else ({}, {})
        named = dict(tensors) | {f"memory/{k}": t for k, t in kept.items()}
        spent = self.seconds_before + self._clock() - self._began
        said = json.dumps({"facts": dict(facts), "memory": dict(held), "seconds": spent})
        whole = {k: t.detach().cpu().contiguous() for k, t in named.items()}
        with readable_disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(self.path, save(whole, {"state": said}))
        self._last = self._clock()

    def read(self) -> tuple[dict[str, Any], Tensors] | None:
        """Facts and tensors of the file, the memory recalled; None where there is none.

        Raises:
            IntegrityError: the file was changed or cut.
        """
        from safetensors import SafetensorError, safe_open

        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                said = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                "the checkpoint was changed or cut", where=str(self.path), mend="Remove it and run again."
            ) from error
        self.seconds_before = float(said["seconds"])
        self._began = self._clock()
        if self.memory is not None:
            self.memory.recall(said["memory"], part_of(tensors, "memory"))
        return said["facts"], tensors


def part_of(tensors: Mapping[str, torch.Tensor], name: str) -> Tensors:
    """The tensors below `name/`, without it."""
    start = f"{name}/"
    return {k.removeprefix(start): t for k, t in tensors.items() if k.startswith(start)}


def optimiser_state(trainee: Trainee, optimiser: Any) -> Tensors:
    """Moments and step counts of every trained parameter, as `parameter/moment`."""
    held: Tensors = {}
    for name, parameter in trainee.trained().items():
        held |= {f"{name}/{key}": value for key, value in optimiser.state.get(parameter, {}).items()}
    return held


def restore_optimiser(trainee: Trainee, optimiser: Any, held: Mapping[str, torch.Tensor]) -> None:
    """Undo `optimiser_state`."""
    trained = trainee.trained()
    for path, value in held.items():
        name, key = path.rsplit("/", 1)
        parameter = trained[name]
        # AdamW keeps its step count where it was made; the moments live beside their parameter.
        home = parameter.device if key != "step" or parameter.is_cuda else value.device
        optimiser.state[parameter][key] = value.to(home)


def random_states(team: Team | None) -> Tensors:
    """State of torch's generators in every process, as `cpu/rank` and `cuda/rank`."""
    import torch

    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    everywhere = {k: [t] if team is None else team.gather(t) for k, t in states.items()}
    return {f"{k}/{rank}": t for k, found in everywhere.items() for rank, t in enumerate(found)}


def restore_random_states(states: Mapping[str, torch.Tensor], *, rank: int) -> None:
    """Go on drawing where process `rank` was."""
    import torch

    if f"cpu/{rank}" in states:
        torch.set_rng_state(states[f"cpu/{rank}"])
    if f"cuda/{rank}" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states[f"cuda/{rank}"])


def generator_state(rng: np.random.Generator) -> dict[str, Any]:
    """State of a numpy generator as JSON."""
    return json.loads(json.dumps(rng.bit_generator.state))  # type: ignore[no-any-return]
