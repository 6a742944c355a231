"""The gate: everything that would leave is ruled on here, and only what it seals can be sent.

Default deny. `rule` is pure; `Gate` holds the grants, the clock and the seal.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import InitVar, dataclass, field

from sazon.core import digest
from sazon.core.errors import PolicyRefused
from sazon.core.words import Language, say
from sazon.policy.config import ExternalPurpose, PolicyConfig
from sazon.policy.destination import Destination
from sazon.policy.grant import WORDS, Message, RunGrant

_BY_THE_GATE = object()


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Something that would leave: what for, where to, out of which data, and what exactly."""

    purpose: ExternalPurpose
    url: str
    data_digest: str
    """Digest of the data set the text belongs to; empty for live traffic."""
    message: Message

    @property
    def digest(self) -> str:
        """Digest of every part."""
        parts = (self.purpose, self.url, self.data_digest, digest.of_bytes(self.message.body()))
        return digest.of_text(*parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruling:
    """The verdict on one request, and why."""

    allow: bool
    reason: str
    """Key of a phrase in this package's words, under `ruling`."""
    values: Mapping[str, str] = field(default_factory=dict)
    """What the phrase mentions; never the text itself."""
    grant: str | None = None
    """Id of the grant that covers it."""

    def words(self, language: Language) -> str:
        """The reason as a sentence."""
        return say(WORDS, language, f"ruling.{self.reason}", **self.values)


def rule(
    request: Request, grants: Iterable[RunGrant], now: float, *, policy: PolicyConfig | None = None
) -> Ruling:
    """Allow a request only where one grant covers every part of it; the reason is the nearest miss.

    Args:
        request: what would leave.
        grants: the grants that stand.
        now: seconds since the epoch; not a number denies.
        policy: the recipe's section; it can only explain a denial, never turn it.
    """
    nearest, missed = -1, "no_grant"
    for grant in grants:
        depth, objection = _first_objection(request, grant, now)
        if objection is None:
            return Ruling(allow=True, reason="granted", grant=grant.id)
        if depth > nearest:
            nearest, missed = depth, objection
    if missed == "no_grant" and policy is not None and policy.consents is not None:
        return Ruling(allow=False, reason="consents_unverified", values={"file": policy.consents})
    return Ruling(allow=False, reason=missed, values={"purpose": request.purpose})


def _first_objection(request: Request, grant: RunGrant, now: float) -> tuple[int, str | None]:
    """How many checks a request passes under a grant, and the name of the first it does not."""
    granted, message = grant.proposal, request.message
    try:
        covered = granted.to.covers(Destination.parse(request.url))
    except PolicyRefused:
        covered = False
    checks = (
        ("other_purpose", request.purpose == granted.purpose),
        ("other_url", covered),
        ("other_data", request.data_digest == granted.data_digest),
        ("other_model", message.model == granted.model),
        ("other_instruction", digest.of_text(message.instruction) == granted.instruction_digest),
        ("other_text", digest.of_text(message.text) in granted.texts),
        ("longer_answer", 0 < message.max_tokens <= granted.max_tokens),
        ("not_yet", grant.given_at <= now),
        ("expired", now < grant.expires_at),
    )
    for depth, (name, holds) in enumerate(checks):
        if not holds:
            return depth, name
    return len(checks), None


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A request the gate has allowed. Made by `Gate.seal` alone."""

    request: Request
    destination: Destination
    body: bytes = field(repr=False)
    grant: RunGrant
    mac: bytes = field(repr=False)
    """Binds all of the above to the gate that sealed it."""
    made: InitVar[object]

    def __post_init__(self, made: object) -> None:
        """Refuse to exist unless the gate made it."""
        if made is not _BY_THE_GATE:
            raise TypeError("only the gate seals requests")

    @property
    def tokens_bound(self) -> tuple[int, int]:
        """The most tokens it can read and write: a token is at least one byte of the body."""
        return len(self.body) + 64, self.request.message.max_tokens


class Gate:
    """Holds the grants of one process. Without a grant nothing passes."""

    def __init__(
        self,
        grants: Iterable[RunGrant] = (),
        *,
        policy: PolicyConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Start with the grants given; `clock` tells seconds since the epoch."""
        self._grants = {grant.id: grant for grant in grants}
        self._policy = policy
        self._clock = clock
        self._latest = float("-inf")
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()

    def rule(self, request: Request) -> Ruling:
        """The verdict as things stand now."""
        with self._lock:
            # A clock set back must not bring an expired grant to life again.
            now = self._clock()
            self._latest = now = max(self._latest, now) if now == now else now
            grants = tuple(self._grants.values())
        return rule(request, grants, now, policy=self._policy)

    def seal(self, request: Request) -> Sealed:
        """Allow a request and fix its bytes.

        Raises:
            PolicyRefused: no grant covers it; nothing was sent.
        """
        ruling = self.rule(request)
        grant = self._grants.get(ruling.grant or "")
        if not ruling.allow or grant is None:
            raise refusal(ruling, request)
        body = request.message.body()
        return Sealed(
            request=request,
            destination=Destination.parse(request.url),
            body=body,
            grant=grant,
            mac=self._mac(request, body, grant),
            made=_BY_THE_GATE,
        )

    def recheck(self, sealed: Sealed) -> Ruling:
        """The verdict at the socket: the seal is this gate's, unbroken, and the grant still stands."""
        true_mac = self._mac(sealed.request, sealed.body, sealed.grant)
        if (
            not hmac.compare_digest(true_mac, sealed.mac)
            or sealed.destination != Destination.parse(sealed.request.url)
            or self._grants.get(sealed.grant.id) is not sealed.grant
        ):
            return Ruling(allow=False, reason="broken_seal")
        return self.rule(sealed.request)

    def revoke(self, grant: RunGrant) -> None:
        """End a grant at once; what is sealed but not yet sent stays here."""
        with self._lock:
            self._grants.pop(grant.id, None)

    def _mac(self, request: Request, body: bytes, grant: RunGrant) -> bytes:
        said = digest.of_text(request.digest, digest.of_bytes(body), grant.id)
        return hmac.digest(self._secret, said.encode(), "sha256")


def refusal(ruling: Ruling, request: Request) -> PolicyRefused:
    """The error for a denied request; it names the address and never the text."""
    try:
        where = Destination.parse(request.url).origin
    except PolicyRefused:
        where = "egress"
    return PolicyRefused(
        ruling.words("en"), where=where, mend="Nothing was sent. The local model can answer."
    )


def standing(policy: PolicyConfig, language: Language) -> tuple[str, ...]:
    """What the recipe's policy amounts to now, in words for the report."""
    lines = [
        say(WORDS, language, "standing.basis", purpose=purpose, basis=say(WORDS, language, f"basis.{basis}"))
        for purpose, basis in policy.local_basis.items()
    ] or [say(WORDS, language, "standing.no_basis")]
    lines.append(say(WORDS, language, "standing.default_deny"))
    if policy.consents is not None:
        lines.append(say(WORDS, language, "ruling.consents_unverified", file=policy.consents))
    if policy.opt_in:
        listed = ", ".join(policy.opt_in)
        lines.append(say(WORDS, language, "standing.opt_in", purposes=listed))
    return tuple(lines)
