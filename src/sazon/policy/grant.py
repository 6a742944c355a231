"""A person's permission: one run may send these texts, to this address, up to this cap.

    proposal = propose(...)                     nothing is allowed yet
    print(proposal.words("es"))                 what would leave, where to, at what price
    grant = proposal.confirm(now=time.time())   somebody said yes

A grant lives in memory only and cannot be copied with other values: a rerun asks again.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING

from sazon.core import digest
from sazon.core.errors import PolicyRefused
from sazon.core.words import Language, number, say
from sazon.policy.config import Purpose
from sazon.policy.destination import Destination, Networks
from sazon.policy.message import Message
from sazon.policy.permit import Objection, first_failing, within
from sazon.policy.spending import Account, Limits, Price
from sazon.policy.transport import Trust

if TYPE_CHECKING:
    from sazon.policy.ruling import Request

WORDS = "sazon.policy"
_CONFIRMED = object()
_LONGEST_S = 24 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What a run would like to send, in full, before anybody agreed to it."""

    purposes: tuple[Purpose, ...]
    provider: str
    """Name of the provider in the recipe, as consents name it."""
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
    people: int = 0
    """People whose data it is, each of whom has consented; 0 where the data is public."""
    trust: Trust = field(default_factory=Trust)

    def words(self, language: Language) -> str:
        """What would leave, where to, at what price and until when, for the person who agrees."""

        def line(phrase: str, **values: object) -> str:
            return say(WORDS, language, f"proposal.{phrase}", **values)

        lines = [
            line("texts", count=number(len(self.texts), language), name=self.data_name),
            *([line("people", count=number(self.people, language))] if self.people else []),
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

    @property
    def to(self) -> Destination:
        """The address it opens."""
        return self.proposal.to

    @property
    def key(self) -> str | None:
        """Name of the environment variable that holds the provider's key."""
        return self.proposal.key

    @property
    def trust(self) -> Trust:
        """How the connection proves who is at the other end."""
        return self.proposal.trust

    def objection(self, request: Request, now: float) -> Objection:
        """Why it does not cover a request at `now`, seconds since the epoch."""
        granted, message = self.proposal, request.message
        if not isinstance(message, Message):
            return 0, "other_purpose"
        return first_failing(
            (
                ("other_purpose", request.purposes == granted.purposes),
                ("other_provider", request.provider == granted.provider),
                ("other_url", within(granted.to, request.url)),
                ("other_data", request.data_digest == granted.data_digest),
                ("other_model", message.model == granted.model),
                ("other_instruction", digest.of_text(message.instruction) == granted.instruction_digest),
                ("other_text", request.covers in granted.texts),
                ("longer_answer", 0 < message.max_tokens <= granted.max_tokens),
                ("not_yet", self.given_at <= now),
                ("expired", now < self.expires_at),
            )
        )


def propose(
    *,
    purposes: tuple[Purpose, ...],
    provider: str,
    data_name: str,
    data_digest: str,
    people: int | None,
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
    networks: Networks = (),
    trust: Trust | None = None,
) -> Proposal:
    """Put together what a run would like to send, and refuse what no one-run grant can cover.

    Args:
        purposes: what the answers are for; all of them are needed.
        provider: name of the provider, as consents name it.
        data_name: name of the data, for words.
        data_digest: digest of the data set the texts belong to.
        people: how many people's data it is, all of whom have consented; None where its owner declared it
            public. The gate looks at every text's own people again.
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
        networks: private networks in which the provider may lie.
        trust: how the connection proves who is at the other end.

    Raises:
        PolicyRefused: nobody's consent stands behind it, the address is not allowed, or no cap would hold.
    """
    if people is not None and people < 1:
        raise PolicyRefused(
            say(WORDS, "en", "ruling.not_public"),
            where=data_name,
            mend="Declare the data public if it is, or record the consents: sazon consent grant.",
        )
    to = Destination.parse(url, networks=networks)
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
        purposes=purposes,
        provider=provider,
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
        people=people or 0,
        trust=trust or Trust(),
    )
