"""What making a candidate will take, before anything is made: time, memory and energy, with a range.

Operations are counted from rows, tokens and the base's size and divided by what this machine was
just measured to do in a matrix product; real training reaches a part of that. Good to a factor of
about three either way, which tells seconds from hours.
"""

from __future__ import annotations

import json
import os
import struct
import time
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from sazon.adapt.defaults import FEW_ROWS, MANY_ROWS
from sazon.adapt.suspects import installed
from sazon.core.seams import Base
from sazon.core.types import Estimate
from sazon.models.base import weight_files
from sazon.models.language_model import is_causal
from sazon.models.power import JOULES_PER_KWH, busy_threads, busy_watts
from sazon.models.transformer import ROWS, cpu_bf16, declared_length

CHARACTERS_PER_TOKEN = (5.0, 4.0, 3.0)
"""Few tokens, usual, many."""
REACHED = (0.8, 0.35, 0.15)
"""Share of the matrix product's rate that training and embedding reach: fast, usual, slow (assumed)."""
BF16_FASTER = {"amx": (8.0, 4.0, 2.0), "avx512": (2.0, 1.4, 1.0), "": (1.0, 1.0, 1.0)}
"""Times faster than in fp32 where the processor multiplies bf16 (assumed): fast, usual, slow."""
START_SECONDS = (3.0, 8.0, 30.0)
"""Loading torch and a base, before anything is computed (assumed)."""
LINEAR_SECONDS = 4e-5
"""Of a row and class: 31 s for 10,003 rows of 77 classes, measured; a third to three times as much."""
GPU_RATE = 2e13
"""Operations a second that a GPU is taken to do where it cannot be measured without loading torch."""
RUNTIME_BYTES = 0.7e9
"""Interpreter, torch and tokenizer."""
HEAD_STEPS = 30
"""L-BFGS iterations of one head, warm starts included (assumed)."""
TRAINED_IN = {"full": 1.0, "bitfit": 0.01, "ia3": 0.01, "prompt": 0.01}
"""Share of the weights that get gradients and optimiser moments; all other adapters about 3 %."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """The training rows in figures."""

    rows: int
    """Fit and validation together."""
    classes: int
    characters: float
    """Mean of a text."""
    longest: int
    """Characters that 99.5 % of the texts do not exceed."""
    unlabelled: int = 0


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What this machine does and has."""

    rate: float
    """Operations a second in a matrix product."""
    memory: float | None
    """Bytes available for training; None: not known."""
    device: str
    threads: int
    faster: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Times faster than that product in the precision of training: fast, usual, slow."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A transformer in figures, read from its config and the headers of its weights."""

    parameters: int
    table: int
    """Parameters of the word table, which are looked up and not multiplied."""
    width: int
    layers: int
    heads: int
    longest: int
    """Tokens it reads."""
    vocabulary: int
    causal: bool


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What one candidate will take."""

    seconds: Estimate
    energy_kwh: Estimate
    memory: float
    """Bytes at the peak."""
    batch_size: int | None = None
    """Rows of a batch as the recipe has it; None where nothing is trained in batches."""
    fitting: int | None = None
    """Largest halving of that batch that fits into memory; 0: not even one row does; None: as it is."""


def foresee(
    technique: str, config: Any, *, base: Base | None, load: Load, machine: Machine
) -> Forecast | None:
    """What making a candidate will take; None for techniques that train nothing foreseeable.

    Args:
        technique: its name.
        config: its options.
        base: what it starts from itself or through its teacher.
        load: the rows.
        machine: measured by `this_machine`.
    """
    if technique == "majority":
        return _forecast((0.0, 0.0, 0.1), 0.2e9, machine)
    if technique == "linear" or (technique == "distill" and base is None):
        usual = 1 + LINEAR_SECONDS * load.rows * load.classes
        return _forecast((usual / 3, usual, usual * 3), 0.3e9 + 2e3 * load.rows, machine)
    if base is None or technique not in ("transfer", "contrastive", "finetune", "distill", "export"):
        return None
    shape = shape_of(base.path)
    counts = [_operations(technique, config, shape, load, c) for c in CHARACTERS_PER_TOKEN]
    seconds = tuple(
        start + n / (machine.rate * faster * reached)
        for n, faster, reached, start in zip(counts, machine.faster, REACHED, START_SECONDS, strict=True)
    )
    batch = getattr(config, "batch_size", None) if _trains(technique, config) else None
    memory = peak_memory(shape, config, load, batch)
    fitting = None
    if batch is not None and machine.memory is not None and memory > machine.memory:
        halves = (batch >> i for i in range(1, batch.bit_length()))
        fits = (b for b in halves if peak_memory(shape, config, load, b) <= machine.memory)
        fitting = next(fits, 0)
    found = _forecast((seconds[0], seconds[1], seconds[2]), memory, machine)
    return Forecast(
        seconds=found.seconds,
        energy_kwh=found.energy_kwh,
        memory=memory,
        batch_size=batch,
        fitting=fitting,
    )


def _trains(technique: str, config: Any) -> bool:
    """Whether a transformer itself is trained, not only a head or a table beside it."""
    return technique in ("finetune", "contrastive") or getattr(config, "student", "static") != "static"


def _operations(technique: str, config: Any, shape: Shape, load: Load, characters: float) -> float:
    """Floating-point operations: 2 a parameter and token forwards, 4 backwards, attention beside.

    Source: Kaplan et al. 2020, "Scaling Laws for Neural Language Models", table 1.
    """
    tokens = min(2 + load.characters / characters, shape.longest)
    forward = tokens * 2 * (shape.parameters - shape.table + 2 * tokens * shape.width * shape.layers)
    grid = getattr(config, "C", None)
    heads = 5 * len(grid) if isinstance(grid, list) else 2
    once = load.rows * (forward + 4 * shape.width * load.classes * HEAD_STEPS * heads)
    if technique in ("transfer", "export"):
        return once
    texts = load.rows * (1 + getattr(config, "variants", 0)) + load.unlabelled
    if technique == "distill" and not _trains(technique, config):
        return once + texts * forward
    many = min(1.0, max(0.0, (load.rows - FEW_ROWS) / (MANY_ROWS - FEW_ROWS)))
    epochs = getattr(config, "epochs", None) or (3 if shape.causal else 4 + 2 * many)
    again = (2 if getattr(config, "refit", True) else 1) * getattr(config, "seeds", 1)
    kept = 1.0
    if technique == "distill":
        kept = min(1.0, getattr(config, "layers", shape.layers) / shape.layers)
    return once + texts * forward + 3 * forward * kept * epochs * again * load.rows


def peak_memory(shape: Shape, config: Any, load: Load, batch: int | None) -> float:
    """Bytes at the peak: weights, gradients, moments, a best copy, and the activations of one batch.

    Activations of a layer in 16 bits: L·b·h·(34 + 5·a·L/h) bytes; twice that in fp32.

    Args:
        shape: of the base.
        config: the candidate's options.
        load: the rows.
        batch: rows of one step; None: nothing is trained, only embedded.

    Source: Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models",
    equation 2.
    """
    most = getattr(config, "max_length", None) or shape.longest
    length = min(2 + load.longest / CHARACTERS_PER_TOKEN[2], most)
    bits = {"4bit": 0.6, "8bit": 1.1}.get(getattr(config, "load_in", None) or "", 4.0)
    weights = bits * shape.parameters
    layer = length * shape.width * (34 + 5 * shape.heads * length / shape.width) * 2
    if batch is None:
        return RUNTIME_BYTES + weights + ROWS * layer
    method = getattr(config, "method", None) or ("lora" if shape.causal else "full")
    trained = TRAINED_IN.get(method, 0.03) * shape.parameters
    logits = 12 * batch * length * shape.vocabulary if shape.causal else 0.0
    return RUNTIME_BYTES + weights + 16 * trained + batch * shape.layers * layer + logits


def _forecast(seconds: tuple[float, float, float], memory: float, machine: Machine) -> Forecast:
    """Time with its range, and energy as watts assumed of the busy hardware times the time."""
    watts = busy_watts(machine.device, threads=machine.threads)
    energy = [s * w / JOULES_PER_KWH for s, w in zip(seconds, watts, strict=True)]
    told = "operations counted, over the measured rate of a matrix product times an assumed share"
    return Forecast(
        seconds=Estimate(
            value=seconds[1], low=seconds[0], high=seconds[2], unit="s", kind="assumed", method=told
        ),
        energy_kwh=Estimate(
            value=energy[1],
            low=energy[0],
            high=energy[2],
            unit="kWh",
            kind="assumed",
            method="time times assumed watts",
        ),
        memory=memory,
    )


# -------------------------------------------------------------------- base and machine


def shape_of(folder: Path) -> Shape:
    """Read a transformer's figures from its folder; the weights themselves are not loaded."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    # Models of several parts keep the language model's figures one level down.
    config = config | config.get("text_config", {})
    width, vocabulary = int(config["hidden_size"]), int(config.get("vocab_size", 30_000))
    return Shape(
        parameters=sum(_parameters(file) for file in weight_files(folder)),
        table=width * vocabulary,
        width=width,
        layers=int(config.get("num_hidden_layers", 12)),
        heads=int(config.get("num_attention_heads", 12)),
        longest=declared_length(folder),
        vocabulary=vocabulary,
        causal=is_causal(folder),
    )


def _parameters(file: Path) -> int:
    """Numbers in a safetensors file, from its header: 8 bytes of length, then JSON."""
    with file.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        header = json.loads(opened.read(length))
    return sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")


def this_machine() -> Machine:
    """Time a few matrix products, and look how much memory is free; a GPU's rate is assumed."""
    on_gpu = Path("/proc/driver/nvidia/version").is_file() and installed("torch")
    return Machine(
        rate=GPU_RATE if on_gpu else _measured_rate(),
        memory=None if on_gpu else available_memory(),
        device="cuda" if on_gpu else "cpu",
        threads=busy_threads(),
        faster=BF16_FASTER["" if on_gpu else cpu_bf16()],
    )


def _measured_rate(side: int = 768, times: int = 4) -> float:
    """Operations a second of the fastest of a few fp32 matrix products, side × side."""
    a = np.full((side, side), 0.5, dtype=np.float32)
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        a @ a
        taken.append(time.perf_counter() - began)
    return float(2 * side**3 / min(taken))


def available_memory() -> float | None:
    """Bytes this process may still take, disk caches counted as free; None where it cannot be told."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text("utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return None
