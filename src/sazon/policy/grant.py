"""The only permission there is so far: one run may send these texts, to this address, up to this cap.

    proposal = propose(...)                     nothing is allowed yet
    print(proposal.words("es"))                 what would leave, where to, at what price
    grant = proposal.confirm(now=time.time())   somebody said yes

A grant lives in memory only and cannot be copied with other values: a rerun asks again.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from typing import Literal

from sazon.core import digest
from sazon.core.errors import PolicyRefused
from sazon.core.words import Language, number, say
from sazon.policy.config import ExternalPurpose
from sazon.policy.destination import Destination
from sazon.policy.spending import Account, Limits, Price

WORDS = "sazon.policy"
TokenLimitField = Literal["max_tokens", "max_completion_tokens"]
_CONFIRMED = object()
_LONGEST_S = 24 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """All that one request may carry: the body is built from these fields and nothing else."""

    model: str
    """The provider's own name of the model."""
    instruction: str = field(repr=False)
    """The system prompt, the same for every text of a run."""
    text: str = field(repr=False)
    """One input, unchanged."""
    max_tokens: int = 64
    """Most tokens the answer may have."""
    max_tokens_field: TokenLimitField = "max_tokens"
    """How the provider calls that limit."""
    temperature: float | None = 0.0
    """None leaves it to the provider."""

    def body(self) -> bytes:
        """The request as JSON, in the OpenAI chat shape."""
        content: dict[str, object] = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": self.instruction},
                {"role": "user", "content": self.text},
            ],
            self.max_tokens_field: self.max_tokens,
        }
        if self.temperature is not None:
            content["temperature"] = self.temperature
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What a run would like to send, in full, before anybody agreed to it."""

    purpose: ExternalPurpose
    data_name: str
    data_digest: str
    texts: frozenset[str] = field(repr=False)
    """Digest of every text that may go."""
    to: Destination
    """Exact root of the provider's API; the path is a prefix."""
    model: str
    instruction_digest: str
    max_tokens: int
    """Most tokens per answer."""
    limits: Limits
    price: Price | None
    """None where it is not known: then tokens are capped instead of money."""
    key: str | None
    """Name of the environment variable that holds the key, which goes nowhere else."""
    valid_s: float
    examples: int = 0
    """Labelled texts inside the instruction, which go with every request."""

    def words(self, language: Language) -> str:
        """What would leave, where to, at what price and until when, for the person who agrees."""

        def line(phrase: str, **values: object) -> str:
            return say(WORDS, language, f"proposal.{phrase}", **values)

        lines = [
            line("texts", count=number(len(self.texts), language), name=self.data_name),
            *([line("examples", count=number(self.examples, language))] if self.examples else []),
            line("digest", digest=self.data_digest[:16]),
            line("stays_here" if self.to.loopback else "leaves", url=self.to, model=self.model),
            line("key", key=self.key) if self.key else line("no_key"),
            *self._cost(language),
            line("valid", minutes=number(self.valid_s / 60, language)),
        ]
        return "\n".join(lines)

    def _cost(self, language: Language) -> list[str]:
        lines = []
        if self.price is None:
            lines.append(say(WORDS, language, "proposal.price_unknown"))
        elif self.price.input_per_mtok == self.price.output_per_mtok == 0:
            lines.append(say(WORDS, language, "proposal.price_free", source=self.price.source))
        else:
            read, written = (
                number(x, language, digits=3) for x in (self.price.input_per_mtok, self.price.output_per_mtok)
            )
            lines.append(
                say(
                    WORDS,
                    language,
                    "proposal.price",
                    read=read,
                    written=written,
                    currency=self.price.currency,
                )
            )
        currency = self.price.currency if self.price else ""
        for key, cap, digits in (
            ("cap_money", self.limits.money, 2),
            ("cap_tokens", self.limits.tokens, 0),
            ("cap_requests", self.limits.requests, 0),
        ):
            if cap is not None:
                shown = number(cap, language, digits=digits)
                lines.append(say(WORDS, language, f"proposal.{key}", cap=shown, currency=currency))
        return lines

    def confirm(self, *, now: float) -> RunGrant:
        """Turn the proposal into a grant; to be called only when a person has agreed to its words.

        Args:
            now: seconds since the epoch.
        """
        return RunGrant(
            proposal=self,
            id=secrets.token_hex(8),
            given_at=now,
            expires_at=now + self.valid_s,
            account=Account(self.limits, self.price),
            confirmed=_CONFIRMED,
        )


@dataclass(frozen=True, kw_only=True)
class RunGrant:
    """A confirmed proposal. Made by `Proposal.confirm` alone."""

    proposal: Proposal
    id: str
    given_at: float
    expires_at: float
    account: Account = field(repr=False, compare=False)
    """What it has cost so far; shared by everything that uses the grant."""
    confirmed: InitVar[object]

    def __post_init__(self, confirmed: object) -> None:
        """Refuse to exist without a confirmation."""
        if confirmed is not _CONFIRMED:
            raise TypeError("a grant is made by Proposal.confirm and cannot be copied")


def propose(
    *,
    purpose: ExternalPurpose,
    data_name: str,
    data_digest: str,
    data_public: bool,
    texts: Sequence[str],
    url: str,
    model: str,
    instruction: str,
    limits: Limits,
    price: Price | None,
    key: str | None = None,
    max_tokens: int = 64,
    valid_s: float = 3600.0,
    examples: int = 0,
) -> Proposal:
    """Put together what a run would like to send, and refuse what no one-run grant can cover.

    Args:
        purpose: what the answers are for.
        data_name: name of the data, for words.
        data_digest: digest of the data set the texts belong to.
        data_public: whether its owner declared it public; without verified consent nothing else goes.
        texts: every text that may go.
        url: root of an OpenAI-compatible API.
        model: the provider's name of the model.
        instruction: the system prompt.
        limits: the most it may use.
        price: per token, None where unknown.
        key: name of the environment variable with the key, with or without `env:`.
        max_tokens: most tokens per answer.
        valid_s: how long the grant shall hold, seconds, at most a day.
        examples: how many labelled texts of the same data the instruction holds.

    Raises:
        PolicyRefused: the data is not public, the address is not allowed, or no cap would hold.
    """
    if not data_public:
        raise PolicyRefused(
            say(WORDS, "en", "ruling.not_public"),
            where=data_name,
            mend="Only data declared public can be sent until consent records can be verified.",
        )
    to = Destination.parse(url)
    paid = price is not None and (price.input_per_mtok > 0 or price.output_per_mtok > 0)
    if price is not None and not paid and not to.loopback:
        raise PolicyRefused(
            "a price of zero is believed for this machine's own endpoint only",
            where=to.origin,
            mend="Give the provider's price per million tokens, or none and a cap in tokens.",
        )
    if (paid and limits.money is None) or (price is None and limits.tokens is None):
        raise PolicyRefused(
            "nothing would cap the cost",
            where=to.origin,
            mend="Give a price and a cap in money, or a cap in tokens.",
        )
    if not (math.isfinite(valid_s) and 0 < valid_s <= _LONGEST_S and max_tokens > 0):
        raise PolicyRefused("a grant holds for at most a day", mend="Ask again tomorrow.")
    return Proposal(
        purpose=purpose,
        data_name=data_name,
        data_digest=data_digest,
        texts=frozenset(digest.of_text(text) for text in texts),
        to=to,
        model=model,
        instruction_digest=digest.of_text(instruction),
        max_tokens=max_tokens,
        limits=limits,
        price=price,
        key=key.removeprefix("env:") if key else None,
        valid_s=valid_s,
        examples=examples,
    )
