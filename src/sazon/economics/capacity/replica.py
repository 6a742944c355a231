"""How fast one copy of a model answers on its GPUs: batch, steps, throughput, latency.

Prefill is bound by compute, decoding by memory bandwidth, the batch by the key–value cache;
tensor parallelism adds communication, a mixture of experts its routing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sazon.core.errors import RecipeError
from sazon.core.types import Floats
from sazon.economics.capacity.architecture import CACHE_BYTES, Architecture, Gpu, Precision
from sazon.economics.capacity.constants import FITTED, Constants
from sazon.stats.queues import largest_load

TENSOR_PARALLEL = (1, 2, 4, 8)
MAX_BATCH = 4096.0
RUNTIME_BYTES = 3e9
MEMORY_SHARE = 0.90
LINK_SHARE = 0.6
"""Of the link's data-sheet bandwidth that an all-reduce reaches."""


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One copy of a model over `gpus` GPUs.

    A dense model is cut over them (tensor parallelism). A mixture of experts spreads its
    experts, while every GPU holds the rest and attends to its own share of the sequences.
    Times are seconds, arrays broadcast.
    """

    model: Architecture
    gpu: Gpu
    gpus: int
    precision: Precision
    constants: Constants = FITTED

    def at(self, constants: Constants) -> Replica:
        """The same with other constants."""
        return replace(self, constants=constants)

    @property
    def weight_bytes(self) -> float:
        """Bytes of weights over all GPUs, copies counted."""
        return self._shared_bytes + self.model.expert_bytes(self.precision)

    @property
    def _shared_bytes(self) -> float:
        copies = self.gpus if self.model.experts else 1
        return copies * self.model.shared_bytes(self.precision)

    @property
    def kv_bytes_per_token(self) -> float:
        """Key–value cache per token, `2·L·h·hd·bytes`; cut further than its heads it is copied."""
        heads = self.model.kv_heads if self.model.experts else max(self.model.kv_heads, self.gpus)
        return 2 * self.model.layers * heads * self.model.head_size * CACHE_BYTES[self.precision]

    @property
    def cache_bytes(self) -> float:
        """Memory left for the key–value cache; 0 where the weights alone do not fit."""
        free = self.gpus * (self.gpu.memory_bytes - RUNTIME_BYTES) - self.weight_bytes
        return MEMORY_SHARE * max(free, 0.0)

    def batch_limit(self, tokens_in: Floats, tokens_out: Floats) -> Floats:
        """Sequences that fit at once, at most 4096; below 1: the model does not fit."""
        fit = self.cache_bytes / (self.kv_bytes_per_token * (tokens_in + tokens_out))
        return np.minimum(fit, MAX_BATCH)

    # ------------------------------------------------------------------ steps

    def communication_s(self, tokens: Floats) -> Floats:
        """Seconds that `tokens` tokens spend between GPUs, over all layers.

        Dense: two all-reduces a layer. Experts: one gather and one scatter a layer of experts.
        """
        moved = 2 * 2 * self.model.hidden * (self.gpus - 1) / self.gpus * tokens
        if self.model.experts is not None:
            return moved * self.model.experts.layers / self.constants.gather_bytes_per_s
        return 2 * moved * self.model.layers / (LINK_SHARE * self.gpu.link)

    def prefill_s(self, tokens_in: Floats) -> Floats:
        """Seconds to read one prompt."""
        attention = 2 * self.model.layers * self.model.width * tokens_in**2
        computing = (2 * self.model.active * tokens_in + attention) / self._flops
        return (computing + self.communication_s(tokens_in)) / self.constants.pace

    def decode_s(self, batch: Floats, tokens_in: Floats, tokens_out: Floats) -> Floats:
        """Seconds of one decoding step of a batch, without prefills."""
        fitted, sequences = self.constants, batch
        overhead = fitted.seconds_per_layer * self.model.layers
        weights: Floats | float = self._shared_bytes
        if self.model.experts is not None:
            touched = self.model.experts.touched(batch)
            weights = weights + touched * self.model.expert_bytes(self.precision)
            overhead += fitted.seconds_per_expert_layer * self.model.experts.layers
            sequences = batch / self.gpus  # every GPU schedules its own
        cache = batch * self.kv_bytes_per_token * (tokens_in + tokens_out / 2)
        memory = (weights + cache) / (self.gpus * self.gpu.bandwidth * fitted.bandwidth_efficiency)
        compute = 2 * self.model.active * batch / self._flops + self.communication_s(batch)
        p = fitted.blend
        blended = (memory**p + compute**p) ** (1 / p)
        return np.asarray((blended + overhead + fitted.seconds_per_sequence * sequences) / fitted.pace)

    @property
    def _flops(self) -> float:
        return self.gpus * self.gpu.flops[self.precision] * self.constants.compute_efficiency

    def itl_s(self, batch: Floats, tokens_in: Floats, tokens_out: Floats) -> Floats:
        """Mean seconds between output tokens while prefills of others interleave."""
        return self._itl_s(batch, self.prefill_s(tokens_in), tokens_in, tokens_out)

    def _itl_s(self, batch: Floats, prefill: Floats, tokens_in: Floats, tokens_out: Floats) -> Floats:
        others = (batch - 1) * prefill / tokens_out
        return self.decode_s(batch, tokens_in, tokens_out) + others

    # ------------------------------------------------------------- throughput

    def tokens_per_s(self, batch: Floats, tokens_in: Floats, tokens_out: Floats) -> Floats:
        """Output tokens per second of one replica kept at a batch."""
        decoding = tokens_out * self.decode_s(batch, tokens_in, tokens_out)
        return batch * tokens_out / (decoding + batch * self.prefill_s(tokens_in))

    def requests_per_s(self, tokens_in: Floats, tokens_out: Floats, *, itl_s: float, ttft_s: float) -> Floats:
        """Requests per second one replica takes within both latency limits; 0: not at all.

        The smaller of what the inter-token limit allows and what the tail of the wait for
        the first token allows (M/D/1: P(W > t) ≈ ρ·exp(−2(1−ρ)t/prefill) ≤ 5 %).
        """
        limit = self.batch_limit(tokens_in, tokens_out)
        batch = self.largest_batch(tokens_in, tokens_out, itl_s=itl_s)
        within_itl = self.tokens_per_s(batch, tokens_in, tokens_out) / tokens_out
        load = self.load_within(batch, tokens_in, tokens_out, ttft_s=ttft_s)
        within_ttft = self.full_rate(tokens_in, tokens_out) * load
        possible = (limit >= 1) & (self.itl_s(batch, tokens_in, tokens_out) <= itl_s * 1.001)
        return np.where(possible, np.minimum(within_itl, within_ttft), 0.0)

    def full_rate(self, tokens_in: Floats, tokens_out: Floats) -> Floats:
        """Requests per second with the cache full, latency aside."""
        full = np.maximum(self.batch_limit(tokens_in, tokens_out), 1)
        return self.tokens_per_s(full, tokens_in, tokens_out) / tokens_out

    def first_token_s(self, batch: Floats, tokens_in: Floats, tokens_out: Floats) -> Floats:
        """Seconds to the first token without waiting: the prompt, and the step it is read in."""
        return self.prefill_s(tokens_in) + self.decode_s(batch, tokens_in, tokens_out)

    def load_within(self, batch: Floats, tokens_in: Floats, tokens_out: Floats, *, ttft_s: float) -> Floats:
        """Largest load at which 95 % of requests see their first token in time; 0: none does."""
        prefill = self.prefill_s(tokens_in)
        slack = ttft_s - self.first_token_s(batch, tokens_in, tokens_out)
        return np.where(slack > 0, largest_load(slack / prefill), 0.0)

    def largest_batch(self, tokens_in: Floats, tokens_out: Floats, *, itl_s: float) -> Floats:
        """Most sequences at once, from 1 to what fits, within the inter-token limit."""
        limit = self.batch_limit(tokens_in, tokens_out)
        low, high = np.ones_like(limit), np.maximum(limit, 1)
        prefill = self.prefill_s(tokens_in)
        full = self._itl_s(high, prefill, tokens_in, tokens_out) <= itl_s
        for _ in range(40):
            middle = np.sqrt(low * high)
            good = self._itl_s(middle, prefill, tokens_in, tokens_out) <= itl_s
            low, high = np.where(good, middle, low), np.where(good, high, middle)
        return np.where(full, np.maximum(limit, 1), low)


def replica_of(
    model: Architecture,
    gpu: Gpu,
    gpus: int,
    *,
    precision: str | None = None,
    constants: Constants = FITTED,
) -> Replica:
    """A model on GPUs; FP8 where the GPU has it.

    Raises:
        RecipeError: the GPU lacks the precision.
    """
    chosen = next((p for p in gpu.flops if p == (precision or gpu.finest)), None)
    if chosen is None:
        raise RecipeError(f"{gpu.name} has no {precision}", mend=f"It has {', '.join(gpu.flops)}.")
    return Replica(model=model, gpu=gpu, gpus=gpus, precision=chosen, constants=constants)


def cuts(model: Architecture) -> tuple[int, ...]:
    """Numbers of GPUs that a model can be cut over: its heads must come out even."""
    return tuple(n for n in TENSOR_PARALLEL if model.heads % n == 0)
