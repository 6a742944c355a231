"""The decision in words, Spanish or English."""

from __future__ import annotations

from sazon.core.types import Decision, Reason
from sazon.core.types import Verdict as GateVerdict
from sazon.core.words import Language, catalogue, say, written

PACKAGE = "sazon.decide"


def verdict(decision: Decision, language: Language) -> str:
    """The decision in one sentence: what, how sure, how much, and what would change it.

    A decided one ends with the nearest flip, an undecided one with what would settle it.
    """
    settles = [r for r in decision.reasons if r.key in ("reason.labels", "reason.pin_down", "reason.tie")]
    changes = decision.flips if decision.status == "decided" else settles
    tails = [_tail(r, language) for r in changes]
    caveat = [
        r for r in decision.reasons if r.key == "reason.assumed" and r.values["name"] == decision.choice
    ]
    clauses = [_tail(r, language) for r in caveat] + [t for t in tails if t][:1]
    return phrase(decision.reasons[0], language) + "".join(clauses) + "."


def phrase(reason: Reason, language: Language) -> str:
    """One reason or flip as a sentence, its numbers written as readers of the language do."""
    return say(PACKAGE, language, reason.key, **_written(reason, language))


def phrase_gate(gate: GateVerdict, language: Language) -> str:
    """One gate's answer for one candidate, in words."""
    return say(PACKAGE, language, gate.reason, name=gate.candidate)


def name_input(name: str, language: Language) -> str:
    """An uncertain input by what people call it; its dotted name where there is no word for it."""
    words = catalogue(PACKAGE, language)
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        key = "driver." + "_".join(parts[:end])
        if key in words:
            return say(PACKAGE, language, key, rest=".".join(parts[end:]))
    return name


def _tail(reason: Reason, language: Language) -> str:
    """The clause that a reason or flip adds to the verdict; empty for those that stay out of it."""
    key = "tail." + reason.key.partition(".")[2]
    if key not in catalogue(PACKAGE, language):
        return ""
    return say(PACKAGE, language, key, **_written(reason, language))


def _written(reason: Reason, language: Language) -> dict[str, str]:
    """Its values as text, an uncertain input by what people call it."""
    values = dict(reason.values)
    if isinstance(driver := values.get("driver"), str):
        values["driver"] = name_input(driver, language)
    return written(PACKAGE, language, values)
