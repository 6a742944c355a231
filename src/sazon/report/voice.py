"""How the report speaks: words, numbers, money and estimates in one language."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from sazon.core.types import Costs, Estimate, Kind
from sazon.core.words import Language, Phrase, catalogue, number, say
from sazon.report.document import Cell

DASH = "–"
MINUS = "−"
NARROW = "\N{NARROW NO-BREAK SPACE}"
_SIGNS = {"EUR": "€", "USD": "US$", "GBP": "£"}

_NOT_WORD = re.compile(r"[^a-z0-9]+")
_MONTH_ONLY = re.compile(r"(\d{4})-(\d{2})")
_NUMBER = re.compile(r"[\d,]*\d(\.\d+)?")
_PATTERNS = (
    (re.compile(r"cluster bootstrap-t; only (?P<clusters>\d+) clusters"), "pattern.bootstrap_t"),
    (
        re.compile(
            r"(?P<callers>\d+) asking one by one, answered one at a time, on this machine, timed once"
        ),
        "pattern.at_once",
    ),
    (
        re.compile(r"in (?P<share>\d+) % of worlds no demand makes it cost the same as (?P<other>.+)"),
        "pattern.no_break_even",
    ),
    (re.compile(r"a polynomial explains only (?P<share>\d+) % of the variance"), "pattern.poor_fit"),
    (re.compile(r"error of the capacity model, serving stack (?P<stack>.+)"), "pattern.capacity_error"),
    (re.compile(r"more than (?P<n>[\d,]+) further labels"), "pattern.many_labels"),
    (re.compile(r"accuracy\((?P<one>.+)\) = accuracy\((?P<other>[^)]+)\)"), "pattern.equal"),
    (re.compile(r"accuracy\((?P<one>.+)\) ≤ accuracy\((?P<other>.+)\) − (?P<margin>.+)"), "pattern.worse"),
    (re.compile(r"accuracy\((?P<one>.+)\) ≤ accuracy\((?P<other>[^−]+)\)"), "pattern.not_better"),
    (
        re.compile(r"accuracy\((?P<one>.+)\) = accuracy\((?P<other>.+)\) where (?P<part>.+)"),
        "pattern.equal_where",
    ),
    (re.compile(r"Wilson score, design effect (?P<effect>[\d.]+) \(CR1\), t"), "pattern.wilson_clustered"),
    (
        re.compile(
            r"Wilson score, design effect (?P<effect>[\d.]+) \(CR1\), t; only (?P<clusters>\d+) clusters"
        ),
        "pattern.wilson_few_clusters",
    ),
)
"""Sentences of other rooms that hold a number or a name."""


@dataclass(frozen=True, kw_only=True)
class Voice:
    """One language with its words and its way of writing numbers."""

    language: Language
    currency: str

    # ------------------------------------------------------------------ words

    def __call__(self, key: str, /, **values: object) -> str:
        """A phrase of the report."""
        return say("sazon.report", self.language, key, **values)

    def phrase(self, phrase: Phrase) -> str:
        """What another room tells, in its own words."""
        return phrase.words(self.language)

    def term(self, group: str, name: str) -> str:
        """The word for a name somebody else chose; the name itself, made readable, where unknown."""
        known = catalogue("sazon.report", self.language).get(f"{group}.{name}")
        return known if known is not None else name.replace("_", " ")

    def driver(self, name: str) -> str:
        """An economic input by what people call it: the longest known beginning of its dotted name."""
        words = catalogue("sazon.report", self.language)
        head, colon, source = name.partition(": ")  # a source or a model's name may have dots of its own
        parts = head.split(".")
        for end in range(len(parts), 0, -1):
            known = words.get("driver." + "_".join(parts[:end]))
            if known is not None:
                rest = self._rest(parts[0], parts[end:]) + colon + source
                return f"{known} ({rest})" if rest else known
        return name.replace("_", " ")

    def _rest(self, first: str, parts: Sequence[str]) -> str:
        """What follows: of staff hours and prices in words; candidates keep their names, dots and all."""
        if first not in ("staff_hours", "price"):
            return ".".join(parts)
        words = catalogue("sazon.report", self.language)
        return ", ".join(words.get(f"driver_part.{part}", part) for part in parts)

    def told(self, sentence: str) -> str:
        """Another room's fixed sentence in the reader's language; as it is where it is not known."""
        slug = _NOT_WORD.sub("_", sentence.lower()).strip("_")
        known = catalogue("sazon.report", self.language).get(f"said.{slug}")
        if known is not None:
            return known
        for pattern, key in _PATTERNS:
            if (match := pattern.fullmatch(sentence)) is not None:
                return self(key, **{name: self._as_written(v) for name, v in match.groupdict().items()})
        return sentence

    def _as_written(self, text: str) -> str:
        """A number found in a sentence as readers of the language write it; other text as it is."""
        if _NUMBER.fullmatch(text) is None:
            return text
        return self.number(float(text.replace(",", "")), digits=len(text.partition(".")[2]))

    def unit(self, unit: str) -> str:
        """A unit in words; `EUR/hour` keeps its currency."""
        words = catalogue("sazon.report", self.language)
        head, slash, rest = unit.partition("/")
        if slash and head in (self.currency, *_SIGNS):
            return f"{head}/{words.get(f'unit.{rest}', rest)}"
        return words.get(f"unit.{unit}", unit)

    # ---------------------------------------------------------------- numbers

    def number(self, value: float, *, digits: int = 0) -> str:
        """A number with a true minus sign."""
        written = number(value, self.language, digits=digits)
        if not any(c in "123456789" for c in written):
            written = written.lstrip("-")
        return written.replace("-", MINUS)

    def plain(self, value: float) -> str:
        """A number with as many digits as it deserves (three significant ones)."""
        if value == 0 or float(value).is_integer():
            return self.number(value)
        digits = max(0, 2 - math.floor(math.log10(abs(value))))
        return self.number(value, digits=min(digits, 6))

    def signed(self, value: float, *, digits: int = 1) -> str:
        """A number that always shows its sign."""
        written = self.number(value, digits=digits)
        return written if written.startswith(MINUS) or value <= 0 else f"+{written}"

    def percent(self, digits: str) -> str:
        """The percent sign after digits: `87.3%`, `87,3 %`."""
        return f"{digits}{NARROW}%" if self.language == "es" else f"{digits}%"

    def share(self, value: float, *, digits: int = 1) -> str:
        """A share as percent."""
        return self.percent(self.number(100 * value, digits=digits))

    def points(self, value: float) -> str:
        """A share as percentage points."""
        return f"{self.number(100 * value, digits=1)}{NARROW}{self('unit.points')}"

    def seconds(self, value: float) -> str:
        """A duration in the unit that reads best."""
        if value < 0.00005:
            return f"<{self.number(0.1, digits=1)}{NARROW}ms"
        if value < 0.0995:
            return f"{self.number(1000 * value, digits=1)}{NARROW}ms"
        if value < 0.9995:
            return f"{self.number(1000 * value)}{NARROW}ms"
        if value < 120:
            return f"{self.number(value, digits=1)}{NARROW}s"
        return f"{self.number(value / 60, digits=1)}{NARROW}min"

    def amount(self, value: float, *, like: float | None = None) -> str:
        """Digits of an amount of money: three significant ones, never more than four decimals.

        Args:
            value: the amount.
            like: write with as many decimals as this amount needs (a bound like its value).
        """
        size = abs(value)
        if size >= 1000:
            step = 10 ** (math.floor(math.log10(size)) - 2)
            return self.number(round(value / step) * step)
        needed = abs(like if like is not None else value)
        digits = 0 if needed >= 100 else 1 if needed >= 10 else 2 if needed >= 0.1 or needed == 0 else 4
        return self.number(value, digits=digits)

    def money(self, value: float, *, like: float | None = None) -> str:
        """An amount with its currency."""
        sign = _SIGNS.get(self.currency, self.currency)
        gap = NARROW if len(sign) > 1 else ""
        if self.language == "es":
            return f"{self.amount(value, like=like)}{NARROW}{sign}"
        digits = self.amount(value, like=like)
        prefix = MINUS if digits.startswith(MINUS) else ""
        return f"{prefix}{sign}{gap}{digits.removeprefix(MINUS)}"

    def day(self, text: str) -> str:
        """A date as readers of the language write it; anything else as it is."""
        if (whole := _MONTH_ONLY.fullmatch(text)) is not None and 1 <= int(whole[2]) <= 12:
            return self("month_of", month=self(f"month.m{whole[2]}"), year=whole[1])
        try:
            found = date.fromisoformat(text[:10])
        except ValueError:
            return text
        month = self(f"month.m{found.month:02d}")
        return self("date", day=found.day, month=month, year=found.year)

    # -------------------------------------------------------------- estimates

    def kind(self, kind: Kind) -> str:
        """The word for measured, published or assumed."""
        return self(f"kind.{kind}")

    def estimate(self, estimate: Estimate | None, *, badge: bool = True, bar: bool = False) -> Cell:
        """An estimate as value, interval and badge; undefined is a dash with the reason."""
        if estimate is None:
            return self.missing(self("missing"))
        if estimate.value is None:
            return self.missing(estimate.undefined)
        if estimate.unit == "kWh" and estimate.value < 0.1:
            return self.estimate(_thousandfold(estimate, unit="Wh"), badge=badge, bar=bar)
        write = self._writer(estimate.unit)
        return Cell(
            text=write(estimate.value),
            interval=self._interval(estimate, self._digits(estimate, write)),
            kind=estimate.kind if badge else None,
            bar=estimate.value if bar else None,
        )

    def difference(self, estimate: Estimate | None) -> Cell:
        """A difference of two shares in percentage points, always signed."""
        if estimate is None or estimate.value is None:
            return self.missing(estimate.undefined if estimate else self("missing"))
        told = ""
        if estimate.low is not None and estimate.high is not None:
            told = self("range", low=self.signed(100 * estimate.low), high=self.signed(100 * estimate.high))
        text = f"{self.signed(100 * estimate.value)}{NARROW}{self('unit.points')}"
        return Cell(text=text, interval=told, kind=estimate.kind)

    def missing(self, reason: str) -> Cell:
        """What is not known, and why."""
        return Cell(text=DASH, note=self.told(reason), tone="muted")

    def _writer(self, unit: str) -> Callable[[float], str]:
        if unit == "share":
            return self.share
        if unit in ("s", "seconds"):
            return self.seconds
        if unit == "points":
            return self.points
        if self._is_money(unit):
            return self.money
        if unit in ("labels", "rows", ""):
            return self.plain
        word = self.unit(unit)
        return lambda value: (
            f"{self.amount(value) if abs(value) >= 1000 else self.plain(value)}{NARROW}{word}"
        )

    def _digits(self, estimate: Estimate, write: Callable[[float], str]) -> Callable[[float], str]:
        """How bounds are written: without the unit where that reads well."""
        if estimate.unit == "share":
            return lambda bound: self.number(100 * bound, digits=1)
        if self._is_money(estimate.unit):
            return lambda bound: self.amount(bound, like=estimate.value)
        return write if estimate.unit in ("s", "seconds") else self.plain

    def _is_money(self, unit: str) -> bool:
        return unit.split("/")[0].split(" ")[0] in (self.currency, "money")

    def _interval(self, estimate: Estimate, write: Callable[[float], str]) -> str:
        low, high = estimate.low, estimate.high
        if low is None or high is None:
            return ""
        if not (math.isfinite(low) and math.isfinite(high)) or write(low) == write(high):
            return ""
        if low < 0:
            return self("range", low=write(low), high=write(high))
        return f"{write(low)}–{write(high)}"


def _thousandfold(estimate: Estimate, *, unit: str) -> Estimate:
    """The same estimate in a unit a thousand times smaller."""
    value, low, high = (
        None if x is None else 1000 * x for x in (estimate.value, estimate.low, estimate.high)
    )
    return replace(estimate, value=value, low=low, high=high, unit=unit)


def quantity(costs: Costs, candidate: str, *names: str) -> Estimate | None:
    """The first of several names a cost summary knows, None where it knows none."""
    summary: Mapping[str, Estimate] = costs.summary.get(candidate, {})
    return next((summary[n] for n in names if n in summary), None)
