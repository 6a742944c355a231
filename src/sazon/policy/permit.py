"""Permission to use an address: by a person for one run (`grant.py`), or standing, by the recipe.

A permit opens a place and caps what it may cost. It says nothing about people: whatever is not public
needs their consent besides.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sazon.core.errors import PolicyRefused
from sazon.policy.destination import Destination
from sazon.policy.spending import Account, Limits, Price
from sazon.policy.transport import Trust

if TYPE_CHECKING:
    from sazon.policy.ruling import Request

Objection = tuple[int, str | None]
"""How many checks a request passed, and the name of the first it did not; None where it passed all."""


class Permit(Protocol):
    """Opens one address to requests of one kind."""

    @property
    def id(self) -> str:
        """Names it in rulings and in the audit log."""
        ...

    @property
    def to(self) -> Destination:
        """The address it opens; the path is a prefix."""
        ...

    @property
    def account(self) -> Account:
        """What it has cost so far, against its caps."""
        ...

    @property
    def key(self) -> str | None:
        """Name of the environment variable that holds the provider's key."""
        ...

    @property
    def trust(self) -> Trust:
        """How the connection proves who is at the other end."""
        ...

    def objection(self, request: Request, now: float) -> Objection:
        """Why it does not cover a request at `now`, seconds since the epoch."""
        ...


def first_failing(checks: tuple[tuple[str, bool], ...]) -> Objection:
    """The first check that does not hold, and how many stand before it."""
    for depth, (name, holds) in enumerate(checks):
        if not holds:
            return depth, name
    return len(checks), None


def within(to: Destination, url: str) -> bool:
    """Whether an address is `to` or below it, read strictly."""
    try:
        return to.covers(Destination.parse(url, networks=to.networks))
    except PolicyRefused:
        return False


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A provider that the recipe opens for live requests, up to a cap, while the process lives."""

    provider: str
    """Its name in the recipe."""
    to: Destination
    model: str
    """The provider's own name of the model."""
    key: str | None
    max_tokens: int
    """Most tokens an answer may have."""
    trust: Trust = field(default_factory=Trust)
    limits: Limits
    price: Price | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    account: Account = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Open its account."""
        object.__setattr__(self, "account", Account(self.limits, self.price))

    def objection(self, request: Request, now: float) -> Objection:
        """Why it does not cover a request; it covers live requests only, which belong to no data set."""
        return first_failing(
            (
                ("other_purpose", request.purposes == ("infer.external",)),
                ("other_provider", request.provider == self.provider),
                ("other_url", within(self.to, request.url)),
                ("other_data", request.data_digest == ""),
                ("other_model", request.message.model == self.model),
                ("longer_answer", 0 < request.message.max_tokens <= self.max_tokens),
                ("not_yet", now == now),
            )
        )
