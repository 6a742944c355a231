"""What answers take: tokens, money, energy and time, per answer and per right answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sazon.core.types import Candidate, Estimate, Floats
from sazon.evaluate.graded import Graded
from sazon.models.power import JOULES_PER_KWH, assumed_energy
from sazon.stats import clusters, quantiles
from sazon.stats.ratios import cost_per_hit

ANSWERS, CORRECT = "1000 answers", "1000 correct"
UNKNOWN_CURRENCY = "money"


def expense(candidate: Candidate, one: Graded, *, currency: str = "", level: float) -> dict[str, Estimate]:
    """Metric → estimate, for what is known of a candidate; what can never be known is left out.

    `tokens_per_answer` and `money_per_1000_answers` where a recording counted them, `energy_…` where
    all of it ran here, each also per (1000) right answers; `latency_p99_s`; with
    `evaluate.latency.at_once`, `latency_at_once_p95_s` and `throughput_at_once_per_s`.

    Args:
        candidate: whose answers they are.
        one: its answers, graded.
        currency: of the money recorded.
        level: nominal coverage.
    """
    sheet = one.sheet
    found = {"latency_p99_s": _latency(sheet.seconds, 0.99, level)}
    if np.isfinite(sheet.tokens).any() and (sheet.tokens > 0).any():
        found |= _spent(one, sheet.tokens, "tokens", "tokens", 1, level)
    if np.isfinite(sheet.money).any() and (sheet.money > 0).any():
        found |= _spent(one, sheet.money, "money", currency or UNKNOWN_CURRENCY, 1000, level)
    return found | _energy(candidate, one, level) | _at_once(one, level)


def _spent(one: Graded, each: Floats, name: str, unit: str, times: int, level: float) -> dict[str, Estimate]:
    """Mean per answer and total over right answers, on the rows of which the amount is known.

    A row that failed before anything was billed has no amount and is left out of both; one that was
    billed and brought nothing usable counts.
    """
    per = "" if times == 1 else f"{times}_"
    names = f"{name}_per_{per}answer{'s' if per else ''}", f"{name}_per_{per}correct"
    units = (unit, unit) if times == 1 else (f"{unit}/{ANSWERS}", f"{unit}/{CORRECT}")
    known = np.isfinite(each)
    if (one.answered & ~known).any():
        reason = "not known for every answer"
        return {n: Estimate.none(reason, unit=u) for n, u in zip(names, units, strict=True)}
    amounts, clustering = each[known] * times, one.clustering.keep(known)
    mean = clusters.mean(amounts, clustering, level=level, unit=units[0])
    # The t interval does not know that nobody is paid for asking.
    mean = mean if mean.low is None else replace(mean, low=max(0.0, mean.low))
    right = (one.right & one.answered)[known]
    return {
        names[0]: mean,
        names[1]: cost_per_hit(amounts, right, clustering, level=level, unit=units[1]),
    }


def _energy(candidate: Candidate, one: Graded, level: float) -> dict[str, Estimate]:
    """Assumed watts times the seconds an answer keeps this machine busy in batches.

    The interval is the range of the watts; per right answer it is widened by that of the accuracy:
    least energy over most right, most energy over least right.
    """
    timings = one.sheet.timings
    if timings.batch_seconds is None or not timings.batch_rows:
        return {}
    seconds = 1000 * timings.batch_seconds / timings.batch_rows
    device = candidate.training.device if candidate.training else "cpu"
    energy = _joules(assumed_energy(seconds, device=device), level=level, n=timings.batch_rows)
    right = clusters.share(one.right & one.answered, one.clustering, level=level)
    each = Estimate.none("no answer is right", unit=f"J/{CORRECT}", n=right.n)
    if energy.value is not None and energy.low is not None and energy.high is not None and right.value:
        each = Estimate(
            value=energy.value / right.value,
            low=energy.low / right.high if right.high else None,
            high=energy.high / right.low if right.low else None,
            level=level,
            unit=f"J/{CORRECT}",
            method="assumed energy of an answer over the share of right ones, their ranges combined",
            n=right.n,
            clusters=right.clusters,
            kind="assumed",
        )
    return {"energy_per_1000_answers": energy, "energy_per_1000_correct": each}


def _joules(energy: Estimate, *, level: float, n: int) -> Estimate:
    """In joules, since in kWh a thousand answers of a small model have five zeros before the first digit."""
    value, low, high = (
        None if x is None else x * JOULES_PER_KWH for x in (energy.value, energy.low, energy.high)
    )
    return replace(energy, value=value, low=low, high=high, unit=f"J/{ANSWERS}", level=level, n=n)


def _at_once(one: Graded, level: float) -> dict[str, Estimate]:
    """95th percentile of the times, and requests a second, with several asking at once."""
    timings = one.sheet.timings
    waits = np.asarray(timings.at_once_seconds, dtype=np.float64)
    if not len(waits) or not timings.at_once_wall_seconds:
        return {}
    rate = Estimate(
        value=len(waits) / timings.at_once_wall_seconds,
        unit="1/s",
        level=level,
        n=len(waits),
        method=f"{timings.at_once} asking one by one, answered one at a time, on this machine, timed once",
    )
    p95 = _latency(waits, 0.95, level)
    return {"latency_at_once_p95_s": p95, "throughput_at_once_per_s": rate}


def _latency(seconds: Floats, share: float, level: float) -> Estimate:
    return quantiles.quantile(seconds[np.isfinite(seconds)], share, level=level)
