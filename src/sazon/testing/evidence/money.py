"""What the invented options cost, and the invented decision."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from sazon.core.outlook import BreakEven, Crossing, Influence
from sazon.core.types import (
    Candidate,
    Costs,
    Decision,
    Dominated,
    Estimate,
    Outlook,
    Reason,
    Unknown,
    Verdict,
    Waiting,
)
from sazon.testing.evidence.options import OPTIONS

MONTHS = 36


def costs(candidates: tuple[Candidate, ...]) -> Costs:
    """Summary, timeline, drivers and inputs."""
    rng = np.random.default_rng(0)
    middle = {c.name: o.cost for c, o in zip(candidates, OPTIONS, strict=True)}
    share = np.arange(1, MONTHS + 1) / MONTHS
    summary = {}
    for name, total in middle.items():
        accuracy = {c.name: o.accuracy for c, o in zip(candidates, OPTIONS, strict=True)}[name]
        per_request = Estimate(
            value=total / 5000, low=total / 9000, high=total / 2500, unit="EUR", level=0.8, kind="assumed"
        )
        per_correct = Estimate(
            value=total / 5000 / accuracy,
            low=total / 9000 / accuracy,
            high=total / 2500 / accuracy,
            unit="EUR",
            level=0.8,
            kind="assumed",
        )
        summary[name] = {
            "total": Estimate(
                value=total, low=0.3 * total, high=2.4 * total, unit="EUR", level=0.8, kind="assumed"
            ),
            "per_1000_requests": per_request,
            "per_1000_correct": per_correct,
            "value_at_risk": _euros(2.6 * total),
            "expected_shortfall": _euros(3.1 * total),
            "event_loss": _euros(400.0),
            "event_loss_shortfall": _euros(8000.0),
            "regret": _euros(0.2 * total),
            "loss_if_gone": Estimate.none("it needs nobody outside", unit="EUR"),
            "cost_to_leave": _euros(5000.0),
            "effective_suppliers": Estimate(value=1.4, kind="assumed"),
            "energy": Estimate(value=900.0, low=700.0, high=1200.0, unit="kWh", kind="assumed"),
            "carbon": Estimate(value=160.0, low=120.0, high=220.0, unit="kg CO2e", kind="assumed"),
            "p_cheapest": Estimate(value=0.58 if name == candidates[2].name else 0.05, unit="share"),
        }
    return Costs(
        values=np.array(list(middle.values())) * np.exp(0.5 * rng.standard_normal((200, len(candidates)))),
        candidates=tuple(middle),
        currency="EUR",
        months=MONTHS,
        prices_as_of="2026-11-01",
        summary=summary,
        timeline={
            name: tuple(
                (float(0.3 * t * s + 900), float(t * s + 1500), float(2.4 * t * s**1.2 + 2600)) for s in share
            )
            for name, t in middle.items()
        },
        drivers={
            "value_of_error": Estimate(value=0.71, low=0.66, high=0.75),
            "demand.requests_per_day": Estimate(value=0.48, low=0.43, high=0.53),
            "demand.growth_per_year": Estimate(value=0.12, low=0.05, high=0.19),
            "staff_rate_per_hour": Estimate(value=-0.22, low=-0.28, high=-0.16),
            "accuracy.probe": Estimate(value=-0.05, low=-0.1, high=0.01),
        },
        inputs=(
            {
                "name": "demand.requests_per_day",
                "value": 2200.0,
                "low": 500.0,
                "high": 5000.0,
                "unit": "1/day",
                "kind": "assumed",
                "source": "recipe",
                "date": None,
            },
            {
                "name": "electricity_price_per_kwh",
                "value": 0.18,
                "low": 0.14,
                "high": 0.24,
                "unit": "EUR/kWh",
                "kind": "published",
                "source": "national statistics",
                "date": "2026-01-15",
            },
            {
                "name": "seconds_per_request.probe",
                "value": 0.014,
                "low": None,
                "high": None,
                "unit": "s",
                "kind": "measured",
                "source": "this run",
                "date": "2026-11-22",
            },
        ),
        outlook=_outlook(tuple(middle)),
    )


def _outlook(names: tuple[str, ...]) -> Outlook:
    return Outlook(
        dominated=(
            Dominated(name=names[0], by=names[2], order=1),
            Dominated(name=names[1], by=names[2], order=2),
        ),
        unknowns=tuple(
            Unknown(name=name, worth=_euros(worth), share=Estimate(value=share, unit="share"))
            for name, worth, share in (
                ("value_of_error", 310.0, 0.5),
                ("demand.requests_per_day", 120.0, 0.3),
                ("risk_per_year.breach", 4.0, 0.01),
            )
        ),
        everything=_euros(620.0),
        influences=(
            Influence(
                name="value_of_error",
                first=Estimate(value=0.41, low=0.36, high=0.46, unit="share"),
                total=Estimate(value=0.66, low=0.6, high=0.71, unit="share"),
            ),
            Influence(
                name="accuracy.probe",
                first=Estimate.none("it moves together with another input", unit="share"),
                total=Estimate.none("it moves together with another input", unit="share"),
            ),
        ),
        fit=Estimate(value=0.93, unit="share"),
        breaks=tuple(_break(name, names[2]) for name in names[:2]),
        waiting=tuple(
            Waiting(
                start=names[-2],
                then=names[2],
                commit=names[2],
                value=_euros(value),
                moves=Estimate(value=0.37, unit="share"),
                requests_per_day=level,
                above=above,
                months=2,
                simple_value=_euros(0.8 * value),
            )
            for value, level, above in (
                (1100.0, 21_000.0, True),
                (900.0, 300.0, False),
                (500.0, None, True),
                (0.0, None, True),
                (-283.0, None, True),
            )
        ),
    )


def _break(name: str, against: str) -> BreakEven:
    nowhere = Estimate(value=0.34, low=0.33, high=0.35, unit="share", kind="assumed")
    never = Estimate.none("it has no machines of its own", unit="share")
    level = Estimate(value=34_000.0, low=8_000.0, high=190_000.0, unit="requests/day", kind="assumed")
    return BreakEven(
        name=name,
        against=against,
        demand=Crossing(at=level, nowhere=nowhere),
        above=Estimate(value=0.99, unit="share"),
        utilisation=Crossing(at=never, nowhere=never),
        month=Crossing(at=Estimate(value=11.0, low=4.0, high=31.0, unit="month"), nowhere=nowhere),
    )


def _euros(value: float) -> Estimate:
    low, high = sorted((0.9 * value, 1.1 * value))
    return Estimate(value=value, low=low, high=high, unit="EUR", kind="assumed")


def decision(candidates: tuple[Candidate, ...], status: Literal["decided", "undecided"]) -> Decision:
    """`probe` is ahead, by enough or not."""
    names = [c.name for c in candidates]
    best = 0.94 if status == "decided" else 0.58
    shares = {
        2: best,
        5: 0.6 * (1 - best),
        8: 0.25 * (1 - best),
        4: 0.1 * (1 - best),
        3: 0.05 * (1 - best),
        1: 0.0,
        6: 0.0,
    }
    ranking = tuple((names[i], Estimate(value=p, unit="share", n=10_000)) for i, p in shares.items())
    gates = tuple(
        Verdict(gate=gate, candidate=c.name, passed=passed, reason=reason)
        for c in candidates
        for gate, passed, reason in (
            ("data_leaves", not c.providers, "leaves" if c.providers else "passes"),
            ("accuracy", c.technique != "majority", "low" if c.technique == "majority" else "passes"),
            (
                "latency",
                None if c.kind == "published" else True,
                "unknown" if c.kind == "published" else "passes",
            ),
        )
    )
    flip = Reason(key="flip.demand_above", values={"requests_count": 40_000, "other": names[6]})
    found = Decision(
        status=status,
        choice=names[2],
        confidence=ranking[0][1],
        ranking=ranking,
        gates=gates,
        reasons=(
            Reason(key="reason.gap", values={"choice": names[2], "other": names[5], "gap_money": 8000.0}),
            Reason(key="reason.quality_same", values={"choice": names[2], "other": names[5]}),
        ),
        flips=(flip,),
        labels_needed=Estimate(value=340, low=210, high=610, unit="labels", kind="assumed"),
    )
    if status == "decided":
        return replace(found, labels_needed=Estimate(value=0.0, unit="labels"))
    return found
