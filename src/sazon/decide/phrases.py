"""The decision in words, Spanish or English."""

from __future__ import annotations

import math

from sazon.core.types import Decision, Reason
from sazon.core.types import Verdict as GateVerdict
from sazon.core.words import Language, catalogue, number, say

PACKAGE = "sazon.decide"
PERCENT: dict[Language, str] = {"en": "%", "es": " %"}
Value = str | float | int | None


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
    currency = str(reason.values.get("currency", ""))
    written = {name: _value(name, value, currency, language) for name, value in reason.values.items()}
    if "gate_key" in written:
        written["gate"] = say(PACKAGE, language, written["gate_key"], name=written["name"])
    return written


def _value(name: str, value: Value, currency: str, language: Language) -> str:
    """A value written by what its name says it is."""
    if value is None or isinstance(value, str):
        return name_input(value or "", language) if name == "driver" else value or ""
    unit = name.rpartition("_")[2]
    if unit == "share":
        return _percent(value, language)
    if unit == "accuracy":
        return number(100 * value, language, digits=1) + PERCENT[language]
    if unit == "money":
        return f"{number(_rounded(value), language)} {currency}"
    if unit == "price":
        return f"{number(_rounded(value, 2), language, digits=_digits(value))} {currency}"
    if unit == "count":
        return number(_rounded(value, 2) if value >= 100 else math.ceil(value), language)
    if unit == "points":
        return number(value, language, digits=1)
    return number(value, language)


def _percent(share: float, language: Language) -> str:
    """A share in percent; never rounded to certainty."""
    percent = 100 * share
    if 99.5 <= percent < 100 or 0 < percent < 0.5:
        edge = ("> ", 99) if percent > 50 else ("< ", 1)
        return f"{edge[0]}{edge[1]}{PERCENT[language]}"
    return number(percent, language) + PERCENT[language]


def _rounded(value: float, figures: int = 3) -> float:
    if value == 0:
        return 0.0
    return round(value, figures - 1 - math.floor(math.log10(abs(value))))


def _digits(value: float) -> int:
    """Decimals that show two figures of a price."""
    return 0 if abs(value) >= 10 or value == 0 else 1 - math.floor(math.log10(abs(value)))
