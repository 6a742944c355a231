"""What busy hardware is assumed to draw: there is no meter, so it is a stated range, never a measurement."""

from __future__ import annotations

import os

from sazon.core.types import Estimate

CPU_WATTS_PER_CORE = (2.0, 5.0, 15.0)
"""Assumed draw of one busy core, low, usual, high: from a laptop to an old server."""
GPU_WATTS = (150.0, 350.0, 700.0)
"""Assumed draw of one busy accelerator, low, usual, high."""
JOULES_PER_KWH = 3.6e6


def busy_threads() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def busy_watts(device: str, *, threads: int | None = None) -> tuple[float, float, float]:
    """Low, usual and high draw of the hardware that works: all cores here, or one accelerator.

    Args:
        device: `cuda`, or anything else for the processor.
        threads: cores that work; by default all this process may use.
    """
    if device == "cuda":
        return GPU_WATTS
    cores = busy_threads() if threads is None else threads
    low, usual, high = (watts * cores for watts in CPU_WATTS_PER_CORE)
    return low, usual, high


def assumed_energy(seconds: float, *, device: str, threads: int | None = None) -> Estimate:
    """Energy of work that took so long: seconds · watts / 3.6e6, with the range of the assumed watts."""
    low, usual, high = busy_watts(device, threads=threads)
    return Estimate(
        value=seconds * usual / JOULES_PER_KWH,
        low=seconds * low / JOULES_PER_KWH,
        high=seconds * high / JOULES_PER_KWH,
        unit="kWh",
        method=f"{usual:g} W ({low:g} to {high:g}) assumed for the busy hardware, times the time",
        kind="assumed",
    )
