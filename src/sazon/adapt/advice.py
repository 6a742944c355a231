"""Which technique fits the data at hand: the rules of docs/which-technique.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sazon.core.types import Finding, Phrase
from sazon.core.words import Value

FEW_PER_CLASS = 20
"""Up to this median, contrastive tuning and label names pay most."""
ENOUGH_PER_CLASS = 50
"""From this median on, fine-tuning has rows enough to beat a frozen base."""
FAST_S = 0.02
"""A latency below this asks for a student or an export on a CPU."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What the advice depends on."""

    task: Literal["classify", "generate"]
    techniques: frozenset[str]
    """Of the candidates there are."""
    median_per_class: float
    bases: int
    """Base models in the recipe."""
    unlabelled: int = 0
    """Texts without an answer."""
    latency_s: float | None = None
    """What `decide.require` asks of the 95th percentile."""


def advise(now: Situation) -> list[Finding]:
    """Candidates worth adding, each with its reason; nothing where the recipe has them already."""
    rules = _to_generate(now) if now.task == "generate" else _to_classify(now)
    return [
        Finding(level="note", says=_phrase(key, values), mends=_phrase(f"{key}_mend", {}), where="candidates")
        for key, values in rules
    ]


def _to_generate(now: Situation) -> Iterator[tuple[str, dict[str, Value]]]:
    if not now.techniques & {"finetune", "distill"}:
        yield "causal", {}


def _to_classify(now: Situation) -> Iterator[tuple[str, dict[str, Value]]]:
    rows: dict[str, Value] = {"rows": now.median_per_class}
    if "linear" not in now.techniques:
        yield "linear", {}
    if "transfer" not in now.techniques and now.bases:
        yield "transfer", {}
    few = now.median_per_class <= FEW_PER_CLASS
    if few and "contrastive" not in now.techniques:
        yield "contrastive", rows
    if now.median_per_class >= ENOUGH_PER_CLASS and now.bases and "finetune" not in now.techniques:
        yield "finetune", rows
    if now.unlabelled and not now.techniques & {"distill", "contrastive"}:
        yield "unlabelled", {"texts": now.unlabelled}
    quick = {"distill", "export", "linear"}
    if now.latency_s is not None and now.latency_s <= FAST_S and not now.techniques & quick:
        yield "latency", {"milliseconds": 1000 * now.latency_s}


def _phrase(key: str, values: dict[str, Value]) -> Phrase:
    return Phrase(package="sazon.adapt", key=f"advice.{key}", values=values)
