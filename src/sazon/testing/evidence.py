"""An invented run's evidence, complete enough to draw a whole report from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from sazon.core.types import (
    Artifact,
    Candidate,
    Certificate,
    Claim,
    Costs,
    Decision,
    ErrorRow,
    Estimate,
    Evaluation,
    Finding,
    Kind,
    Placement,
    QualityDraws,
    Reason,
    SliceRow,
    TrainingCost,
    Verdict,
)
from sazon.report.evidence import DataSummary, Evidence

# name, technique, kind, accuracy, p95 in seconds, median cost, training seconds, parents
_OPTIONS: tuple[tuple[str, str, Kind, float, float | None, float, float | None, tuple[str, ...]], ...] = (
    ("floor", "majority", "measured", 0.11, 0.00001, 3_400_000, 0.01, ()),
    ("linear", "linear", "measured", 0.853, 0.0011, 598_000, 2.4, ()),
    ("probe", "transfer", "measured", 0.871, 0.0142, 541_000, 11.2, ()),
    ("tuned", "finetune", "measured", 0.866, 0.0144, 566_000, 74.0, ()),
    ("small", "distill", "measured", 0.859, 0.0009, 571_000, 6.1, ("tuned",)),
    ("together", "federate", "measured", 0.868, 0.0142, 549_000, 4.2, ("probe",)),
    ("large", "host", "assumed", 0.90, 0.42, 1_150_000, None, ()),
    ("frontier", "api", "published", 0.91, None, 505_000, None, ()),
    ("hybrid", "cascade", "measured", 0.869, 0.0151, 545_000, None, ("small", "tuned")),
)
_CLASSES = ("appointment", "billing", "cancel", "complaint", "directions", "prescription", "results", "urgent")
_N = 438
_MONTHS = 36

def sample_evidence(
    *, status: Literal["decided", "undecided"] = "undecided", public: bool = True, hostile: str = ""
) -> Evidence:
    """Evidence of an invented run of nine options.

    Args:
        status: how the decision ends.
        public: whether the worst errors come with their texts.
        hostile: added to every name and text that comes from outside, to test escaping.
    """
    candidates = tuple(_candidate(row, hostile) for row in _OPTIONS)
    worst = tuple(_worst(i, candidates) for i in range(4))
    texts = {w.example: f"hola, se me pasó el turno… can i come tomorrow? {hostile}" for w in worst}
    decision = _decision(candidates, status)
    return Evidence(
        name=f"front-desk{hostile}",
        command="sazon run front-desk.yaml --set seed=0",
        seed=0,
        versions={"sazon": "0.1.0", "Python": "3.11.9", "numpy": "2.4.6", "torch": "2.13.0"},
        made_at="2026-11-22T10:30:00",
        data=_data(public, hostile),
        findings=(
            Finding(level="warning", what="near duplicates across train and test", where="test", mend="Set data.remove_duplicates: true.", count=3),
            Finding(level="note", what=f"the base is English, half of the texts are Spanish {hostile}"),
        ),
        candidates=candidates,
        evaluation=_evaluation(candidates, worst, hostile),
        costs=_costs(candidates),
        decision=decision,
        verdict={
            "en": _VERDICT["en"][status].format(choice=candidates[2].name),
            "es": _VERDICT["es"][status].format(choice=candidates[2].name),
        },
        reasons=_SENTENCES["reasons"],
        flips=_SENTENCES["flips"],
        gates={language: tuple(_GATES[language][g.reason] for g in decision.gates) for language in ("en", "es")},
        quality=_draws(candidates),
        inputs_shown=texts if public else {},
        policy={"basis": "operator", "exits": "denied", "left": "none"},
        seconds={"data": 0.8, "adapt/probe": 11.2, "adapt/tuned": 74.0, "evaluate": 9.3, "economics": 1.1},
        recipe_digest="0f" * 32,
    )


_VERDICT = {
    "en": {
        "decided": "Run {choice} on your own machines: it is the best option in 94% of the simulated futures.",
        "undecided": "We cannot tell yet: {choice} leads with 58%, and about 340 more labelled cases should settle it.",
    },
    "es": {
        "decided": "Conviene {choice}, en sus propios equipos: es la mejor opción en el 94 % de los futuros simulados.",
        "undecided": "Aún no se puede saber: {choice} va primero con el 58 %, y unos 340 casos etiquetados más deberían bastar para decidir.",
    },
}


_SENTENCES = {
    "reasons": {
        "en": ("In the median future together costs €8,000 more than probe.", "Their accuracy cannot be told apart."),
        "es": ("En el futuro mediano, together cuesta 8.000 € más que probe.", "Su exactitud no se distingue."),
    },
    "flips": {
        "en": ("Above about 40,000 requests a day large becomes the front-runner.",),
        "es": ("Por encima de unas 40.000 consultas al día pasa delante large.",),
    },
}
_GATES = {
    "en": {"passes": "good enough", "leaves": "data would leave without consent", "low": "below 70%", "unknown": "its latency is not known"},
    "es": {"passes": "suficiente", "leaves": "los datos saldrían sin permiso", "low": "por debajo del 70 %", "unknown": "no se conoce su latencia"},
}


def _candidate(
    row: tuple[str, str, Kind, float, float | None, float, float | None, tuple[str, ...]], hostile: str
) -> Candidate:
    name, technique, kind, accuracy, _, _, seconds, parents = row
    placement: Placement = "cloud" if technique == "api" else "local"
    validation = {"accuracy": _share(accuracy + 0.01, 210)} if seconds is not None else {}
    facts: dict[str, str | float | int | bool | None] = {"C": 4.0} if technique == "transfer" else {}
    if technique == "federate":
        facts = {"rounds": 20, "updates_protected": False, "communicated_bytes": 2_150_000, "rows.centro": 410}
        sites = (("centro", 0.80), ("marina", 0.74), ("valle", 0.69))
        validation |= {"pooled_accuracy": _share(0.877, 210)}
        validation |= {"difference_to_pooled": Estimate(value=-0.009, low=-0.03, high=0.012, unit="share")}
        for site, value in sites:
            validation |= {f"alone_accuracy.{site}": _share(value, 210), f"own.{site}": _share(0.87, 70)}
            validation |= {f"pooled_own_accuracy.{site}": _share(0.875, 70), f"alone_own_accuracy.{site}": _share(value + 0.05, 70)}
    energy = Estimate(value=(seconds or 0) * 6e-6, low=(seconds or 0) * 3e-6, high=(seconds or 0) * 1e-5, unit="kWh", kind="assumed")
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
        certificate=_certificate() if technique == "cascade" else None,
        validation=validation,
        facts=facts,
        notes=(f"its quality is assumed, not measured {hostile}",) if kind == "assumed" else (),
    )


def _certificate() -> Certificate:
    return Certificate(
        statement="accuracy lost against always asking the larger model is at most 2 points, with confidence 90 %",
        algorithm="fixed-sequence testing",
        epsilon=0.02,
        delta=0.1,
        n=180,
        threshold=0.62,
        local_share=_share(0.71, 180),
        harm=_share(0.006, 180),
        labels_needed=None,
        models={"small": "ab" * 32, "tuned": "cd" * 32},
    )


def _share(value: float, n: int, kind: Kind = "measured") -> Estimate:
    value = min(max(value, 0.0), 1.0)
    half = 1.96 * float(np.sqrt(max(value * (1 - value), 0.004) / n))
    low, high = max(0.0, value - half), min(1.0, value + half)
    return Estimate(value=value, low=low, high=high, unit="share", method="Wilson score", n=n, kind=kind)


def _data(public: bool, hostile: str) -> DataSummary:
    rows = {"fit": 860, "validation": 210, "calibration": 180, "test": _N}

    def spread(weights: dict[str, float]) -> dict[str, dict[str, int]]:
        return {k: {s: round(n * w) for s, n in rows.items()} for k, w in weights.items()}

    return DataSummary(
        name=f"front_desk{hostile}",
        licence="Apache-2.0 (synthetic)",
        public=public,
        how_split="by customer, stratified by class; one customer never straddles two parts",
        rows=rows,
        parts={
            "language": spread({"en": 0.38, "es": 0.5, "mixed": 0.12}),
            "site": spread({"centro": 0.48, "marina": 0.34, "valle": 0.18}),
            "sensitivity": spread({"internal": 0.5, "personal": 0.3, "special": 0.2}),
            "class": spread({f"{c}{hostile}": 1 / len(_CLASSES) for c in _CLASSES}),
        },
        digests={s: "12" * 32 for s in rows},
    )


def _worst(i: int, candidates: tuple[Candidate, ...]) -> ErrorRow:
    answers = {c.name: _CLASSES[(i + (j % 3 > 0)) % len(_CLASSES)] for j, c in enumerate(candidates) if c.kind == "measured"}
    sure = {name: 0.97 - 0.03 * i for name in answers}
    sure[candidates[0].name] = float("nan")
    return ErrorRow(example=f"{i}7f3c9a1b2d4e5f60718293a4", target=_CLASSES[i], answers=answers, confidence=sure)


def _evaluation(candidates: tuple[Candidate, ...], worst: tuple[ErrorRow, ...], hostile: str) -> Evaluation:
    rows = dict(zip((c.name for c in candidates), _OPTIONS, strict=True))
    reference = candidates[1].name
    claims = {c.name: _difference(c, rows[c.name][3], reference) for c in candidates if c.name != reference}
    slices = [
        SliceRow(column=column, value=value, candidate=c.name, metric="accuracy", estimate=_share(rows[c.name][3] + shift, n))
        for c in candidates
        if c.kind == "measured"
        for column, value, shift, n in (
            ("language", "es", -0.03, 219), ("language", "en", 0.04, 166), ("language", "mixed", -0.06, 53),
            ("site", "centro", 0.01, 210), ("site", "marina", 0.0, 149), ("site", "valle", -0.04, 79),
        )
    ]  # fmt: skip
    return Evaluation(
        reference=reference,
        margin=0.02,
        n=_N,
        clusters=301,
        estimates={c.name: _metrics(c, rows[c.name][3], rows[c.name][4]) for c in candidates},
        differences=claims,
        claims=tuple(claims.values()),
        slices=tuple(slices),
        worst=worst,
        recall={
            c.name: {f"{label}{hostile}": _share(0.95 - 0.05 * i, 55) for i, label in enumerate(_CLASSES)}
            for c in candidates
            if c.kind == "measured"
        },
        notes=(f"3 test messages have no language {hostile}",),
    )


def _metrics(candidate: Candidate, accuracy: float, latency_s: float | None) -> dict[str, Estimate]:
    if candidate.kind != "measured":
        found = Estimate(value=accuracy, low=accuracy - 0.04, high=accuracy + 0.03, unit="share", kind=candidate.kind)
        told = Estimate.none("nothing was asked of it in this run", unit="s")
        if latency_s is not None:
            told = Estimate(value=latency_s, low=0.2, high=0.9, unit="s", kind="assumed")
        return {"accuracy": found, "latency_p95_s": told}
    error = Estimate.none("gives no confidence") if candidate.technique == "majority" else _share(0.03, _N)
    latency = latency_s or 0.0
    return {
        "accuracy": _share(accuracy, _N),
        "macro_f1": _share(accuracy - 0.015, _N),
        "calibration_error": error,
        "latency_p50_s": Estimate(value=0.7 * latency, unit="s"),
        "latency_p95_s": Estimate(value=latency, unit="s", n=100),
        "throughput_per_s": Estimate(value=1 / latency, unit="/s"),
    }


def _difference(candidate: Candidate, accuracy: float, reference: str) -> Claim:
    gap = accuracy - _OPTIONS[1][3]
    half = 0.028 if candidate.kind == "measured" else 0.06
    return Claim(
        hypothesis=f"{candidate.name} is not worse than {reference}",
        margin=0.02,
        test="paired bootstrap by group",
        n=_N,
        clusters=301,
        p_raw=0.0004 if abs(gap) > half else 0.21,
        p_corrected=0.0031 if abs(gap) > half else 0.63,
        estimate=Estimate(value=gap, low=gap - half, high=gap + half, unit="share", kind=candidate.kind),
        declared=True,
    )


def _draws(candidates: tuple[Candidate, ...]) -> QualityDraws:
    rng = np.random.default_rng(0)
    centre = np.array([row[3] for row in _OPTIONS])
    values = np.clip(centre + 0.015 * rng.standard_normal((200, len(candidates))), 0.01, 0.99)[:, :, None]
    return QualityDraws(
        values=values,
        candidates=tuple(c.name for c in candidates),
        metrics=("accuracy",),
        kinds={c.name: c.kind for c in candidates},
    )


def _costs(candidates: tuple[Candidate, ...]) -> Costs:
    rng = np.random.default_rng(0)
    middle = {c.name: row[5] for c, row in zip(candidates, _OPTIONS, strict=True)}
    share = np.arange(1, _MONTHS + 1) / _MONTHS
    summary = {}
    for name, total in middle.items():
        accuracy = {c.name: row[3] for c, row in zip(candidates, _OPTIONS, strict=True)}[name]
        per_request = Estimate(value=total / 5000, low=total / 9000, high=total / 2500, unit="EUR", level=0.8, kind="assumed")
        per_correct = Estimate(value=total / 5000 / accuracy, low=total / 9000 / accuracy, high=total / 2500 / accuracy, unit="EUR", level=0.8, kind="assumed")
        summary[name] = {
            "total": Estimate(value=total, low=0.3 * total, high=2.4 * total, unit="EUR", level=0.8, kind="assumed"),
            "per_1000_requests": per_request,
            "per_1000_correct": per_correct,
            "p_cheapest": Estimate(value=0.58 if name == candidates[2].name else 0.05, unit="share"),
        }
    return Costs(
        values=np.array(list(middle.values())) * np.exp(0.5 * rng.standard_normal((200, len(candidates)))),
        candidates=tuple(middle),
        currency="EUR",
        months=_MONTHS,
        prices_as_of="2026-11-01",
        summary=summary,
        timeline={
            name: tuple((float(0.3 * t * s + 900), float(t * s + 1500), float(2.4 * t * s**1.2 + 2600)) for s in share)
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
            {"name": "demand.requests_per_day", "value": 2200.0, "low": 500.0, "high": 5000.0, "unit": "1/day", "kind": "assumed", "source": "recipe", "date": None},
            {"name": "electricity_price_per_kwh", "value": 0.18, "low": 0.14, "high": 0.24, "unit": "EUR/kWh", "kind": "published", "source": "national statistics", "date": "2026-01-15"},
            {"name": "seconds_per_request.probe", "value": 0.014, "low": None, "high": None, "unit": "s", "kind": "measured", "source": "this run", "date": "2026-11-22"},
        ),
    )


def _decision(candidates: tuple[Candidate, ...], status: Literal["decided", "undecided"]) -> Decision:
    names = [c.name for c in candidates]
    best = 0.94 if status == "decided" else 0.58
    shares = {2: best, 5: 0.6 * (1 - best), 8: 0.25 * (1 - best), 4: 0.1 * (1 - best), 3: 0.05 * (1 - best), 1: 0.0, 6: 0.0}
    ranking = tuple((names[i], Estimate(value=p, unit="share", n=10_000)) for i, p in shares.items())
    gates = tuple(
        Verdict(gate=gate, candidate=c.name, passed=passed, reason=reason)
        for c in candidates
        for gate, passed, reason in (
            ("data_leaves", not c.providers, "leaves" if c.providers else "passes"),
            ("accuracy", c.technique != "majority", "low" if c.technique == "majority" else "passes"),
            ("latency", None if c.kind == "published" else True, "unknown" if c.kind == "published" else "passes"),
        )
    )
    flip = Reason(key="sample_flip", values={"requests_per_day": 40_000, "other": names[6]})
    decision = Decision(
        status=status,
        choice=names[2],
        confidence=ranking[0][1],
        ranking=ranking,
        gates=gates,
        reasons=(
            Reason(key="sample_best", values={"choice": names[2], "best_share": best, "total_money": 541_000.0}),
            Reason(key="sample_close", values={"runner": names[5], "gap_points": 0.003}),
        ),
        flips=(flip,),
        labels_needed=Estimate(value=340, low=210, high=610, unit="labels", kind="assumed"),
    )
    if status == "decided":
        return replace(decision, labels_needed=Estimate.none("already decided", unit="labels"))
    return decision
