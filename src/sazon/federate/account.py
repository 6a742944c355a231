"""What is told of a federation: facts for the candidate, notes for its reader, a record beside it."""

from __future__ import annotations

from typing import Any

from sazon.core.types import Dataset, Estimate
from sazon.core.words import Language, number, say
from sazon.federate.config import FederateConfig
from sazon.federate.training import Outcome

ALGORITHM = "FedAvg"
Facts = dict[str, str | float | int | bool | None]


def validation(outcome: Outcome) -> dict[str, Estimate]:
    """Accuracy on all validation rows, by who trained: `accuracy` (together), `pooled`, `alone.<site>`."""
    arms = {"accuracy", "pooled", *(f"alone.{site.name}" for site in outcome.sites)}
    return {name: estimate for name, estimate in outcome.estimates.items() if name in arms}


def facts(outcome: Outcome, config: FederateConfig) -> Facts:
    """Flat figures: what was done, and per site `rows.<site>` and the like."""
    told: Facts = {
        "algorithm": ALGORITHM,
        "sites": len(outcome.sites),
        "rounds": config.rounds,
        "rounds_in_all": outcome.rounds,
        "local_steps": config.local_steps,
        "refit": outcome.refitted,
        "protected": False,
        "communicated_bytes": outcome.communicated_bytes,
    }
    for name, estimate in outcome.estimates.items():
        told[_fact(name)] = estimate.value
    if gap := outcome.estimates.get("difference_to_pooled"):
        told |= {"difference_to_pooled_low": gap.low, "difference_to_pooled_high": gap.high}
    for site in outcome.sites:
        told[f"rows.{site.name}"] = len(site.fit)
        told[f"validation_rows.{site.name}"] = len(site.validation)
        told[f"labels.{site.name}"] = len(site.fit.labels)
    return told


def notes(outcome: Outcome, validation: Dataset, *, language: Language = "en") -> tuple[str, ...]:
    """Warnings a reader must see."""
    known = {site.name for site in outcome.sites}
    strangers = sum(1 for e in validation.examples if e.site not in known)
    sent = number(outcome.communicated_bytes, language)
    told = [
        say("sazon.federate", language, "note.unprotected", sites=len(outcome.sites)),
        say("sazon.federate", language, "note.travelled", bytes=sent, rounds=outcome.rounds),
    ]
    if strangers:
        told.append(say("sazon.federate", language, "note.strangers", rows=strangers))
    return tuple(told)


def record(outcome: Outcome, config: FederateConfig) -> dict[str, Any]:
    """JSON beside the predictor; it holds no timings, so that equal runs have equal digests."""
    return {
        "algorithm": ALGORITHM,
        "weighted_by": "rows",
        "options": config.model_dump(mode="json"),
        "protected": False,
        "communicated_bytes": outcome.communicated_bytes,
        "refitted_with_validation": outcome.refitted,
        "sites": [
            {
                "name": site.name,
                "rows": len(site.fit),
                "validation_rows": len(site.validation),
                "labels": len(site.fit.labels),
            }
            for site in outcome.sites
        ],
        "estimates": {
            name: {"value": e.value, "low": e.low, "high": e.high, "n": e.n, "method": e.method}
            for name, e in outcome.estimates.items()
        },
        "rounds": [
            {
                "round": r.number,
                "validation_right": int(r.right.sum()),
                "validation_rows": len(r.right),
                "validation_accuracy": float(r.right.mean()) if len(r.right) else None,
            }
            for r in outcome.history
        ],
    }


def _fact(name: str) -> str:
    """`accuracy` → `validation_accuracy`, `alone.x` → `alone_validation_accuracy.x`."""
    head, dot, site = name.partition(".")
    if head == "difference_to_pooled":
        return name
    return "validation_accuracy" if head == "accuracy" else f"{head}_validation_accuracy{dot}{site}"
