"""The model card that goes with an artifact: what it is, what it learnt from, how good, at what cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sazon.core.types import Candidate, Estimate
from sazon.core.words import Language
from sazon.report.voice import Voice

METRICS = ("accuracy", "macro_f1", "calibration_error", "latency_p50_s", "throughput_per_s")
"""Test metrics a card shows, where they were measured."""


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card says beside the candidate itself."""

    task: str
    """Name of the recipe."""
    classes: tuple[str, ...]
    """Labels it answers with; empty for free text."""
    base_source: str
    """Where the base came from; empty where there is none."""
    data_digest: str
    """Digest of the fit rows."""
    data_licence: str
    test: Mapping[str, Estimate]
    """Metrics on the test set; empty where it was not answered yet."""
    load: str
    """Lines of Python that load the artifact and answer."""


def card(candidate: Candidate, facts: CardFacts, language: Language) -> str:
    """The card as Markdown.

    Args:
        candidate: the artifact's candidate.
        facts: the rest.
        language: `es` or `en`.
    """
    voice = Voice(language=language, currency="EUR")
    missing = voice("card.unknown")
    spent = candidate.training
    rows = [
        (voice("card.technique"), voice.term("technique", candidate.technique)),
        (voice("card.base"), f"{candidate.base} ({facts.base_source})" if candidate.base else missing),
        (voice("card.parents"), ", ".join(candidate.parents) or "–"),
        (voice("card.digest"), f"`{candidate.artifact.digest}`" if candidate.artifact else missing),
        (voice("card.data"), f"`{facts.data_digest}`"),
        (voice("card.rows"), voice.number(spent.rows) if spent else missing),
        (voice("card.licence"), facts.data_licence or missing),
        (voice("card.time"), f"{voice.seconds(spent.seconds)} ({spent.device})" if spent else missing),
        (
            voice("card.energy"),
            voice("card.energy_method", energy=_written(spent.energy_kwh, voice)) if spent else missing,
        ),
        (voice("card.classes"), ", ".join(f"`{c}`" for c in facts.classes) or voice("card.free_text")),
    ]
    quality = [
        (voice("card.validation"), metric, estimate) for metric, estimate in candidate.validation.items()
    ]
    quality += [
        (voice("card.test"), metric, facts.test[metric]) for metric in METRICS if metric in facts.test
    ]
    measured = [
        f"| {' | '.join((where, voice.term('metric', metric), _written(e, voice), _rows(e, voice)))} |"
        for where, metric, e in quality
    ]
    parts = [
        f"# {facts.task} · {candidate.name}",
        voice("card.made"),
        "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]),
        f"## {voice('card.quality')}",
        "\n".join(
            [f"| {voice('card.split')} | {voice('card.metric')} | | n |", "|---|---|---|---|", *measured]
        )
        if measured
        else missing,
        f"## {voice('card.use')}",
        voice("card.intended", task=facts.task),
        voice("card.limits"),
        *(f"- {voice.phrase(note)}" for note in candidate.notes),
        f"## {voice('card.load')}",
        f"```python\n{facts.load}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _written(estimate: Estimate, voice: Voice) -> str:
    """Value and interval; the reason where there is no value."""
    cell = voice.estimate(estimate, badge=False)
    return f"{cell.text} ({cell.interval})" if cell.interval else cell.text


def _rows(estimate: Estimate, voice: Voice) -> str:
    return "–" if estimate.n is None else voice.number(estimate.n)
