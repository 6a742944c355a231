"""The training loop: an encoder and its head, by AdamW, a fixed number of steps, seeded."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from sazon.adapt.averaging import MovingAverage
from sazon.adapt.checkpoints import (
    Checkpoint,
    generator_state,
    optimiser_state,
    part_of,
    random_states,
    restore_optimiser,
    restore_random_states,
)
from sazon.adapt.softmax_regression import Head
from sazon.core.errors import RecipeError
from sazon.models.transformer import LENGTH_STEP, Encoder, readable_memory_errors

if TYPE_CHECKING:
    import torch

    from sazon.adapt.processes import Team

Loss = Callable[["torch.Tensor", "torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""(unit vectors (rows, width), logits (rows, classes), class columns (rows,)) → the loss, a scalar."""
MEGABATCH = 40
"""Batches of like length are drawn from this many batches of shuffled rows."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to train: everything that decides the result beside data and seed."""

    rate: float
    head_rate: float
    layer_decay: float
    weight_decay: float
    warmup: float
    """Share of the steps over which the rate rises."""
    batch_size: int
    label_smoothing: float
    steps: int
    """Over which the rate falls to zero."""
    stop: int
    """At which training stops (at most `steps`)."""
    average: float | None = None
    """β of the moving average of the weights that is looked at and kept; None: the weights themselves."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Tokenised rows and their class columns."""

    ids: list[list[int]]
    truth: npt.NDArray[np.intp]


class Batches(Protocol):
    """How an epoch's rows are dealt into batches."""

    def __call__(
        self, lengths: Sequence[int], *, rows: int, rng: np.random.Generator
    ) -> Iterator[tuple[list[int], int]]:
        """Row indices of each batch and the length it is padded to, from the tokens of each row."""
        ...


class Trainee:
    """An encoder with a torch head on its unit vectors."""

    def __init__(self, encoder: Encoder, head: Head) -> None:
        """Start from a head that was fitted on the frozen encoder (LP-FT).

        Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features".
        """
        import torch

        self.encoder = encoder
        self.weight = torch.tensor(
            head.weight, dtype=torch.float32, device=encoder.device, requires_grad=True
        )
        self.bias = torch.tensor(head.bias, dtype=torch.float32, device=encoder.device, requires_grad=True)

    def forward(self, ids: Sequence[Sequence[int]], length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Unit vectors (rows, width) and logits (rows, classes)."""
        vectors = self.encoder.pooled(*self.encoder.tensors(ids, length))
        return vectors, vectors @ self.weight.T + self.bias

    def head(self) -> Head:
        """A copy of the head."""
        weight, bias = (p.detach().cpu().numpy().astype(np.float64) for p in (self.weight, self.bias))
        return Head(weight=weight, bias=bias)

    def trained(self) -> dict[str, torch.Tensor]:
        """Every parameter that training changes, by name."""
        named = {k: p for k, p in self.encoder.backbone.named_parameters() if p.requires_grad}
        return named | {"head.weight": self.weight, "head.bias": self.bias}

    def snapshot(self) -> dict[str, Any]:
        """A copy of all numbers that training changes."""
        return {name: p.detach().clone() for name, p in self.trained().items()}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Go back to a snapshot."""
        import torch

        named = dict(self.encoder.backbone.named_parameters())
        named |= {"head.weight": self.weight, "head.bias": self.bias}
        with torch.no_grad():
            for name, value in snapshot.items():
                named[name].copy_(value)


def train(
    trainee: Trainee,
    data: Rows,
    plan: Plan,
    *,
    rng: np.random.Generator,
    at_epoch: Callable[[int], bool] = lambda step: True,
    told: Callable[[int], None] = lambda step: None,
    loss: Loss | None = None,
    batches: Batches | None = None,
    checkpoint: Checkpoint | None = None,
    team: Team | None = None,
    name: str,
) -> int:
    """Minimise the loss; return the step at which it stopped.

    Args:
        trainee: is changed in place; it ends with the averaged weights where the plan averages.
        data: the rows.
        plan: rates and steps.
        rng: shuffles the rows.
        at_epoch: is called after every epoch and at the end; False stops.
        told: is called after every step.
        loss: what to minimise; None: the cross-entropy, smoothed as the plan says.
        batches: deals the rows of an epoch; None: `shuffled_batches`.
        checkpoint: where to go on from, and where every epoch is kept.
        team: the processes that train together; each takes its share of every batch, and the loss
            must be a mean over rows.
        name: of the candidate, for errors.

    Raises:
        RecipeError: the loss is not a number any more; the last checkpoint stays.
        EnvironmentLacks: memory or disk does not suffice.
    """
    course = _Course(trainee, data, plan, rng=rng, checkpoint=checkpoint, team=team, name=name)
    course.loss, course.batches = loss, batches or shuffled_batches
    course.go_on()
    while not course.finished:
        course.epoch(told)
        with course.average.in_place() if course.average else contextlib.nullcontext():
            more = at_epoch(course.step)
        if team is not None:
            more = team.agree(more)
        course.finished = not more or course.step >= plan.stop
        course.keep()
    if course.average is not None:
        trainee.restore(course.average.held)
    return course.step


class _Course:
    """One training and where it stands."""

    def __init__(
        self,
        trainee: Trainee,
        data: Rows,
        plan: Plan,
        *,
        rng: np.random.Generator,
        checkpoint: Checkpoint | None,
        team: Team | None,
        name: str,
    ) -> None:
        self.trainee, self.data, self.plan, self.rng = trainee, data, plan, rng
        self.checkpoint, self.team, self.name = checkpoint, team, name
        self.loss: Loss | None = None
        self.batches: Batches = shuffled_batches
        self.optimiser = _optimiser(trainee, plan)
        self.average = None if plan.average is None else MovingAverage(trainee, plan.average)
        self.step = 0
        self.batch = 0
        """Batches of the present epoch that are done."""
        self.shuffle = generator_state(rng)
        """The shuffling generator as the present epoch found it."""
        self.finished = plan.stop <= 0

    def go_on(self) -> None:
        """Take up the checkpoint, where there is one, in every process."""
        found = None if self.checkpoint is None else self.checkpoint.read()
        if found is not None:
            facts, tensors = found
            self.step, self.batch = int(facts["step"]), int(facts["batch"])
            self.finished, self.shuffle = bool(facts["finished"]), facts["shuffle"]
            self.rng.bit_generator.state = self.shuffle
            self.trainee.restore(part_of(tensors, "weights"))
            restore_optimiser(self.trainee, self.optimiser, part_of(tensors, "optimiser"))
            restore_random_states(part_of(tensors, "random"), rank=self.team.rank if self.team else 0)
            if self.average is not None:
                self.average.held = part_of(tensors, "average")
        if self.team is not None:
            self.team.align(self.trainee.encoder.backbone.parameters())
            self.team.align([self.trainee.weight, self.trainee.bias])

    def keep(self) -> None:
        """Write a checkpoint (the first process alone does)."""
        if self.checkpoint is None:
            return
        random = random_states(self.team)
        if self.team is not None and self.team.rank:
            return
        parts = {
            "weights": self.trainee.trained(),
            "optimiser": optimiser_state(self.trainee, self.optimiser),
            "average": {} if self.average is None else self.average.held,
            "random": random,
        }
        self.checkpoint.write(
            {
                "step": self.step,
                "batch": self.batch,
                "finished": self.finished,
                "shuffle": self.shuffle if self.batch else generator_state(self.rng),
            },
            {f"{part}/{k}": t for part, named in parts.items() for k, t in named.items()},
        )

    def epoch(self, told: Callable[[int], None]) -> None:
        """Train on what is left of the epoch, or up to the last step."""
        backbone = self.trainee.encoder.backbone
        backbone.train()
        self.shuffle = generator_state(self.rng)
        lengths = [len(ids) for ids in self.data.ids]
        drawn = list(self.batches(lengths, rows=self.plan.batch_size, rng=self.rng))
        for rows, length in drawn[self.batch :]:
            _set_rates(self.optimiser, self.plan, self.step)
            lost, due = self.descend(rows, length)
            if not math.isfinite(lost):
                raise self.diverged()
            self.step += 1
            self.batch += 1
            if self.average is not None:
                self.average.take_in(self.step)
            told(self.step)
            if self.step >= self.plan.stop:
                break
            if due and self.batch < len(drawn):
                self.keep()
        self.batch = 0
        backbone.eval()

    def descend(self, rows: list[int], length: int) -> tuple[float, bool]:
        """One step on one batch: its loss, and whether a checkpoint is due."""
        import torch

        due = self.checkpoint is not None and self.checkpoint.due
        mine = rows if self.team is None else self.team.share(rows)
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        lost = 0.0
        with readable_memory_errors(self.plan.batch_size):
            self.optimiser.zero_grad(set_to_none=True)
            if mine:
                share = self.lost(mine, length) * (len(mine) / len(rows))
                share.backward()  # type: ignore[no-untyped-call]
                lost = float(share.detach())
            if self.team is not None:
                lost, due = self.team.combine(parameters, lost, due=due)
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            self.optimiser.step()
        return lost, due

    def lost(self, rows: list[int], length: int) -> torch.Tensor:
        """The loss on some rows, a mean over them."""
        import torch

        vectors, scores = self.trainee.forward([self.data.ids[r] for r in rows], length)
        wanted = torch.from_numpy(self.data.truth[rows].astype(np.int64)).to(self.trainee.encoder.device)
        if self.loss is not None:
            return self.loss(vectors, scores, wanted)
        smoothing = self.plan.label_smoothing
        return torch.nn.functional.cross_entropy(scores, wanted, label_smoothing=smoothing)

    def diverged(self) -> RecipeError:
        """The error for a loss that is not a number."""
        kept = ""
        if self.checkpoint is not None and self.checkpoint.path.is_file():
            kept = f" The last good state is kept in {self.checkpoint.path}."
        return RecipeError(
            f"training diverged at step {self.step + 1}: the loss is not a number",
            where=f"candidates.{self.name}.rate",
            mend=f"Try rate: {self.plan.rate / 3:.1g}.{kept}",
        )


def seconds_per_step(trainee: Trainee, data: Rows, plan: Plan, *, name: str) -> float:
    """Time of one training step, from a few steps that are undone afterwards."""
    import torch

    before = trainee.snapshot()
    fixed = np.random.default_rng(0)
    # What dropout draws here must not be missing from the training that follows.
    with torch.random.fork_rng():
        train(trainee, data, replace(plan, stop=2), rng=fixed, name=name)
        began = time.perf_counter()
        done = train(trainee, data, replace(plan, stop=8), rng=fixed, name=name)
    seconds = (time.perf_counter() - began) / done
    trainee.restore(before)
    return seconds


def shuffled_batches(
    lengths: Sequence[int], *, rows: int, rng: np.random.Generator
) -> Iterator[tuple[list[int], int]]:
    """One epoch: row indices of batches of like length in random order, and their padded length."""
    order = rng.permutation(len(lengths))
    batches: list[list[int]] = []
    for start in range(0, len(order), rows * MEGABATCH):
        near = sorted((int(i) for i in order[start : start + rows * MEGABATCH]), key=lambda i: lengths[i])
        batches += [near[at : at + rows] for at in range(0, len(near), rows)]
    for i in rng.permutation(len(batches)):
        batch = batches[int(i)]
        yield batch, -(-max(lengths[r] for r in batch) // LENGTH_STEP) * LENGTH_STEP


def _optimiser(trainee: Trainee, plan: Plan) -> Any:
    """AdamW whose rate shrinks by `layer_decay` with every layer further from the head."""
    import torch

    backbone = trainee.encoder.backbone
    depth = int(getattr(backbone.config, "num_hidden_layers", 0))
    groups: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in backbone.named_parameters():
        if parameter.requires_grad:
            rate = plan.rate * plan.layer_decay ** (depth - 1 - layer_of(name, depth))
            decay = plan.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
    listed = [{"params": p, "peak": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]
    listed.append({"params": [trainee.weight, trainee.bias], "peak": plan.head_rate, "weight_decay": 0.0})
    return torch.optim.AdamW(listed, lr=plan.rate, fused=True)


def layer_of(name: str, depth: int) -> int:
    """Layer a parameter belongs to: −1 for embeddings, 0 … depth − 1, the last one where none is named."""
    if "embeddings" in name:
        return -1
    numbers = [int(part) for part in name.split(".") if part.isdigit()]
    return min(numbers[0], depth - 1) if numbers else depth - 1


def _set_rates(optimiser: Any, plan: Plan, step: int) -> None:
    """Linear warm-up, then linear decay to zero at `plan.steps`."""
    warm = max(1, round(plan.warmup * plan.steps))
    factor = min((step + 1) / warm, (plan.steps - step) / max(1, plan.steps - warm))
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * factor


@contextlib.contextmanager
def repeatable(seed: int) -> Iterator[None]:
    """Seed torch and use only deterministic algorithms, leaving the caller's state as it was."""
    import torch

    was = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(not torch.cuda.is_available())
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(was)
