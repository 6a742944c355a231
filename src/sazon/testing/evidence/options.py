"""The invented options: nine ways of running an invented task."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from sazon.core.types import (
    Artifact,
    Candidate,
    Certificate,
    Estimate,
    Kind,
    Phrase,
    Placement,
    TrainingCost,
)
from sazon.core.words import Value


class Option(NamedTuple):
    """One option's invented figures."""

    name: str
    technique: str
    kind: Kind
    accuracy: float
    latency_p95_s: float | None
    cost: float
    """Median total."""
    seconds: float | None
    """Training time."""
    parents: tuple[str, ...] = ()


OPTIONS = (
    Option("floor", "majority", "measured", 0.11, 0.00001, 3_400_000, 0.01),
    Option("linear", "linear", "measured", 0.853, 0.0011, 598_000, 2.4),
    Option("probe", "transfer", "measured", 0.871, 0.0142, 541_000, 11.2),
    Option("tuned", "finetune", "measured", 0.866, 0.0144, 566_000, 74.0),
    Option("small", "distill", "measured", 0.859, 0.0009, 571_000, 6.1, ("tuned",)),
    Option("together", "federate", "measured", 0.868, 0.0142, 549_000, 4.2, ("probe",)),
    Option("large", "host", "assumed", 0.90, 0.42, 1_150_000, None),
    Option("frontier", "api", "published", 0.91, None, 690_000, None),
    Option("hybrid", "cascade", "measured", 0.869, 0.0151, 545_000, None, ("small", "tuned")),
)
N = 438
"""Test cases."""


def candidate(option: Option, hostile: str) -> Candidate:
    """The option as a candidate; `hostile` is added to every name."""
    name, technique, kind, accuracy, _, _, seconds, parents = option
    placement: Placement = "cloud" if technique == "api" else "local"
    validation = {"accuracy": share(accuracy + 0.01, 210)} if seconds is not None else {}
    facts: dict[str, str | float | int | bool | None] = {"C": 4.0} if technique == "transfer" else {}
    if technique == "federate":
        facts = {
            "rounds": 20,
            "protected": False,
            "communicated_bytes": 2_150_000,
            "rows.centro": 410,
        }
        sites = (("centro", 0.80), ("marina", 0.74), ("valle", 0.69))
        validation |= {"pooled": share(0.877, 210)}
        validation |= {"difference_to_pooled": Estimate(value=-0.009, low=-0.03, high=0.012, unit="share")}
        for site, value in sites:
            validation |= {f"alone.{site}": share(value, 210), f"own.{site}": share(0.87, 70)}
            validation |= {
                f"pooled_own.{site}": share(0.875, 70),
                f"alone_own.{site}": share(value + 0.05, 70),
            }
    energy = Estimate(
        value=(seconds or 0) * 6e-6,
        low=(seconds or 0) * 3e-6,
        high=(seconds or 0) * 1e-5,
        unit="kWh",
        kind="assumed",
    )
    return Candidate(
        name=f"{name}{hostile}",
        technique=technique,
        kind=kind,
        parents=tuple(f"{p}{hostile}" for p in parents),
        base="minilm@53aa51172d142c89" if technique in ("transfer", "finetune") else None,
        artifact=Artifact(path=Path("adapt") / name, digest="ab" * 32) if kind == "measured" else None,
        placement=placement,
        providers=(f"frontier{hostile}",) if technique == "api" else (),
        training=TrainingCost(seconds=seconds, rows=860, energy_kwh=energy) if seconds is not None else None,
        certificate=_certificate(hostile) if technique == "cascade" else None,
        validation=validation,
        facts=facts,
        notes=_notes(technique, hostile),
    )


def _notes(technique: str, hostile: str) -> tuple[Phrase, ...]:
    if technique == "finetune":
        values: dict[str, Value] = {"foreign_share": 0.62, "base": f"minilm{hostile}", "languages": "en"}
        return (Phrase(package="sazon.adapt", key="note.languages", values=values),)
    if technique == "federate":
        return (Phrase(package="sazon.federate", key="note.unprotected", values={"sites": 3}),)
    return ()


def _certificate(hostile: str) -> Certificate:
    return Certificate(
        says=Phrase(
            package="sazon.evaluate",
            key="certificate.exact",
            values={
                "local": f"small{hostile}",
                "cloud": f"tuned{hostile}",
                "harm_rate": 0.02,
                "confidence_share": 0.9,
            },
        ),
        algorithm="exact binomial, fixed-sequence testing",
        epsilon=0.02,
        delta=0.1,
        n=180,
        threshold=0.62,
        local_share=share(0.71, 180),
        harm=share(0.006, 180),
        labels_needed=None,
        models={"small": "ab" * 32, "tuned": "cd" * 32},
    )


def share(value: float, n: int, kind: Kind = "measured") -> Estimate:
    """A share with a normal interval."""
    value = min(max(value, 0.0), 1.0)
    half = 1.96 * float(np.sqrt(max(value * (1 - value), 0.004) / n))
    low, high = max(0.0, value - half), min(1.0, value + half)
    return Estimate(value=value, low=low, high=high, unit="share", method="Wilson score", n=n, kind=kind)
