"""An invented run's evidence, complete enough to draw a whole report from."""

from __future__ import annotations

from typing import Literal

from sazon.core.suspects import Suspect, Suspects
from sazon.core.types import Estimate, Finding, Phrase
from sazon.core.words import Value
from sazon.report.evidence import DataSummary, Evidence
from sazon.testing.evidence import money, quality
from sazon.testing.evidence.options import OPTIONS, N, candidate

__all__ = ["sample_evidence"]


def sample_evidence(
    *, status: Literal["decided", "undecided"] = "undecided", public: bool = True, hostile: str = ""
) -> Evidence:
    """Evidence of an invented run of nine options.

    Args:
        status: how the decision ends.
        public: whether the worst errors come with their texts.
        hostile: added to every name and text that comes from outside, to test escaping.
    """
    candidates = tuple(candidate(option, hostile) for option in OPTIONS)
    worst = tuple(quality.worst(i, candidates) for i in range(4))
    texts = {w.example: f"hola, se me pasó el turno… can i come tomorrow? {hostile}" for w in worst}
    decision = money.decision(candidates, status)
    return Evidence(
        name=f"front-desk{hostile}",
        command="sazon run front-desk.yaml --set seed=0",
        seed=0,
        versions={"sazon": "0.1.0", "Python": "3.11.9", "numpy": "2.4.6", "torch": "2.13.0"},
        made_at="2026-11-22T10:30:00",
        data=_data(public, hostile),
        findings=(
            Finding(
                level="warning",
                says=_of_data("saw.duplicates", exact=1, near=2, part_key="part.test", similarity_level=0.85),
                where="data.train",
                mends=_of_data("mend.drop_duplicates"),
                count=3,
            ),
            Finding(level="note", says=_of_data("saw.alike", names=f"'billing', 'Billing {hostile}'")),
        ),
        candidates=candidates,
        evaluation=quality.evaluation(candidates, worst, hostile),
        costs=money.costs(candidates),
        decision=decision,
        verdict={
            "en": _VERDICT["en"][status].format(choice=candidates[2].name),
            "es": _VERDICT["es"][status].format(choice=candidates[2].name),
        },
        reasons=_REASONS,
        flips=_FLIPS,
        gates={
            language: tuple(_GATES[language][g.reason] for g in decision.gates) for language in ("en", "es")
        },
        quality=quality.draws(candidates),
        inputs_shown=texts if public else {},
        policy={"basis": "operator", "exits": "denied", "left": "none"},
        seconds={"data": 0.8, "adapt/probe": 11.2, "adapt/tuned": 74.0, "evaluate": 9.3, "economics": 1.1},
        recipe_digest="0f" * 32,
        suspects=_suspects(worst[0].example, hostile),
    )


def _suspects(example: str, hostile: str) -> Suspects:
    """Two doubtful labels, the first with a text that may be shown."""
    given, likelier, ids = quality.CLASSES[0], quality.CLASSES[1] + hostile, (example, "5f" * 8)
    return Suspects(
        rows=851,
        left_out=9,
        suspects=tuple(
            Suspect(example=one, given=given, likelier=likelier, probability=0.8, margin=-0.7) for one in ids
        ),
        features=f"minilm{hostile} + TF-IDF",
        accuracy=Estimate(value=0.86, low=0.83, high=0.88, unit="share", n=851),
        expected=Estimate(value=14, low=6, high=23, unit="labels", n=851),
        copies=3,
        conflicting=(("a1" * 8, "b2" * 8),),
    )


def _of_data(key: str, **values: Value) -> Phrase:
    return Phrase(package="sazon.data", key=key, values=values)


_VERDICT = {
    "en": {
        "decided": "Run {choice} on your own machines: it is best in 94% of the simulated futures.",
        "undecided": "Cannot tell yet: {choice} leads with 58%; some 340 more labelled cases should do.",
    },
    "es": {
        "decided": "Conviene {choice}, en sus propios equipos: es la mejor en el 94 % de los futuros.",
        "undecided": "Aún no se puede saber: {choice} va primero con el 58 %; faltan unos 340 casos.",
    },
}


_REASONS: dict[str, tuple[str, ...]] = {
    "en": (
        "In the median future together costs €8,000 more than probe.",
        "Their accuracy cannot be told apart.",
    ),
    "es": ("En el futuro mediano, together cuesta 8.000 € más que probe.", "Su exactitud no se distingue."),
}
_FLIPS: dict[str, tuple[str, ...]] = {
    "en": ("Above about 40,000 requests a day large becomes the front-runner.",),
    "es": ("Por encima de unas 40.000 consultas al día pasa delante large.",),
}
_GATES = {
    "en": {
        "passes": "good enough",
        "leaves": "data would leave without consent",
        "low": "below 70%",
        "unknown": "its latency is not known",
    },
    "es": {
        "passes": "suficiente",
        "leaves": "los datos saldrían sin permiso",
        "low": "por debajo del 70 %",
        "unknown": "no se conoce su latencia",
    },
}


def _data(public: bool, hostile: str) -> DataSummary:
    rows = {"fit": 860, "validation": 210, "calibration": 180, "test": N}

    def spread(weights: dict[str, float]) -> dict[str, dict[str, int]]:
        return {k: {s: round(n * w) for s, n in rows.items()} for k, w in weights.items()}

    return DataSummary(
        name=f"front_desk{hostile}",
        licence="Apache-2.0 (synthetic)",
        public=public,
        how_split=(
            _of_data(
                "how.test_cut",
                rows=N,
                all_rows=1_688,
                manner_key="manner.groups_by_class",
                group=f"customer{hostile}",
            ),
            _of_data("how.fit", rows=rows["fit"]),
        ),
        rows=rows,
        parts={
            "language": spread({"en": 0.38, "es": 0.5, "mixed": 0.12}),
            "site": spread({"centro": 0.48, "marina": 0.34, "valle": 0.18}),
            "sensitivity": spread({"internal": 0.5, "personal": 0.3, "special": 0.2}),
            "class": spread({f"{c}{hostile}": 1 / len(quality.CLASSES) for c in quality.CLASSES}),
        },
        digests={s: "12" * 32 for s in rows},
    )
