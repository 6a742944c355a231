"""What to say where a model does not fit on GPUs, or cannot answer in time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sazon.core.errors import RecipeError
from sazon.core.types import Floats
from sazon.economics.capacity.replica import MEMORY_SHARE, RUNTIME_BYTES, Replica


def too_large(replicas: Sequence[Replica], lengths: tuple[Floats, Floats]) -> RecipeError:
    """Says how many GPUs would hold the weights and one request."""
    most = replicas[-1]
    model, gpu = most.model, most.gpu
    each = gpu.memory_bytes - RUNTIME_BYTES
    if model.experts is not None:
        each -= model.shared_bytes(most.precision)  # every GPU holds a copy
    weights = most.weight_bytes if model.experts is None else model.expert_bytes(most.precision)
    request = most.kv_bytes_per_token * float(lengths[0][0] + lengths[1][0])
    if each <= 0:
        return RecipeError(
            f"{model.name} does not fit on {gpu.name}: one copy of its shared layers is larger than one GPU",
            mend="Choose a larger GPU.",
        )
    need = math.ceil((weights + request / MEMORY_SHARE) / each)
    return RecipeError(
        f"{model.name} ({most.precision}, {weights / 1e9:.0f} GB of weights) with one request of "
        f"{lengths[0][0] + lengths[1][0]:.0f} tokens does not fit on {most.gpus} × {gpu.name}",
        mend=f"It would take {need} of them, and at most {most.gpus} can share it here: choose a larger GPU"
        " or a shorter request.",
    )


def too_slow(
    fits: Sequence[Replica], lengths: tuple[Floats, Floats], *, itl_s: float, ttft_s: float
) -> RecipeError:
    """One request alone is the fastest there is: says which limit it already breaks."""
    itl, itl_gpus = min((float(r.itl_s(np.ones(1), *lengths)[0]), r.gpus) for r in fits)
    ttft, ttft_gpus = min((float(r.first_token_s(np.ones(1), *lengths)[0]), r.gpus) for r in fits)
    broken = []
    if itl > itl_s:
        broken.append(f"{itl_s * 1e3:g} ms per token (attainable: {itl * 1e3:.1f} ms, on {itl_gpus} GPUs)")
    if ttft >= ttft_s:
        broken.append(
            f"{ttft_s * 1e3:g} ms to the first token (attainable: {ttft * 1e3:.0f} ms, on {ttft_gpus} GPUs)"
        )
    if not broken:
        broken.append(
            f"{itl_s * 1e3:g} ms per token and {ttft_s * 1e3:g} ms to the first with the same number of GPUs "
            f"(attainable: {itl * 1e3:.1f} ms on {itl_gpus}, {ttft * 1e3:.0f} ms on {ttft_gpus})"
        )
    return RecipeError(
        f"{fits[0].model.name} on {fits[0].gpu.name} cannot keep {' and '.join(broken)}",
        mend="These are for one request alone. Relax the limit or choose a faster GPU.",
    )
