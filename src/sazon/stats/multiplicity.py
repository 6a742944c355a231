"""Several tests at once: p-values corrected so that many looks do not make a finding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sazon.core.types import Floats


def holm(p_values: Sequence[float]) -> Floats:
    """Holm's step-down p: controls the chance of any false finding, under any dependence.

    p̃₍ᵢ₎ = max_{j ≤ i} min(1, (m − j + 1) p₍ⱼ₎). Source: Holm 1979.
    """
    p, order, back = _ordered(p_values)
    m = len(p)
    stepped = np.maximum.accumulate(np.minimum(1.0, (m - np.arange(m)) * p[order]))
    corrected: Floats = stepped[back]
    return corrected


def benjamini_hochberg(p_values: Sequence[float]) -> Floats:
    """Benjamini–Hochberg p: controls the expected share of false findings.

    p̃₍ᵢ₎ = min_{j ≥ i} min(1, m p₍ⱼ₎ / j). Source: Benjamini & Hochberg 1995.
    """
    p, order, back = _ordered(p_values)
    m = len(p)
    raw = np.minimum(1.0, p[order] * m / np.arange(1, m + 1))
    corrected: Floats = np.minimum.accumulate(raw[::-1])[::-1][back]
    return corrected


def _ordered(p_values: Sequence[float]) -> tuple[Floats, np.ndarray, np.ndarray]:
    p = np.asarray(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p-values must be inside [0, 1]")
    order = np.argsort(p, kind="stable")
    return p, order, np.argsort(order, kind="stable")
