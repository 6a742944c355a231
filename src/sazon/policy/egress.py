"""The only way out: sends what the gate has sealed, and nothing else, to where it was sealed for.

At the socket the grant is checked again, the name is resolved once and every address behind it is
vetted, redirects and proxies are never followed, and the key goes to the granted address alone.
Neither the key nor a byte of what was sent or answered enters an error, a repr or a log.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sazon.core.errors import EnvironmentLacks, PolicyRefused, ProviderError, SazonError
from sazon.policy.destination import Destination, reachable
from sazon.policy.gate import Gate, Ruling, Sealed, refusal
from sazon.policy.spending import Usage, counted

if TYPE_CHECKING:
    import aiohttp

Lookup = Callable[[str, int], Awaitable[list[str]]]
"""(host, port) → every IP address behind the name."""


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


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why there is no answer, and whether the request may have left."""

    error: SazonError
    sent: bool = field(kw_only=True)


class _Hidden(str):
    """A key that shows itself to the socket only."""

    __slots__ = ()

    def __repr__(self) -> str:
        """No key."""
        return "'…'"


async def system_lookup(host: str, port: int) -> list[str]:
    """Every address behind a name, as the system's resolver sees it; empty where there is none."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Egress:
    """Sends sealed requests.

        async with Egress(gate) as egress:          connections are kept between requests
            response = await egress.send(sealed)

    `send` works without the `async with` too, on a connection of its own.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        patience: Patience | None = None,
        lookup: Lookup = system_lookup,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Use the gate that seals; `lookup` and `environment` are for tests and odd set-ups."""
        self._gate = gate
        self._patience = patience or Patience()
        self._lookup = lookup
        self._environment = environment if environment is not None else os.environ
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Egress:
        """Keep connections until the block ends."""
        self._session = self._new_session()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, sealed: Sealed) -> Response:
        """Send one sealed request and wait for its answer.

        Raises:
            PolicyRefused: the seal, the grant, its cap or the address does not hold; nothing was sent.
            EnvironmentLacks: the variable that should hold the key is not set.
            ProviderError: no answer, or one that is not accepted (a redirect, too long).
        """
        if not isinstance(sealed, Sealed):
            raise PolicyRefused("only sealed requests can be sent", mend="Ask the gate first.")
        ruling = self._gate.recheck(sealed)
        if not ruling.allow:
            raise refusal(ruling, sealed.request)
        headers = self._headers(sealed)
        account = sealed.grant.account
        if not account.reserve(*sealed.tokens_bound):
            raise refusal(Ruling(allow=False, reason="cap"), sealed.request)
        began = time.perf_counter()
        outcome = await self._post(sealed, headers)
        if isinstance(outcome, _Failure):
            if not outcome.sent:
                account.settle(sealed.tokens_bound, (0, 0))
            # Raised here, outside any handler: the client's own errors carry the headers.
            raise outcome.error
        status, retry_after_s, body = outcome
        return Response(
            status=status,
            body=body,
            seconds=time.perf_counter() - began,
            retry_after_s=retry_after_s,
            usage=_settle(sealed, status, body),
        )

    def send_now(self, sealed: Sealed) -> Response:
        """`send` for code that is not asynchronous."""
        return asyncio.run(self.send(sealed))

    # ---------------------------------------------------------------- the socket

    async def _post(
        self, sealed: Sealed, headers: Mapping[str, str]
    ) -> tuple[int, float | None, bytes] | _Failure:
        import aiohttp
        from yarl import URL

        where = sealed.destination.origin
        url = URL(str(sealed.destination), encoded=True)
        try:
            async with (
                self._open_session() as session,
                session.post(url, data=sealed.body, headers=headers, allow_redirects=False) as answer,
            ):
                return await self._read(answer, where)
        except PolicyRefused as refused:
            return _Failure(PolicyRefused(refused.what, where=where, mend=refused.mend), sent=False)
        except ProviderError as error:
            return _Failure(ProviderError(error.what, where=where, mend=error.mend), sent=True)
        except (aiohttp.ClientSSLError, ssl.SSLError):
            what, mend = "the encrypted connection could not be trusted", "Check address and certificate."
            return _Failure(ProviderError(what, where=where, mend=mend), sent=False)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            what, mend = "the provider cannot be reached", "Check the address and that the server runs."
            return _Failure(ProviderError(what, where=where, mend=mend, retryable=True), sent=False)
        except TimeoutError:
            return _Failure(ProviderError("no answer in time", where=where, retryable=True), sent=True)
        except (aiohttp.ClientError, OSError, ValueError):
            what = "the provider broke off, or its answer is not HTTP"
            return _Failure(ProviderError(what, where=where, retryable=True), sent=True)

    async def _read(self, answer: aiohttp.ClientResponse, where: str) -> tuple[int, float | None, bytes]:
        if 300 <= answer.status < 400:
            raise ProviderError(
                f"answered with a redirect ({answer.status}), which is never followed",
                where=where,
                mend="Give the address it stands for, and confirm it anew.",
            )
        retry_after_s = _seconds(answer.headers.get("Retry-After"))
        if answer.status != 200:
            answer.close()
            return answer.status, retry_after_s, b""
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise ProviderError("the answer is compressed, which was not asked for", where=where)
        body = bytearray()
        async for block in answer.content.iter_chunked(65_536):
            body += block
            if len(body) > self._patience.max_answer_bytes:
                answer.close()
                raise ProviderError("the answer is too long", where=where)
        return answer.status, retry_after_s, bytes(body)

    @contextlib.asynccontextmanager
    async def _open_session(self) -> AsyncIterator[aiohttp.ClientSession]:
        if self._session is not None:
            yield self._session
            return
        async with self._new_session() as session:
            yield session

    def _new_session(self) -> aiohttp.ClientSession:
        import aiohttp

        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusted.minimum_version = ssl.TLSVersion.TLSv1_2
        trusted.load_default_certs()
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_vetting_resolver(self._lookup), use_dns_cache=False, ssl=trusted
            ),
            timeout=aiohttp.ClientTimeout(total=self._patience.total_s, connect=self._patience.connect_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    def _headers(self, sealed: Sealed) -> dict[str, str]:
        """The allow-list of headers, in full."""
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "User-Agent": "sazon",
        }
        name = sealed.grant.proposal.key
        if name is not None:
            headers["Authorization"] = _Hidden(f"Bearer {self._key(name)}")
        return headers

    def _key(self, name: str) -> str:
        key = _Hidden(self._environment.get(name, "").strip())
        if not key:
            raise EnvironmentLacks(
                f"the environment variable {name} is not set",
                mend=f"Set it to the provider's key: export {name}=…",
            )
        if not (key.isascii() and key.isprintable()):
            raise EnvironmentLacks(
                f"the environment variable {name} holds characters no key has", mend="Set it again."
            )
        return key


def _vetting_resolver(lookup: Lookup) -> aiohttp.abc.AbstractResolver:
    """Resolve once, vet every address, connect to those: a name cannot change its mind in between."""
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Vetting(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            addresses = await lookup(host, port)
            if not addresses:
                raise OSError("no address behind this name")
            destination = Destination(scheme="https", host=host.lower(), port=port, path="")
            if not reachable(destination, addresses):
                ruling = Ruling(allow=False, reason="address")
                raise PolicyRefused(ruling.words("en"), where=host, mend="Nothing was sent.")
            return [
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
                for address in addresses
            ]

        async def close(self) -> None:
            """Nothing is held."""

    return Vetting()


def _settle(sealed: Sealed, status: int, body: bytes) -> Usage | None:
    """Book what the request really used; what is not told stays at its bound."""
    account, bound = sealed.grant.account, sealed.tokens_bound
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


def _seconds(text: str | None) -> float | None:
    """A Retry-After in seconds; dates and nonsense count as none."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 9 else None
