"""What is told of a federation: facts for the candidate, notes for its reader, a record beside it."""

from __future__ import annotations

from typing import Any

from sazon.core.types import Dataset, Estimate, Phrase
from sazon.core.words import Value
from sazon.federate.config import FederateConfig
from sazon.federate.training import Outcome

ALGORITHM = "FedAvg"
Facts = dict[str, str | float | int | bool | None]


def validation(outcome: Outcome) -> dict[str, Estimate]:
    """Accuracy by who trained: `accuracy` (together), `pooled`, `alone.<site>` on all validation rows;
    `own.<site>`, `pooled_own.<site>`, `alone_own.<site>` on a site's own; and `difference_to_pooled`.
    """
    return dict(outcome.estimates)


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
    for site in outcome.sites:
        told[f"rows.{site.name}"] = len(site.fit)
        told[f"validation_rows.{site.name}"] = len(site.validation)
        told[f"labels.{site.name}"] = len(site.fit.labels)
    return told


def notes(outcome: Outcome, validation: Dataset) -> tuple[Phrase, ...]:
    """Warnings a reader must see."""
    known = {site.name for site in outcome.sites}
    strangers = sum(1 for e in validation.examples if e.site not in known)
    told = [
        _note("unprotected", sites=len(outcome.sites)),
        _note("travelled", bytes=outcome.communicated_bytes, rounds=outcome.rounds),
    ]
    if strangers:
        told.append(_note("strangers", rows=strangers))
    return tuple(told)


def _note(key: str, **values: Value) -> Phrase:
    return Phrase(package="sazon.federate", key=f"note.{key}", values=values)


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
