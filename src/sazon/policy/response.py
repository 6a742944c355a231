"""What comes back: answers whole or in pieces, how long to wait for them, and what they cost."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from sazon.policy.gate import Sealed
from sazon.policy.spending import Usage, counted


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long and how much one answer may be."""

    connect_s: float = 10.0
    total_s: float = 60.0
    max_answer_bytes: int = 4_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """What came back. The body is kept for successes only: errors echo what was sent."""

    status: int
    body: bytes = field(repr=False)
    seconds: float
    """From before connecting to the last byte."""
    retry_after_s: float | None = None
    usage: Usage | None = None
    """None where the provider did not say; the grant's account then keeps the bound."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Streaming:
    """An answer that is still coming."""

    status: int
    blocks: AsyncIterator[bytes] = field(repr=False)
    """The body as it arrives; nothing of errors."""


@dataclass(kw_only=True, slots=True)
class Answer:
    """An answer whose head has arrived."""

    status: int
    retry_after_s: float | None
    blocks: AsyncIterator[bytes]
    usage: Usage | None = None


class Tail:
    """The last whole event of a stream that tells the tokens used."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._open = b""
        self.last_event = b""

    def take(self, block: bytes) -> None:
        """Look for usage in what has just come."""
        *lines, self._open = (self._open + block).split(b"\n")
        for line in lines:
            if line.startswith(b"data:") and b'"usage"' in line:
                self.last_event = line.removeprefix(b"data:")


def settle(sealed: Sealed, status: int, body: bytes) -> Usage | None:
    """Book what the request really used; what is not told stays at its bound."""
    account, bound = sealed.permit.account, sealed.tokens_bound
    if status != 200:
        account.settle(bound, (0, 0))  # providers do not charge for errors
        return None
    used = counted(_json(body))
    if used is None:
        return None
    return Usage(tokens_in=used[0], tokens_out=used[1], money=account.settle(bound, used))


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def seconds_of(text: str | None) -> float | None:
    """A Retry-After in seconds; dates and nonsense count as none."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 9 else None
