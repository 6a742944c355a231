"""Before a run: what each candidate will take on this machine, and which ones are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from sazon.adapt.advice import Situation, advise
from sazon.adapt.forecast import Forecast, Load, Machine, foresee, this_machine
from sazon.core.seams import Base
from sazon.core.types import Finding, Phrase
from sazon.core.words import Value
from sazon.data import Loaded
from sazon.recipe import Plan, Recipe

GIB = 2.0**30


def foresight(wanted: Recipe, loaded: Loaded, bases: Mapping[str, Base]) -> list[Finding]:
    """Time, memory and electricity of every trained candidate, and candidates worth adding."""
    load, machine = _load(wanted, loaded), this_machine()
    found, untold = [], []
    for plan in wanted.plans:
        base = _base_of(wanted, plan, bases)
        seen = foresee(plan.technique, plan.config, base=base, load=load, machine=machine)
        if seen is None:
            untold.append(plan.name)
        else:
            found += _told(plan, seen, wanted, machine)
    if len(found):
        how: dict[str, Value] = {"rate_count": machine.rate / 1e9, "names": ", ".join(untold) or "–"}
        found.append(_note(f"how_{machine.device}", how))
    return [*found, *advise(_situation(wanted, loaded, load))]


def _load(wanted: Recipe, loaded: Loaded) -> Load:
    """Figures of the rows that remain to learn from once the splits are cut."""
    config = wanted.data
    share = config.shares.test if loaded.test is None else 0.0
    if wanted.has_cascade:
        share += config.shares.trust + config.shares.calibration
    rows = round(len(loaded.train) * (1 - share)) + (len(loaded.validation) if loaded.validation else 0)
    lengths = np.array([len(text) for text in loaded.train.inputs] or [0])
    return Load(
        rows=rows,
        classes=len({*loaded.train.targets, *config.labels}),
        characters=float(lengths.mean()),
        longest=int(np.quantile(lengths, 0.995)),
        unlabelled=len(loaded.unlabelled) if loaded.unlabelled is not None else 0,
    )


def _base_of(wanted: Recipe, plan: Plan, bases: Mapping[str, Base]) -> Base | None:
    """The base a candidate uses itself, or through the first candidate it is made of."""
    if plan.base is not None:
        return bases[plan.base]
    if plan.stage != "adapt":
        return None
    return next((b for p in plan.parents if (b := _base_of(wanted, wanted.plan(p), bases))), None)


def _told(plan: Plan, seen: Forecast, wanted: Recipe, machine: Machine) -> list[Finding]:
    energy, seconds = seen.energy_kwh, seen.seconds
    price = wanted.config.economics.electricity_price().at(0.5)
    unit = 60 if (seconds.value or 0.0) >= 120 else 1
    values: dict[str, Value] = {
        "name": plan.name,
        "usual_count": (seconds.value or 0.0) / unit,
        "low_count": (seconds.low or 0.0) / unit,
        "high_count": (seconds.high or 0.0) / unit,
        "memory_points": seen.memory / GIB,
        "most_price": max(0.01, float(price) * (energy.high or 0.0)),
        "currency": wanted.config.economics.currency,
    }
    told = [_note("takes_minutes" if unit == 60 else "takes_seconds", values)]
    if machine.memory is not None and seen.memory > machine.memory:
        key = "memory_batch" if seen.fitting else "memory"
        short: dict[str, Value] = {
            "name": plan.name,
            "memory_points": seen.memory / GIB,
            "free_points": machine.memory / GIB,
        }
        told.append(
            Finding(
                level="warning",
                says=_phrase("memory", short),
                mends=_phrase(f"{key}_mend", {"batch": seen.fitting} if seen.fitting else {}),
                where=f"candidates.{plan.name}",
            )
        )
    return told


def _situation(wanted: Recipe, loaded: Loaded, load: Load) -> Situation:
    counts = Counter(loaded.train.targets)
    return Situation(
        task=wanted.data.task,
        techniques=frozenset(p.technique for p in wanted.plans),
        median_per_class=float(np.median(list(counts.values()))) * load.rows / max(1, len(loaded.train)),
        bases=len(wanted.config.models),
        unlabelled=load.unlabelled,
        latency_s=wanted.config.decide.require.latency_p95_s,
    )


def _note(key: str, values: Mapping[str, Value]) -> Finding:
    return Finding(level="note", says=_phrase(key, values))


def _phrase(key: str, values: Mapping[str, Value]) -> Phrase:
    return Phrase(package="sazon.pipeline", key=f"check.{key}", values=values)
