"""bf16 or fp32: decided once per machine by a short trial, and kept so that a rerun repeats it."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sazon.core import digest
from sazon.core.run import write_aside
from sazon.models.transformer import Encoder, Precision, can_bf16

if TYPE_CHECKING:
    import torch

AGREEMENT = 0.995
"""Least cosine between the vectors of both precisions."""
ADVANTAGE = 1.15
"""How many times faster bf16 must be to be worth its rounding."""


def choose_precision(encoder: Encoder, *, revision: str, cache: Path) -> Precision:
    """The faster precision whose vectors agree, timed on random tokens (about 0.2 s).

    The choice is written below `cache`, so that resuming a run does not change its numbers.

    Args:
        encoder: any encoder on the device that will be used; left in the precision chosen.
        revision: digest of the base's weights.
        cache: folder of the run for what can be made again.
    """
    import torch

    if not can_bf16():
        encoder.precision = "fp32"
        return "fp32"
    machine = [platform.processor(), os.environ.get("ONEDNN_MAX_CPU_ISA", ""), encoder.device]
    key = digest.of_text(*machine, str(torch.get_num_threads()), torch.__version__, revision)[:16]
    path = cache / "precision" / f"{key}.json"
    if path.is_file():
        chosen: Precision = "bf16" if json.loads(path.read_text("utf-8"))["precision"] == "bf16" else "fp32"
    else:
        chosen = _try_both(encoder)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(path, json.dumps({"precision": chosen}))
    encoder.precision = chosen
    return chosen


def _try_both(encoder: Encoder) -> Precision:
    import torch

    generator = torch.Generator().manual_seed(0)
    highest = int(encoder.backbone.config.vocab_size)
    length = min(24, encoder.max_length)
    ids = torch.randint(0, highest, (16, length), generator=generator).to(encoder.device)
    mask = torch.ones_like(ids)
    found = {precision: _timed(encoder, precision, ids, mask) for precision in ("fp32", "bf16")}
    (exact, slow_s), (rounded, fast_s) = found["fp32"], found["bf16"]
    agrees = float(np.min((exact * rounded).sum(axis=1))) >= AGREEMENT
    return "bf16" if agrees and slow_s > ADVANTAGE * fast_s else "fp32"


def _timed(
    encoder: Encoder, precision: str, ids: torch.Tensor, mask: torch.Tensor
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float32]], float]:
    import torch

    encoder.precision = "bf16" if precision == "bf16" else "fp32"
    best_s = float("inf")
    with torch.inference_mode():
        vectors = encoder.pooled(ids, mask).cpu().numpy()
        for _ in range(5):
            began = time.perf_counter()
            vectors = encoder.pooled(ids, mask).cpu().numpy()
            best_s = min(best_s, time.perf_counter() - began)
    return vectors, best_s
