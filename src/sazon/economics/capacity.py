"""How much a large open model gives on given GPUs: an analytic first estimate.

Prefill is bound by compute, decoding by memory bandwidth, the batch by the key–value
cache, and tensor parallelism adds communication. Five constants are fitted on eight
published throughput figures; see `Constants`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sazon.core.errors import RecipeError
from sazon.core.types import Estimate, Floats
from sazon.economics import catalogue

Precision = Literal["fp8", "bf16"]
TENSOR_PARALLEL = (1, 2, 4, 8)
MAX_BATCH = 4096.0
RUNTIME_BYTES = 3e9
MEMORY_SHARE = 0.90
LINK_BYTES_PER_S = 0.6 * 450e9
TAIL = 0.05
Z80 = 1.2815515655446004


@dataclass(frozen=True, kw_only=True)
class Constants:
    """What the fit found (TensorRT-LLM on H100, FP8; 8B and 70B dense models)."""

    compute_efficiency: float = 0.556
    bandwidth_efficiency: float = 0.95
    seconds_per_layer: float = 83e-6
    seconds_per_sequence: float = 6.1e-6
    blend: float = 1.85
    log_error_same_stack: float = 0.09
    """σ of the log error on dense rows not used in the fit (about 7 %)."""
    log_error_other_stack: float = 0.25
    """σ of the log error over serving stacks (about 20 %)."""


FITTED = Constants()


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One copy of a dense model over `gpus` GPUs with tensor parallelism."""

    model: str
    gpu: str
    gpus: int
    precision: Precision
    parameters: float
    layers: int
    width: int
    kv_width: int
    embedding: float
    """Parameters of the embedding table, as many as of the output head."""
    memory_bytes: float
    bandwidth: float
    flops: float
    power_w: float

    @property
    def weight_bytes(self) -> float:
        """Bytes of weights; embedding and output head stay in 16 bits."""
        each = 1 if self.precision == "fp8" else 2
        return (self.parameters - 2 * self.embedding) * each + 2 * self.embedding * 2

    @property
    def kv_bytes_per_token(self) -> float:
        """Key–value cache per token, `2·L·h·hd·bytes`."""
        return 2 * self.layers * self.kv_width * (1 if self.precision == "fp8" else 2)

    @property
    def cache_bytes(self) -> float:
        """Memory left for the key–value cache."""
        return MEMORY_SHARE * (self.gpus * (self.memory_bytes - RUNTIME_BYTES) - self.weight_bytes)

    def batch_limit(self, tokens_in: Floats, tokens_out: Floats) -> Floats:
        """Sequences that fit at once, at most 4096; below 1: the model does not fit."""
        fit = self.cache_bytes / (self.kv_bytes_per_token * (tokens_in + tokens_out))
        return np.minimum(fit, MAX_BATCH)

    def communication_s(self, tokens: Floats) -> Floats:
        """All-reduce time of `tokens` tokens through all layers, in seconds."""
        share = 2 * (self.gpus - 1) / self.gpus
        return tokens * self.layers * 4 * self.width * share / LINK_BYTES_PER_S

    def prefill_s(self, tokens_in: Floats, constants: Constants = FITTED) -> Floats:
        """Seconds to read one prompt."""
        active = self.parameters - self.embedding
        flop = 2 * active * tokens_in + 2 * self.layers * self.width * tokens_in**2
        rate = self.gpus * self.flops * constants.compute_efficiency
        return flop / rate + self.communication_s(tokens_in)

    def decode_s(
        self, batch: Floats, tokens_in: Floats, tokens_out: Floats, constants: Constants = FITTED
    ) -> Floats:
        """Seconds of one decoding step of a batch, without prefills."""
        active = self.parameters - self.embedding
        cache = batch * self.kv_bytes_per_token * (tokens_in + tokens_out / 2)
        memory = (self.weight_bytes + cache) / (self.gpus * self.bandwidth * constants.bandwidth_efficiency)
        compute = 2 * active * batch / (self.gpus * self.flops * constants.compute_efficiency)
        compute = compute + self.communication_s(batch)
        p = constants.blend
        blended = (memory**p + compute**p) ** (1 / p)
        return np.asarray(
            blended + constants.seconds_per_layer * self.layers + constants.seconds_per_sequence * batch
        )

    def itl_s(self, batch: Floats, tokens_in: Floats, tokens_out: Floats) -> Floats:
        """Mean seconds between output tokens while prefills of others interleave."""
        others = (batch - 1) * self.prefill_s(tokens_in) / tokens_out
        return self.decode_s(batch, tokens_in, tokens_out) + others

    def tokens_per_s(self, batch: Floats, tokens_in: Floats, tokens_out: Floats) -> Floats:
        """Output tokens per second of one replica kept full."""
        decoding = tokens_out * self.decode_s(batch, tokens_in, tokens_out)
        return batch * tokens_out / (decoding + batch * self.prefill_s(tokens_in))

    def requests_per_s(self, tokens_in: Floats, tokens_out: Floats, *, itl_s: float, ttft_s: float) -> Floats:
        """Requests per second one replica takes within both latency limits; 0: not at all.

        The smaller of what the inter-token limit allows and what the tail of the wait for
        the first token allows (M/D/1: P(W > t) ≈ ρ·exp(−2(1−ρ)t/prefill) ≤ 5 %).
        """
        limit = self.batch_limit(tokens_in, tokens_out)
        batch = self._largest_batch(limit, tokens_in, tokens_out, itl_s)
        full = self.tokens_per_s(np.maximum(limit, 1), tokens_in, tokens_out) / tokens_out
        within_itl = self.tokens_per_s(batch, tokens_in, tokens_out) / tokens_out
        slack = ttft_s - self.prefill_s(tokens_in)
        within_ttft = full * _largest_load(slack / self.prefill_s(tokens_in))
        possible = (limit >= 1) & (self.itl_s(batch, tokens_in, tokens_out) <= itl_s * 1.001)
        return np.where(possible & (slack > 0), np.minimum(within_itl, within_ttft), 0.0)

    def _largest_batch(self, limit: Floats, tokens_in: Floats, tokens_out: Floats, itl_s: float) -> Floats:
        low, high = np.ones_like(limit), np.maximum(limit, 1)
        for _ in range(40):
            middle = np.sqrt(low * high)
            good = self.itl_s(middle, tokens_in, tokens_out) <= itl_s
            low, high = np.where(good, middle, low), np.where(good, high, middle)
        return low


def _largest_load(slack_in_services: Floats) -> Floats:
    """Largest ρ with ρ·exp(−2(1−ρ)s) ≤ 5 %, elementwise."""
    slack = np.maximum(slack_in_services, 0.0)
    low, high = np.zeros_like(slack), np.ones_like(slack)
    for _ in range(40):
        middle = (low + high) / 2
        good = middle * np.exp(-2 * (1 - middle) * slack) <= TAIL
        low, high = np.where(good, middle, low), np.where(good, high, middle)
    return low


def replica_of(model: str, gpu: str, gpus: int, precision: Precision | None = None) -> Replica:
    """A model on GPUs, from the catalogue; FP8 where the GPU has it.

    Raises:
        RecipeError: unknown model or GPU, a mixture of experts, or no FP8 on this GPU.
    """
    m = catalogue.row("models", "model", model, what="model")
    g = catalogue.row("gpus", "gpu", gpu, what="GPU")
    if m["architecture"] != "dense":
        raise RecipeError(
            f"no validated capacity model for the mixture of experts {model!r}",
            mend="Choose a dense model, or give the option as an api with its price.",
        )
    chosen: Precision = precision or ("fp8" if g["fp8_tflops"] else "bf16")
    if not g[f"{chosen}_tflops"]:
        raise RecipeError(f"{gpu} has no {chosen}", mend="Use precision bf16.")
    return Replica(
        model=model,
        gpu=gpu,
        gpus=gpus,
        precision=chosen,
        parameters=float(m["parameters"]),
        layers=int(m["layers"]),
        width=int(m["heads"]) * int(m["head_size"]),
        kv_width=int(m["kv_heads"]) * int(m["head_size"]),
        embedding=float(m["vocabulary"]) * float(m["hidden"]),
        memory_bytes=float(g["memory_gb"]) * 1e9,
        bandwidth=float(g["bandwidth_tb_s"]) * 1e12,
        flops=float(g[f"{chosen}_tflops"]) * 1e12,
        power_w=float(g["power_w"]),
    )


def best_replica(
    model: str, gpu: str, *, tokens_in: float, tokens_out: float, itl_s: float, ttft_s: float
) -> Replica:
    """The number of GPUs (1, 2, 4 or 8) that serves most requests per GPU within the limits.

    Raises:
        RecipeError: the model does not fit, or cannot be that fast on this GPU.
    """
    replicas = [replica_of(model, gpu, n) for n in TENSOR_PARALLEL]
    arrays = np.array([tokens_in]), np.array([tokens_out])
    rates = [float(r.requests_per_s(*arrays, itl_s=itl_s, ttft_s=ttft_s)[0]) / r.gpus for r in replicas]
    if max(rates) > 0:
        return replicas[int(np.argmax(rates))]
    fits = [r for r in replicas if r.batch_limit(*arrays)[0] >= 1]
    if not fits:
        one = replicas[0]
        each = one.memory_bytes - RUNTIME_BYTES
        need = one.weight_bytes + one.kv_bytes_per_token * (tokens_in + tokens_out) / MEMORY_SHARE
        raise RecipeError(
            f"{model} does not fit on 8 × {gpu}",
            mend=f"It would take {math.ceil(need / each)} of them; choose a larger GPU.",
        )
    quickest = fits[-1]
    itl = float(quickest.itl_s(np.ones(1), *arrays)[0])
    ttft = float(quickest.prefill_s(arrays[0])[0])
    raise RecipeError(
        f"{model} on {gpu} cannot keep {itl_s * 1e3:.0f} ms per token and {ttft_s * 1e3:.0f} ms to the first",
        mend=f"On {quickest.gpus} GPUs alone it takes {itl * 1e3:.0f} ms and {ttft * 1e3:.0f} ms.",
    )


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What serving a model at a peak rate takes, with error bands."""

    replica: Replica
    replicas: int
    """Including the spare."""
    gpus: int
    tokens_per_s: Estimate
    """Output tokens per second of one full replica, latency limits aside."""
    requests_per_s: Estimate
    """Requests per second of one replica within the latency limits."""
    utilisation: Estimate
    """Peak rate over what all replicas but the spare can take."""
    itl_s: Estimate
    ttft_p95_s: Estimate
    latency_p95_s: Estimate


def estimate_capacity(
    model: str,
    gpu: str,
    *,
    requests_per_s: float,
    tokens_in: float,
    tokens_out: float,
    itl_s: float = 0.05,
    ttft_s: float = 2.0,
    spares: int = 1,
    constants: Constants = FITTED,
) -> Capacity:
    """Replicas, GPUs and latency for a dense model at a peak rate.

    Args:
        model: name in the catalogue.
        gpu: name in the catalogue.
        requests_per_s: at the peak.
        tokens_in: mean input tokens a request.
        tokens_out: mean output tokens a request, at least 1.
        itl_s: longest mean time between output tokens.
        ttft_s: longest time to the first token for 95 % of requests.
        spares: replicas beyond need.
        constants: the fit; its error over serving stacks widens every figure.

    Raises:
        RecipeError: unknown names, a model that does not fit or cannot be that fast.
    """
    if requests_per_s <= 0 or tokens_in < 1 or tokens_out < 1:
        raise RecipeError("rate and tokens must be positive", mend="At least 1 token in and 1 token out.")
    chosen = best_replica(model, gpu, tokens_in=tokens_in, tokens_out=tokens_out, itl_s=itl_s, ttft_s=ttft_s)
    arrays = np.array([float(tokens_in)]), np.array([float(tokens_out)])
    rate = float(chosen.requests_per_s(*arrays, itl_s=itl_s, ttft_s=ttft_s)[0])
    working = math.ceil(requests_per_s / rate)
    limit = chosen.batch_limit(*arrays)
    batch = chosen._largest_batch(limit, *arrays, itl_s)
    load = requests_per_s / (working * rate)
    itl = float(chosen.itl_s(np.maximum(batch * load, 1), *arrays)[0])
    ttft = _ttft_p95(chosen, arrays, requests_per_s / working)

    return Capacity(
        replica=chosen,
        replicas=working + spares,
        gpus=(working + spares) * chosen.gpus,
        tokens_per_s=_about(float(chosen.tokens_per_s(limit, *arrays)[0]), "tokens/s", constants),
        requests_per_s=_about(rate, "requests/s", constants),
        utilisation=_about(load, "share", constants),
        itl_s=_about(itl, "s", constants),
        ttft_p95_s=_about(ttft, "s", constants),
        latency_p95_s=_about(ttft + itl * (tokens_out - 1), "s", constants),
    )


def _about(value: float, unit: str, constants: Constants) -> Estimate:
    """A figure of the model with its error over serving stacks (log-normal, 8 in 10)."""
    factor = math.exp(Z80 * constants.log_error_other_stack)
    return Estimate(
        value=value,
        low=value / factor,
        high=value * factor,
        level=0.8,
        unit=unit,
        method="analytic capacity model, error over serving stacks",
        kind="assumed",
    )


def _ttft_p95(replica: Replica, arrays: tuple[Floats, Floats], rate: float) -> float:
    """Prefill plus the wait that 95 % of requests stay under (M/D/1 tail)."""
    prefill = float(replica.prefill_s(arrays[0])[0])
    full = float(replica.tokens_per_s(replica.batch_limit(*arrays), *arrays)[0] / arrays[1][0])
    load = min(rate / full, 0.999)
    wait = prefill * math.log(load / TAIL) / (2 * (1 - load)) if load > TAIL else 0.0
    return prefill + wait
