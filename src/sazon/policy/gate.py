"""The gate: everything that would leave is ruled on here, and only what it seals can be sent.

Default deny. `ruling.rule` is pure; `Gate` holds the permits, the view of the consents, the clock, the
audit log and the seal. A request is in the log before it can be sent: where that fails, nothing is sealed.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any, Protocol

from sazon.core import digest
from sazon.core.errors import SazonError
from sazon.policy.config import PolicyConfig
from sazon.policy.consent import NOBODY, Consents
from sazon.policy.destination import Destination
from sazon.policy.permit import Permit
from sazon.policy.ruling import Request, Ruling, refusal, rule

_BY_THE_GATE = object()
_MOST_NAMES = 32


class Log(Protocol):
    """Where rulings are kept; the audit log is one."""

    def append(self, fields: Mapping[str, Any]) -> int:
        """Keep an entry; on disk when this returns."""
        ...


class NoLog:
    """Where no audit log was set up: a run on public data needs none."""

    def append(self, fields: Mapping[str, Any]) -> int:
        """Keep nothing."""
        return -1


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A request the gate has allowed. Made by `Gate.seal` alone."""

    request: Request
    destination: Destination
    body: bytes = field(repr=False)
    permit: Permit
    ruling: Ruling
    """Why it may leave."""
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
    """Holds what allows things to leave. Without a permit nothing passes."""

    def __init__(
        self,
        permits: Iterable[Permit] = (),
        *,
        policy: PolicyConfig | None = None,
        consents: Callable[[], Consents] = lambda: NOBODY,
        log: Log | None = None,
        name_of: Callable[[str], str] = digest.of_text,
        clock: Callable[[], float] = time.time,
        not_before: float = float("-inf"),
    ) -> None:
        """Start with the permits given.

        Args:
            permits: addresses that are open.
            policy: the recipe's section.
            consents: brings the consents as they stand at each call.
            log: keeps every ruling.
            name_of: subject → what the log calls them; a keyed digest where there are keys.
            clock: seconds since the epoch.
            not_before: the latest moment known from before, so that a clock set back revives nothing.
        """
        self._permits = {permit.id: permit for permit in permits}
        self._policy = policy or PolicyConfig()
        self._consents = consents
        self._log = log or NoLog()
        self._name_of = name_of
        self._clock = clock
        self._latest = not_before
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()

    def rule(self, request: Request) -> Ruling:
        """The verdict as things stand now; consents that cannot be read allow nothing."""
        with self._lock:
            # A clock set back must not bring an expired permission to life again.
            now = self._clock()
            self._latest = now = max(self._latest, now) if now == now else now
            permits = tuple(self._permits.values())
        try:
            consents = self._consents()
        except SazonError:
            return Ruling(allow=False, reason="consents_broken", found=request.found)
        return rule(request, permits, consents, self._policy, now)

    def seal(self, request: Request) -> Sealed:
        """Allow a request, keep that in the log, and fix its bytes.

        Raises:
            PolicyRefused: it is denied; nothing was sent.
            SazonError: the log cannot be written, so nothing can be sent.
        """
        ruling = self.rule(request)
        self._keep("ruling", request, ruling)
        permit = self._permits.get(ruling.permit or "")
        if not ruling.allow or permit is None:
            raise refusal(ruling, request)
        body = request.message.body()
        return Sealed(
            request=request,
            destination=Destination.parse(request.url, networks=permit.to.networks),
            body=body,
            permit=permit,
            ruling=ruling,
            mac=self._mac(request, body, permit),
            made=_BY_THE_GATE,
        )

    def recheck(self, sealed: Sealed) -> Ruling:
        """The verdict at the socket: the seal is this gate's, unbroken, and everything still stands."""
        true_mac = self._mac(sealed.request, sealed.body, sealed.permit)
        if (
            not hmac.compare_digest(true_mac, sealed.mac)
            or sealed.destination != Destination.parse(sealed.request.url, networks=sealed.permit.to.networks)
            or self._permits.get(sealed.permit.id) is not sealed.permit
        ):
            return Ruling(allow=False, reason="broken_seal")
        return self.rule(sealed.request)

    def keep(self, event: str, sealed: Sealed, ruling: Ruling | None = None, **facts: object) -> None:
        """Write down what became of a sealed request: sent, answered, stopped.

        Raises:
            SazonError: the log cannot be written.
        """
        self._keep(event, sealed.request, ruling, **facts)

    def revoke(self, permit: Permit) -> None:
        """End a permit at once; what is sealed but not yet sent stays here."""
        with self._lock:
            self._permits.pop(permit.id, None)

    def _keep(self, event: str, request: Request, ruling: Ruling | None, **facts: object) -> None:
        told: dict[str, Any] = {
            "event": event,
            # Keyed: a plain digest of a short text could be guessed.
            "request": self._name_of(request.digest),
            "purposes": sorted(request.purposes),
            "provider": request.provider,
            "model": request.message.model,
            "classes": sorted({str(d.data_class or "unknown") for d in request.disclosures}) or ["unknown"],
            **self._people(request),
            "found": dict(sorted(Counter(one.kind for one in request.found).items())),
        }
        if ruling is not None:
            told |= {
                "allow": ruling.allow,
                "reason": ruling.reason,
                "consents": list(ruling.consents),
                "permit": ruling.permit or "",
                "policy": ruling.policy,
                "register": ruling.register,
            }
        self._log.append(told | facts)

    def _people(self, request: Request) -> dict[str, Any]:
        """Whose data it is, by names that only the keys turn back; how many where they are too many."""
        names = sorted({self._name_of(d.subject) for d in request.disclosures if d.subject})
        return {"subjects": names[:_MOST_NAMES], "people": len(names)}

    def _mac(self, request: Request, body: bytes, permit: Permit) -> bytes:
        said = digest.of_text(request.digest, digest.of_bytes(body), permit.id)
        return hmac.digest(self._secret, said.encode(), "sha256")
