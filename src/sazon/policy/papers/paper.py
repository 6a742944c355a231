"""The two papers as sections of statements, tables and gaps; language and format come afterwards.

A gap is what no program can know. It stands where its answer belongs, marked, for a person to fill in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from sazon.core.dataset import DataClass
from sazon.core.words import Phrase, Value, catalogue
from sazon.policy.config import LocalPurpose
from sazon.policy.consent import INSIDE
from sazon.policy.papers.facts import STATES, Facts
from sazon.policy.papers.measures import WORDS, measures
from sazon.policy.papers.risks import Risk, risks

Kind = Literal["ropa", "dpia"]
CLASSES = (*map(str, DataClass), "unknown")
"""Classes of data as log and rows have them."""
Cell = Phrase | str | int | tuple[Phrase, ...]
"""Text that comes from outside (a name) is a plain string; several phrases are a list."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """Something the facts show."""

    says: Phrase


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Something a person must fill in."""

    asks: Phrase


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Facts in columns; without rows there are none of the kind."""

    columns: tuple[str, ...]
    """Keys of the headings, under `column`."""
    rows: tuple[tuple[Cell, ...], ...]


Block = Statement | Gap | Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of a paper."""

    key: str
    """Key of its heading, under `section`."""
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Paper:
    """A draft of a record of processing activities or of an impact assessment."""

    kind: Kind
    facts: Facts
    sections: tuple[Section, ...]

    @property
    def gaps(self) -> tuple[Phrase, ...]:
        """What is left to a person, each once, in order."""
        found = [b.asks for s in self.sections for b in s.blocks if isinstance(b, Gap)]
        return tuple(p for i, p in enumerate(found) if p not in found[:i])


def ropa(facts: Facts) -> Paper:
    """The record of processing activities (GDPR article 30(1), letters a to g)."""
    return Paper(
        kind="ropa",
        facts=facts,
        sections=(
            *_processing(facts),
            _measures(facts),
            _consents(facts),
            _untold(facts),
        ),
    )


def dpia(facts: Facts) -> Paper:
    """The data protection impact assessment (GDPR article 35(7), letters a to d, 35(2) and 35(9))."""
    return Paper(
        kind="dpia",
        facts=facts,
        sections=(
            *_processing(facts),
            _necessity(facts),
            _consents(facts),
            _risks(risks(facts)),
            _measures(facts),
            _history(facts),
            Section(key="opinions", blocks=_gaps("dpo_advice", "views", "prior_consultation")),
            _untold(facts),
        ),
    )


def _processing(facts: Facts) -> tuple[Section, ...]:
    """What both papers say first: who does what with whose data, where it goes and how long it stays."""
    return (
        _controller(facts),
        _purposes(facts),
        _people_and_data(facts),
        _recipients(facts),
        _transfers(facts),
        _retention(facts),
    )


def phrase(key: str, **values: Value) -> Phrase:
    """A phrase of the papers."""
    return Phrase(package=WORDS, key=key, values=values)


def date(at: float) -> str:
    """A day in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def day(time: str) -> str:
    """The day of a time of the log; a dash where there was none."""
    return time[:10] or "–"


def recipient(name: str) -> Cell:
    """A recipient's name, or that it is the organisation itself."""
    return phrase("inside") if name == INSIDE else name


def reason(provider: str, purposes: str, code: str) -> Cell:
    """A refusal in words; the code where a later version wrote one without words here."""
    key = f"ruling.{code}"
    if key not in catalogue("sazon.policy", "en"):
        return code
    return Phrase(package="sazon.policy", key=key, values={"purpose": purposes, "provider": provider})


# ------------------------------------------------------------------------------ sections


def _gaps(*keys: str) -> tuple[Gap, ...]:
    return tuple(Gap(asks=phrase(f"gap.{key}")) for key in keys)


def _tells(key: str, **values: Value) -> Statement:
    return Statement(says=phrase(key, **values))


def _controller(facts: Facts) -> Section:
    told = _tells("controller", name=facts.controller, task=facts.task)
    return Section(key="controller", blocks=(told, *_gaps("contact", "dpo", "joint")))


def _purposes(facts: Facts) -> Section:
    rows: list[tuple[Cell, ...]] = [
        (
            phrase(f"local.{purpose}"),
            phrase(f"basis.{facts.local_bases[purpose]}")
            if purpose in facts.local_bases
            else phrase("basis_missing"),
            phrase("inside"),
        )
        for purpose in get_args(LocalPurpose)
        if purpose not in facts.opened
    ]
    for purpose in facts.asked:
        counted = [one for one in facts.consents if one.purpose == purpose]
        for one in counted:
            rows.append(
                (phrase(f"purpose.{purpose}"), phrase(f"basis.{one.basis}"), recipient(one.recipient))
            )
        if not counted:
            rows.append((phrase(f"purpose.{purpose}"), phrase("basis_nobody"), phrase("nobody")))
    bases = {*facts.local_bases.values(), *(one.basis for one in facts.consents)}
    gaps = ["purposes", *(["balancing"] if "legitimate_interests" in bases else [])]
    table = Table(columns=("purpose", "basis", "recipient"), rows=tuple(rows))
    return Section(key="purposes", blocks=(table, *_gaps(*gaps)))


def _people_and_data(facts: Facts) -> Section:
    blocks: list[Block] = list(_gaps("categories_of_people", "categories_of_data"))
    if facts.rows is not None:
        told = _tells("rows", rows=facts.rows.total, people=facts.rows.people, nobody=facts.rows.nobody)
        blocks.append(told)
    classes = {
        *(facts.rows.by_class if facts.rows is not None else ()),
        *(c for sent in facts.history.sent.values() for c in sent.by_class),
        *(c for one in facts.consents for c in one.classes),
    }
    rows = tuple(
        (
            phrase(f"class.{name}"),
            phrase("unread") if facts.rows is None else facts.rows.by_class.get(name, 0),
            sum(n for one in facts.consents for c, n in one.classes.items() if c == name),
            sum(sent.by_class[name] for sent in facts.history.sent.values()),
        )
        for name in CLASSES
        if name in classes
    )
    blocks.append(Table(columns=("class", "rows", "standing", "sent"), rows=rows))
    special = {"special", "unknown"} & classes
    return Section(key="people_and_data", blocks=(*blocks, *_gaps(*(["article_9"] if special else []))))


def _recipients(facts: Facts) -> Section:
    rows: list[tuple[Cell, ...]] = [
        (
            one.name,
            one.host,
            one.region or phrase("place.undeclared"),
            phrase("yes" if one.pinned else "no"),
            *_sent(facts, one.name),
        )
        for one in facts.providers
    ]
    rows += [
        (name, phrase("former"), phrase("former"), phrase("former"), *_sent(facts, name))
        for name in facts.former
    ]
    rows += [
        (site, phrase("site"), phrase("site"), phrase("site"), phrase("unlogged"), "–", "–")
        for site in facts.sites
    ]
    columns = ("recipient", "host", "region", "pinned", "sent", "classes", "dates")
    gaps = _gaps("processors") if rows else ()
    return Section(key="recipients", blocks=(Table(columns=columns, rows=tuple(rows)), *gaps))


def _sent(facts: Facts, name: str) -> tuple[Cell, ...]:
    """How much was sent to a recipient, of what, from when to when."""
    sent = facts.history.sent.get(name)
    if sent is None or not sent.requests:
        return phrase("none"), "–", "–"
    classes = tuple(
        phrase("class_times", class_key=f"class.{name}", times=sent.by_class[name])
        for name in CLASSES
        if sent.by_class[name]
    )
    about = phrase(
        "sent_more_people" if sent.more_people else "sent_people",
        requests=sent.requests,
        people=len(sent.people),
        stayed=sent.never_left,
    )
    return about, classes, f"{day(sent.first)} – {day(sent.last)}"


def _transfers(facts: Facts) -> Section:
    rows = tuple(
        (one.name, one.region or "–", phrase(f"place.{one.place}"), *_sent(facts, one.name)[:1])
        for one in facts.providers
        if one.place not in ("house", "inside")
    )
    table = Table(columns=("recipient", "region", "place", "sent"), rows=rows)
    return Section(key="transfers", blocks=(table, *(_gaps("transfer_instrument") if rows else ())))


def _retention(facts: Facts) -> Section:
    rows = tuple(
        (
            phrase(f"purpose.{one.purpose}"),
            recipient(one.recipient),
            date(one.expires[0]),
            date(one.expires[1]),
        )
        for one in facts.consents
        if one.expires is not None
    )
    blocks: tuple[Block, ...] = (
        _tells("retention_consents"),
        Table(columns=("purpose", "recipient", "first_end", "last_end"), rows=rows),
        _tells("retention_vault", records=facts.keys.records),
        _tells("retention_log", size=facts.log.size),
    )
    away = [one for one in facts.providers if one.place != "house"]
    return Section(
        key="retention", blocks=(*blocks, *_gaps("retention", *(["retention_away"] if away else [])))
    )


def _measures(facts: Facts) -> Section:
    rows = tuple(
        (phrase(f"measure_name.{one.key}"), phrase(f"kind.{one.kind}"), one.says) for one in measures(facts)
    )
    blocked = (
        (_tells("detectors_fail", detectors=", ".join(facts.detectors)),) if facts.detectors_fail else ()
    )
    table = Table(columns=("measure", "kind", "evidence"), rows=rows)
    return Section(key="measures", blocks=(table, *blocked, *_gaps("organisational")))


def _consents(facts: Facts) -> Section:
    rows = tuple(
        (
            phrase(f"purpose.{one.purpose}"),
            recipient(one.recipient),
            one.people,
            one.given,
            *(one.states.get(state, 0) for state in STATES),
        )
        for one in facts.consents
    )
    columns = ("purpose", "recipient", "people", "given", *STATES)
    erased = _tells("erased", times=facts.history.events["erased"], people=len(facts.history.erased))
    return Section(key="consents", blocks=(Table(columns=columns, rows=rows), erased, *_gaps("rights")))


def _necessity(facts: Facts) -> Section:
    opened = ", ".join(facts.opened) or "–"
    told = _tells("necessity", opened=opened, live_key=f"class.{facts.live_class}")
    return Section(
        key="necessity", blocks=(told, *_gaps("necessity", "proportionality", "information", "scale"))
    )


def _risks(found: Sequence[Risk]) -> Section:
    rows = tuple(
        (
            one.says,
            one.evidence,
            tuple(phrase(f"measure_name.{key}") for key in one.against) or phrase("none"),
            phrase("gap_short"),
            phrase("gap_short"),
        )
        for one in found
    )
    columns = ("risk", "evidence", "against", "likelihood", "severity")
    return Section(
        key="risks", blocks=(Table(columns=columns, rows=rows), *_gaps("levels", "other_risks", "residual"))
    )


def _history(facts: Facts) -> Section:
    history = facts.history
    rows = tuple(
        (recipient(provider), purposes or "–", reason(provider, purposes, code), times)
        for (provider, purposes, code), times in sorted(history.refused.items())
    )
    kinds = [(kind, n) for sent in history.sent.values() for kind, n in sent.found.items()]
    found = tuple((kind, sum(n for k, n in kinds if k == kind)) for kind in sorted({k for k, _ in kinds}))
    verified = "verified_anchored" if facts.log.anchored is not None else "verified"
    return Section(
        key="history",
        blocks=(
            _tells(
                "history",
                entries=history.entries,
                since=day(history.first),
                allowed=history.allowed,
                refused=sum(history.refused.values()),
            ),
            _tells(
                verified, size=facts.log.size, anchored=facts.log.anchored, time=facts.log.checkpoint or "–"
            ),
            Table(columns=("recipient", "purposes", "reason", "times"), rows=rows),
            Table(columns=("found", "times"), rows=found),
        ),
    )


def _untold(facts: Facts) -> Section:
    keys = ["elsewhere", "caps"]
    keys += ["no_data"] if not facts.has_data else ["rows"] if facts.rows is None else []
    keys += ["federated"] if facts.federates else []
    keys += ["stale"] if facts.stale else []
    keys += ["people"] if any(sent.more_people for sent in facts.history.sent.values()) else []
    return Section(key="untold", blocks=tuple(_tells(f"untold.{key}") for key in keys))
