"""How many GPUs a peak rate takes within latency limits, with error bands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sazon.core.errors import RecipeError
from sazon.core.types import Estimate, Floats
from sazon.economics.capacity.architecture import (
    Architecture,
    Gpu,
    architecture_named,
    gpu_named,
)
from sazon.economics.capacity.calibration import measured_from, recalibrated
from sazon.economics.capacity.constants import (
    OTHER_STACK,
    SAME_STACK,
    Constants,
    constants_for,
    positive,
)
from sazon.economics.capacity.refusals import too_large, too_slow
from sazon.economics.capacity.replica import Replica, cuts, replica_of
from sazon.stats.queues import tail_wait

Z80 = 1.2815515655446004


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One number of GPUs a replica that was considered."""

    gpus: int
    fits: bool
    requests_per_s_per_gpu: float
    """Within the limits; 0 where they cannot be kept."""


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What serving a model at a peak rate takes; bands hold 8 in 10."""

    replica: Replica
    tokens_in: float
    tokens_out: float
    itl_limit_s: float
    ttft_limit_s: float
    requests_asked_per_s: float
    tried: tuple[Tried, ...]
    replicas: int
    """Including the spares."""
    spares: int
    gpus: int
    gpus_cautious: int
    """The same at the lower end of the band of throughput."""
    batch: float
    """Sequences at once at the peak, in one replica."""
    batch_limit: float
    bound: str
    """What sets the rate: `itl`, `ttft` or `memory`."""
    tokens_per_s: Estimate
    """Output tokens per second of one full replica, latency limits aside."""
    requests_per_s: Estimate
    """Requests per second of one replica within the latency limits."""
    utilisation: Estimate
    """Peak rate over what all replicas but the spares can take."""
    itl_s: Estimate
    ttft_p95_s: Estimate
    latency_p95_s: Estimate
    measured: int = 0
    """Measurements of one's own behind the band."""


def estimate_capacity(
    model: str | Architecture,
    gpu: str,
    *,
    requests_per_s: float,
    tokens_in: float,
    tokens_out: float,
    itl_s: float = 0.05,
    ttft_s: float = 2.0,
    spares: int = 1,
    gpus: int | None = None,
    precision: str | None = None,
    stack: str = OTHER_STACK,
    measured: Path | None = None,
) -> Capacity:
    """Replicas, GPUs and latency of a model at a peak rate.

    Args:
        model: name in the catalogue, or a model's own numbers.
        gpu: name in the catalogue.
        requests_per_s: at the peak.
        tokens_in: mean input tokens a request.
        tokens_out: mean output tokens a request, at least 1.
        itl_s: longest mean time between output tokens.
        ttft_s: longest time to the first token for 95 % of requests.
        spares: replicas beyond need.
        gpus: of one replica; None: the number with which fewest GPUs are needed in all.
        precision: of weights and products; None: FP8 where the GPU has it.
        stack: serving stack, by its name in the catalogue; sets pace and error band.
        measured: CSV file with measurements of this deployment, which re-calibrate both.

    Raises:
        RecipeError: unknown names, wrong numbers, a model that does not fit or cannot be that fast.
    """
    positive(requests_per_s=requests_per_s, itl=itl_s, ttft=ttft_s)
    if tokens_in < 1 or tokens_out < 1:
        raise RecipeError("tokens must be 1 or more", mend="At least 1 token in and out.")
    if spares < 0:
        raise RecipeError("spares cannot be negative", mend="0 or more replicas beyond need.")
    positive(tokens_in=tokens_in, tokens_out=tokens_out)
    told = architecture_named(model) if isinstance(model, str) else model
    card, mixture = gpu_named(gpu), told.experts is not None
    constants, points = constants_for(stack, mixture=mixture, hardware_error=card.log_error), 0
    if measured is not None:
        if gpus is None:
            raise RecipeError("measurements belong to a number of GPUs", mend="Name it: --gpus.")
        own = replica_of(told, card, gpus, precision=precision, constants=constants)
        rows = measured_from(measured, own)
        within = constants_for(SAME_STACK, mixture=mixture).log_error
        constants, points = recalibrated(rows, constants, within=within), len(rows)
    lengths = np.array([float(tokens_in)]), np.array([float(tokens_out)])
    replicas = _candidates(told, card, gpus, precision, constants)
    rates = [float(r.requests_per_s(*lengths, itl_s=itl_s, ttft_s=ttft_s)[0]) for r in replicas]
    chosen = best_of(
        replicas, lengths, requests_per_s=requests_per_s, spares=spares, itl_s=itl_s, ttft_s=ttft_s
    )
    return _sized(
        chosen,
        tuple(
            Tried(
                gpus=r.gpus,
                fits=bool(r.batch_limit(*lengths)[0] >= 1),
                requests_per_s_per_gpu=rate / r.gpus,
            )
            for r, rate in zip(replicas, rates, strict=True)
        ),
        lengths,
        requests_per_s=requests_per_s,
        itl_s=itl_s,
        ttft_s=ttft_s,
        spares=spares,
        measured=points,
    )


def _candidates(
    model: Architecture, gpu: Gpu, gpus: int | None, precision: str | None, constants: Constants
) -> list[Replica]:
    known = cuts(model)
    if gpus is not None and gpus not in known:
        raise RecipeError(f"{model.name} cannot be cut over {gpus} GPUs", mend=f"Choose from {known}.")
    sizes = known if gpus is None else (gpus,)
    return [replica_of(model, gpu, n, precision=precision, constants=constants) for n in sizes]


def best_replica(
    model: str,
    gpu: str,
    *,
    tokens_in: float,
    tokens_out: float,
    itl_s: float,
    ttft_s: float,
    requests_per_s: float,
    spares: int = 1,
    stack: str = OTHER_STACK,
) -> Replica:
    """The number of GPUs that work together (1, 2, 4 or 8) with which fewest are needed at a peak rate.

    Raises:
        RecipeError: unknown names, a model that does not fit or cannot be that fast on this GPU.
    """
    told, card = architecture_named(model), gpu_named(gpu)
    constants = constants_for(stack, mixture=told.experts is not None, hardware_error=card.log_error)
    lengths = np.array([float(tokens_in)]), np.array([float(tokens_out)])
    replicas = _candidates(told, card, None, None, constants)
    return best_of(
        replicas, lengths, requests_per_s=requests_per_s, spares=spares, itl_s=itl_s, ttft_s=ttft_s
    )


def best_of(
    replicas: Sequence[Replica],
    lengths: tuple[Floats, Floats],
    *,
    requests_per_s: float,
    spares: int,
    itl_s: float,
    ttft_s: float,
) -> Replica:
    """The replica of which fewest GPUs carry a peak rate within the limits, spares included.

    Where several need as many, the one that serves most requests per GPU, then the smaller.

    Raises:
        RecipeError: none fits, or none is that fast: says which limit fails and what can be had.
    """
    rates = [float(r.requests_per_s(*lengths, itl_s=itl_s, ttft_s=ttft_s)[0]) for r in replicas]
    able = [(r, rate) for r, rate in zip(replicas, rates, strict=True) if rate > 0]
    if able:
        needed = [(math.ceil(requests_per_s / rate) + spares) * r.gpus for r, rate in able]
        return min(zip(needed, able, strict=True), key=lambda one: (one[0], -one[1][1] / one[1][0].gpus))[1][
            0
        ]
    fits = [r for r in replicas if r.batch_limit(*lengths)[0] >= 1]
    if not fits:
        raise too_large(replicas, lengths)
    raise too_slow(fits, lengths, itl_s=itl_s, ttft_s=ttft_s)


def _sized(
    replica: Replica,
    tried: tuple[Tried, ...],
    lengths: tuple[Floats, Floats],
    *,
    requests_per_s: float,
    itl_s: float,
    ttft_s: float,
    spares: int,
    measured: int,
) -> Capacity:
    rate = float(replica.requests_per_s(*lengths, itl_s=itl_s, ttft_s=ttft_s)[0])
    limit = float(replica.batch_limit(*lengths)[0])
    working = math.ceil(requests_per_s / rate)
    batch = _batch_at(replica, lengths, requests_per_s / working)
    itl = float(replica.itl_s(np.array([batch]), *lengths)[0])
    ttft = _ttft_p95(replica, lengths, batch, rate=requests_per_s, servers=working)
    full = float(replica.full_rate(*lengths)[0])
    largest = replica.largest_batch(*lengths, itl_s=itl_s)
    within = full * float(replica.load_within(largest, *lengths, ttft_s=ttft_s)[0])
    bound = "ttft" if within <= rate * 1.0001 else "itl" if largest[0] < 0.999 * limit else "memory"
    error = replica.constants.log_error
    cautious = math.ceil(requests_per_s / (rate / math.exp(Z80 * error)))
    about = _Band(error=error, measured=measured)
    return Capacity(
        replica=replica,
        tokens_in=float(lengths[0][0]),
        tokens_out=float(lengths[1][0]),
        itl_limit_s=itl_s,
        ttft_limit_s=ttft_s,
        requests_asked_per_s=requests_per_s,
        tried=tried,
        replicas=working + spares,
        spares=spares,
        gpus=(working + spares) * replica.gpus,
        gpus_cautious=(cautious + spares) * replica.gpus,
        batch=batch,
        batch_limit=limit,
        bound=bound,
        tokens_per_s=about(full * float(lengths[1][0]), "tokens/s"),
        requests_per_s=about(rate, "requests/s"),
        utilisation=about(requests_per_s / (working * rate), "share"),
        itl_s=about(itl, "s"),
        ttft_p95_s=about(ttft, "s"),
        latency_p95_s=about(ttft + itl * (float(lengths[1][0]) - 1), "s"),
        measured=measured,
    )


@dataclass(frozen=True, kw_only=True)
class Step:
    """One replica kept at a number of sequences at once."""

    batch: float
    itl_s: float
    tokens_per_s: float


def curve(found: Capacity) -> tuple[Step, ...]:
    """Throughput against time between tokens of one replica, from one sequence to all that fit."""
    most = found.batch_limit
    doublings = 2.0 ** np.arange(0, math.floor(math.log2(most)) + 1)
    batches = np.append(doublings[doublings < most * 0.95], most)
    lengths = np.full_like(batches, found.tokens_in), np.full_like(batches, found.tokens_out)
    itl, rate = found.replica.itl_s(batches, *lengths), found.replica.tokens_per_s(batches, *lengths)
    return tuple(
        Step(batch=float(b), itl_s=float(i), tokens_per_s=float(r))
        for b, i, r in zip(batches, itl, rate, strict=True)
    )


@dataclass(frozen=True, kw_only=True)
class _Band:
    """Puts the log-normal error of the model around its figures, 8 in 10."""

    error: float
    measured: int

    def __call__(self, value: float, unit: str) -> Estimate:
        factor = math.exp(Z80 * self.error)
        own = "re-calibrated on measurements" if self.measured else "error over published figures"
        return Estimate(
            value=value,
            low=value / factor,
            high=value * factor,
            level=0.8,
            unit=unit,
            method=f"analytic capacity model, {own}",
            n=self.measured or None,
            kind="assumed",
        )


def _batch_at(replica: Replica, lengths: tuple[Floats, Floats], rate: float) -> float:
    """Sequences at once at a rate below the full one: where throughput meets demand."""
    low, high = 1.0, max(float(replica.batch_limit(*lengths)[0]), 1.0)
    for _ in range(50):
        middle = math.sqrt(low * high)
        given = float(replica.tokens_per_s(np.array([middle]), *lengths)[0]) / float(lengths[1][0])
        low, high = (middle, high) if given < rate else (low, middle)
    return high


def _ttft_p95(
    replica: Replica, lengths: tuple[Floats, Floats], batch: float, *, rate: float, servers: int
) -> float:
    """First token without waiting, and the wait that 95 % of requests stay under in one shared queue."""
    prefill = float(replica.prefill_s(lengths[0])[0])
    load = rate / (servers * float(replica.full_rate(*lengths)[0]))
    first = float(replica.first_token_s(np.array([batch]), *lengths)[0])
    return first + prefill * tail_wait(min(load, 0.999), servers=servers)
