"""Risks to people that the facts show, by plain rules; how likely and how severe, a person says.

Each rule looks at facts alone, so that a risk stands in the paper exactly where its evidence does. What
no fact shows (a careless colleague, a stolen laptop) is for the person who completes the paper.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sazon.core.dataset import DataClass
from sazon.core.words import Phrase, Value
from sazon.policy.papers.facts import Facts
from sazon.policy.papers.measures import WORDS, MeasureKey, measures

RiskKey = Literal[
    "special",
    "third_country",
    "region_unknown",
    "no_pin",
    "detection_misses",
    "no_names",
    "sent_as_is",
    "former_recipient",
    "federated",
    "not_retrained",
    "no_basis",
    "no_recovery",
    "key_beside_data",
    "no_anchor",
    "clock_set_back",
]
_AGAINST: dict[RiskKey, tuple[MeasureKey, ...]] = {
    "special": ("default_deny", "consents", "detection", "pseudonyms", "tls", "log"),
    "third_country": ("default_deny", "consents", "pseudonyms", "tls"),
    "region_unknown": ("default_deny", "consents", "pseudonyms", "tls"),
    "no_pin": ("tls", "authorities", "client_certificates"),
    "detection_misses": ("default_deny", "consents", "detection", "tls"),
    "no_names": ("default_deny", "consents", "tls"),
    "sent_as_is": ("default_deny", "consents", "tls", "log"),
    "former_recipient": ("log", "pseudonyms"),
    "federated": ("default_deny", "consents"),
    "not_retrained": ("consents", "erasure"),
    "no_basis": (),
    "no_recovery": ("vault", "key_source"),
    "key_beside_data": ("vault", "key_source"),
    "no_anchor": ("log",),
    "clock_set_back": ("log",),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Risk:
    """One risk."""

    key: RiskKey
    says: Phrase
    """What could happen to people."""
    evidence: Phrase
    """The facts it rests on."""
    against: tuple[MeasureKey, ...]
    """Measures that are on and work against it."""


def risks(facts: Facts) -> tuple[Risk, ...]:
    """The risks that the facts show, in a fixed order."""
    on = {one.key for one in measures(facts)}
    return tuple(
        Risk(
            key=key,
            says=Phrase(package=WORDS, key=f"risk.{key}.says"),
            evidence=Phrase(package=WORDS, key=f"risk.{key}.evidence", values=values),
            against=tuple(one for one in _AGAINST[key] if one in on),
        )
        for key, values in (*_outside(facts), *_inside(facts))
    )


def _outside(facts: Facts) -> Iterator[tuple[RiskKey, dict[str, Value]]]:
    """What could happen to data that leave."""
    sent = facts.history.sent
    special = sum(one.by_class["special"] + one.by_class["unknown"] for one in sent.values())
    named = sum(one.classes.get(DataClass.SPECIAL, 0) for one in facts.consents)
    rows = 0 if facts.rows is None else sum(facts.rows.by_class.get(c, 0) for c in ("special", "unknown"))
    if special or named or rows:
        yield "special", {"sent": special, "consents": named, "rows": rows}

    def requests(names: list[str]) -> int:
        return sum(sent[name].requests for name in names if name in sent)

    def together(names: list[str]) -> dict[str, Value]:
        return {"names": ", ".join(names), "requests": requests(names)}

    if there := [one.name for one in facts.providers if one.place == "outside"]:
        yield "third_country", together(there)
    if unknown := [one.name for one in facts.providers if one.place in ("unclear", "undeclared")]:
        yield "region_unknown", together(unknown)
    believed = [one for one in facts.providers if one.encrypted and not (one.pinned or one.own_authorities)]
    if believed:
        yield "no_pin", together([one.name for one in believed])
    if facts.live:
        yield "detection_misses", {"detectors": ", ".join(facts.detectors)}
        if facts.detectors == ("patterns",):
            yield "no_names", {}
    as_is = sum(one.as_is for one in sent.values())
    if as_is:
        yield "sent_as_is", {"requests": as_is}
    if facts.former:
        yield "former_recipient", together(list(facts.former))
    if facts.federates:
        yield "federated", {"sites": len(facts.sites)}


def _inside(facts: Facts) -> Iterator[tuple[RiskKey, dict[str, Value]]]:
    """What could happen to data that stay, and to those who must account for them."""
    if facts.stale:
        yield "not_retrained", {"artifacts": "; ".join(facts.stale), "people": facts.stale_people}
    without = [
        one
        for one in ("adapt", "evaluate", "serve")
        if one not in facts.local_bases and one not in facts.opened
    ]
    if without:
        yield "no_basis", {"purposes": ", ".join(without)}
    if not facts.keys.recovery:
        yield "no_recovery", {"subjects": facts.keys.subjects}
    if facts.keys.source != "command":
        yield "key_beside_data", {"source_key": f"source.{facts.keys.source}"}
    if facts.log.anchored is None:
        yield "no_anchor", {"size": facts.log.size}
    if back := facts.history.events["clock"]:
        yield "clock_set_back", {"times": back}
