"""Chapter `adapt`: what each technique did, what it took, and whether tuning paid."""

from __future__ import annotations

from collections.abc import Sequence

from sazon.core.types import Candidate, Estimate
from sazon.report import cells
from sazon.report.document import Block, Bullets, Cell, Chapter, Heading, Note, Paragraph, Table
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice

TRAINED = ("majority", "linear", "transfer", "contrastive", "finetune", "distill", "export")
_TUNED, _FROZEN = ("finetune", "contrastive"), "transfer"
BESIDE_TEACHER = ("kept_of_teacher", "speed_up")
"""Metrics of students alone, which have a table of their own."""
_MACHINE = ("options", "protected", "algorithm")


def chapter(evidence: Evidence, voice: Voice) -> Chapter:
    """Made here, with what effort; tuning against the frozen probe."""
    made = [c for c in evidence.candidates if c.training is not None or c.technique in TRAINED]
    made = [c for c in made if c.technique != "federate"]
    blocks: list[Block] = []
    if made:
        blocks.append(effort(made, voice, caption=voice("adapt.effort")))
        blocks += _tuning(evidence, voice)
        blocks += _students(made, evidence, voice)
        blocks += told(made, voice)
    else:
        blocks.append(Paragraph(text=voice("adapt.nothing"), quiet=True))
    return Chapter(
        name="adapt", title=voice("adapt.title"), question=voice("adapt.question"), blocks=tuple(blocks)
    )


def effort(made: Sequence[Candidate], voice: Voice, *, caption: str) -> Table:
    """What making each candidate took, and its quality on validation."""
    return Table(
        caption=caption,
        head=tuple(
            voice(f"adapt.{c}") for c in ("candidate", "from", "time", "rows", "energy", "validation")
        ),
        rows=tuple(_effort(c, voice) for c in made),
        stack=True,
    )


def _effort(candidate: Candidate, voice: Voice) -> tuple[Cell, ...]:
    spent = candidate.training
    source = candidate.base or ", ".join(candidate.parents)
    nothing = voice.missing(voice("adapt.no_training"))
    return (
        cells.named(candidate, voice),
        Cell(text=_short(source)) if source else Cell(text=voice("adapt.scratch"), tone="muted"),
        Cell(text=voice.seconds(spent.seconds), note=spent.device) if spent else nothing,
        Cell(text=voice.number(spent.rows)) if spent else nothing,
        voice.estimate(spent.energy_kwh) if spent else nothing,
        voice.estimate(validation(candidate)),
    )


def _short(source: str) -> str:
    """A base as name@revision, the revision cut to what people compare."""
    name, at, revision = source.partition("@")
    return f"{name}{at}{revision[:12]}"


def validation(candidate: Candidate) -> Estimate | None:
    """Accuracy on validation, or the first metric there is."""
    found = candidate.validation
    return found.get("accuracy") or next(iter(found.values()), None)


def _tuning(evidence: Evidence, voice: Voice) -> list[Block]:
    """Says of every tuned candidate whether it beats the best frozen probe on validation."""
    valued: list[tuple[float, Candidate]] = []
    for candidate in evidence.candidates:
        estimate = validation(candidate)
        if estimate is not None and estimate.value is not None:
            valued.append((estimate.value, candidate))
    all_tuned = [pair for pair in valued if pair[1].technique in _TUNED]
    all_frozen = [pair for pair in valued if pair[1].technique == _FROZEN]
    if not all_tuned or not all_frozen:
        return []
    frozen_value, frozen = max(all_frozen, key=lambda pair: pair[0])
    blocks: list[Block] = [Heading(text=voice("adapt.tuning_title"))]
    for value, tuned in all_tuned:
        key = "tie" if value == frozen_value else "wins" if value > frozen_value else "loses"
        words = {
            "tuned": tuned.name,
            "frozen": frozen.name,
            "tuned_accuracy": voice.share(value),
            "frozen_accuracy": voice.share(frozen_value),
            "gap": voice.points(abs(value - frozen_value)),
        }
        told_test = _on_test(evidence, tuned.name, frozen.name, voice)
        sentence = f"{voice(f'adapt.tuning_{key}', **words)} {told_test}".strip()
        blocks.append(Note(text=sentence, tone="good" if key == "wins" else "warn"))
    return blocks


def _on_test(evidence: Evidence, tuned: str, frozen: str, voice: Voice) -> str:
    estimates = evidence.evaluation.estimates
    pair = [estimates.get(name, {}).get("accuracy") for name in (tuned, frozen)]
    if any(e is None or e.value is None for e in pair):
        return ""
    written = [voice.estimate(e, badge=False) for e in pair]
    first, second = (f"{c.text} ({c.interval})" if c.interval else c.text for c in written)
    return voice("adapt.tuning_test", tuned_accuracy=first, frozen_accuracy=second)


def _students(made: Sequence[Candidate], evidence: Evidence, voice: Voice) -> list[Block]:
    """What every student keeps of its teacher's quality, and how much faster it answers."""
    estimates = evidence.evaluation.estimates
    taught = [c for c in made if BESIDE_TEACHER[0] in estimates.get(c.name, {})]
    if not taught:
        return []
    table = Table(
        caption=voice("adapt.students"),
        head=(
            voice("adapt.candidate"),
            voice("adapt.teacher"),
            *(voice.term("metric", m) for m in BESIDE_TEACHER),
        ),
        rows=tuple(
            (
                cells.named(c, voice),
                Cell(text=", ".join(c.parents)),
                *(voice.estimate(estimates[c.name].get(m)) for m in BESIDE_TEACHER),
            )
            for c in taught
        ),
        foot=voice("adapt.students_foot"),
    )
    return [table]


def told(made: Sequence[Candidate], voice: Voice) -> list[Block]:
    """Warnings, and what each technique wants said of its candidates."""
    blocks: list[Block] = []
    notes = tuple(f"{c.name}: {voice.phrase(note)}" for c in made for note in c.notes)
    if notes:
        blocks += [Heading(text=voice("adapt.notes")), Bullets(items=notes)]
    rows = tuple((Cell(text=c.name), Cell(text=said)) for c in made if (said := _said(c, voice)))
    if rows:
        head = (voice("adapt.candidate"), voice("adapt.fact"))
        blocks.append(Table(caption=voice("adapt.facts"), head=head, rows=rows))
    return blocks


def _said(candidate: Candidate, voice: Voice) -> str:
    """All facts of a candidate in one line, without what the tables hold or only machines read."""
    shown = {
        key: value
        for key, value in candidate.facts.items()
        if value is not None and "validation" not in key and key not in _MACHINE
    }
    return " · ".join(f"{_fact_name(key, voice)} {fact(value, voice)}" for key, value in shown.items())


def _fact_name(key: str, voice: Voice) -> str:
    """`rows.centro` is the word for `rows` and the site."""
    head, _, rest = key.partition(".")
    return f"{voice.term('fact', head)} {rest}".rstrip()


def fact(value: str | float | int | bool, voice: Voice) -> str:
    """One fact's value as readers of the language write it."""
    if isinstance(value, bool):
        return voice("yes" if value else "no")
    return voice.told(value) if isinstance(value, str) else voice.plain(value)
