"""The training loop: an encoder and its head, by AdamW, a fixed number of steps, seeded."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sazon.adapt.softmax_regression import Head
from sazon.core.errors import RecipeError
from sazon.models.transformer import LENGTH_STEP, Encoder, readable_memory_errors

if TYPE_CHECKING:
    import torch

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


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Tokenised rows and their class columns."""

    ids: list[list[int]]
    truth: npt.NDArray[np.intp]


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

    def snapshot(self) -> dict[str, Any]:
        """A copy of all numbers that training changes."""
        named = dict(self.encoder.backbone.named_parameters())
        held = {k: p.detach().clone() for k, p in named.items() if p.requires_grad}
        return held | {"head.weight": self.weight.detach().clone(), "head.bias": self.bias.detach().clone()}

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
    name: str,
) -> int:
    """Minimise the loss; return the step at which it stopped.

    Args:
        trainee: is changed in place.
        data: the rows.
        plan: rates and steps.
        rng: shuffles the rows.
        at_epoch: is called after every epoch and at the end; False stops.
        told: is called after every step.
        loss: what to minimise; None: the cross-entropy, smoothed as the plan says.
        name: of the candidate, for errors.

    Raises:
        RecipeError: the loss is not a number any more.
        EnvironmentLacks: memory does not suffice.
    """
    optimiser = _optimiser(trainee, plan)
    step = 0
    while step < plan.stop:
        trainee.encoder.backbone.train()
        for rows, length in shuffled_batches([len(i) for i in data.ids], rows=plan.batch_size, rng=rng):
            _set_rates(optimiser, plan, step)
            lost = _descend(trainee, data, rows, length, plan, optimiser, loss)
            if not math.isfinite(lost):
                raise RecipeError(
                    f"training diverged at step {step + 1}: the loss is not a number",
                    where=f"candidates.{name}.rate",
                    mend=f"Try rate: {plan.rate / 3:.1g}.",
                )
            step += 1
            told(step)
            if step >= plan.stop:
                break
        trainee.encoder.backbone.eval()
        if not at_epoch(step):
            break
    return step


def _descend(
    trainee: Trainee,
    data: Rows,
    rows: list[int],
    length: int,
    plan: Plan,
    optimiser: Any,
    loss: Loss | None,
) -> float:
    """One step on one batch; its loss."""
    import torch

    with readable_memory_errors(plan.batch_size):
        vectors, scores = trainee.forward([data.ids[r] for r in rows], length)
        wanted = torch.from_numpy(data.truth[rows].astype(np.int64)).to(trainee.encoder.device)
        if loss is None:
            smoothing = plan.label_smoothing
            lost = torch.nn.functional.cross_entropy(scores, wanted, label_smoothing=smoothing)
        else:
            lost = loss(vectors, scores, wanted)
        optimiser.zero_grad(set_to_none=True)
        lost.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([p for g in optimiser.param_groups for p in g["params"]], 1.0)
        optimiser.step()
    return float(lost.detach())


def seconds_per_step(trainee: Trainee, data: Rows, plan: Plan, *, name: str) -> float:
    """Time of one training step, from a few steps that are undone afterwards."""
    before = trainee.snapshot()
    fixed = np.random.default_rng(0)
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
