"""Evidence becomes a document: the first screen, then one chapter per room of the house."""

from __future__ import annotations

from sazon.core.words import Language
from sazon.report import summary
from sazon.report.chapters import adapt, data, decide, economics, evaluate, federate, policy, reproduce
from sazon.report.document import Document
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice

_ROOMS = (data, adapt, federate, evaluate, economics, decide, policy, reproduce)


def compose(evidence: Evidence, voice: Voice, *, other: Language, other_file: str) -> Document:
    """The whole report in the voice's language."""
    decision = evidence.decision
    return Document(
        language=voice.language,
        title=voice("page.title", task=evidence.name),
        eyebrow=voice("page.eyebrow", task=evidence.name, day=voice.day(evidence.made_at)),
        status=decision.status,
        status_words=voice(f"first.{decision.status}"),
        verdict=evidence.verdict[voice.language],
        figures=summary.figures(evidence, voice),
        summary=summary.blocks(evidence, voice),
        chapters=tuple(room.chapter(evidence, voice) for room in _ROOMS),
        foot=voice("page.foot", day=voice.day(evidence.made_at)),
        other_language=voice(f"language_own.{other}"),
        other_file=other_file,
    )
