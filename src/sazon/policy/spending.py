"""What a grant may cost at most, and what it has cost so far."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What a provider charges for tokens, as the operator or a dated catalogue states it."""

    input_per_mtok: float
    """Money per million tokens read."""
    output_per_mtok: float
    """Money per million tokens written."""
    currency: str = "USD"
    source: str = ""
    """Where the figures come from, with their date."""

    def __post_init__(self) -> None:
        """Refuse negative and undefined prices."""
        if not all(math.isfinite(x) and x >= 0 for x in (self.input_per_mtok, self.output_per_mtok)):
            raise ValueError("a price is a finite number, zero or above")

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """Money for one request, in `currency`."""
        return (tokens_in * self.input_per_mtok + tokens_out * self.output_per_mtok) / 1e6

    @classmethod
    def free(cls, source: str) -> Price:
        """No charge per token, with the reason; for this machine's own endpoint."""
        return cls(input_per_mtok=0.0, output_per_mtok=0.0, source=source)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The most a grant may use; the money cap can only be kept where a price is known."""

    money: float | None = None
    """In the currency of the price."""
    tokens: int | None = None
    requests: int | None = None

    def __post_init__(self) -> None:
        """Refuse limits that do not limit."""
        given = [x for x in (self.money, self.tokens, self.requests) if x is not None]
        if not given or not all(math.isfinite(x) and x >= 0 for x in given):
            raise ValueError("at least one limit is needed, each finite and zero or above")


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Tokens of one request as the provider counted them, and what they cost."""

    tokens_in: int
    tokens_out: int
    money: float | None
    """None where no price is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """What has been used, requests under way counted at the most they can cost."""

    requests: int
    tokens: int
    money: float | None
    """None where no price is known."""


class Account:
    """Counts use against limits; what is not known to be less stays booked at its bound."""

    def __init__(self, limits: Limits, price: Price | None) -> None:
        """Start at nothing used."""
        self._limits = limits
        self._price = price
        self._lock = threading.Lock()
        self._requests = 0
        self._tokens = 0
        self._money = 0.0

    def reserve(self, tokens_in: int, tokens_out: int) -> bool:
        """Book the most a request can use; False, and nothing booked, where a limit would be passed."""
        money = self._price.of(tokens_in, tokens_out) if self._price else 0.0
        with self._lock:
            after = (self._money + money, self._tokens + tokens_in + tokens_out, self._requests + 1)
            limits = (self._limits.money, self._limits.tokens, self._limits.requests)
            if self._limits.money is not None and self._price is None:
                return False
            if not all(limit is None or used <= limit for used, limit in zip(after, limits, strict=True)):
                return False
            self._money, self._tokens, self._requests = after
            return True

    def settle(self, reserved: tuple[int, int], used: tuple[int, int]) -> float | None:
        """Replace a booking by what was really used; returns its money where a price is known."""
        money = self._price.of(*used) if self._price else None
        booked = self._price.of(*reserved) if self._price else 0.0
        with self._lock:
            self._tokens += sum(used) - sum(reserved)
            self._money = max(0.0, self._money + (money or 0.0) - booked)
        return money

    @property
    def spent(self) -> Spent:
        """What has been used so far."""
        with self._lock:
            money = self._money if self._price else None
            return Spent(requests=self._requests, tokens=self._tokens, money=money)


def counted(answer: Any) -> tuple[int, int] | None:
    """Tokens read and written as an OpenAI-shaped answer states them; None where it does not.

    A request that read no tokens does not exist, so a stated zero counts as not stated.
    """
    usage = answer.get("usage") if isinstance(answer, Mapping) else None
    if not isinstance(usage, Mapping):
        return None
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (read, written))
    if not whole or read is None or written is None or read < 1 or written < 0:
        return None
    return read, written
