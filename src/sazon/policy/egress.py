"""The only way out: sends what the gate has sealed, and nothing else, to where it was sealed for.

At the socket permit and consents are checked again, the log says that it is being sent, the name is
resolved once and every address behind it is vetted, the other end proves itself (TLS 1.3, at will a
pinned key), redirects and proxies are never followed, and the key goes to the permitted address alone.
Consent withdrawn while an answer streams ends the stream. Neither the key nor a byte of what was sent or
answered enters an error, a repr or a log.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sazon.core.errors import EnvironmentLacks, PolicyRefused, ProviderError, SazonError
from sazon.policy.destination import Destination, Networks, reachable
from sazon.policy.gate import Gate, Sealed
from sazon.policy.response import Answer, Patience, Response, Streaming, Tail, seconds_of, settle
from sazon.policy.ruling import Denied, Ruling, refusal
from sazon.policy.transport import Trust

if TYPE_CHECKING:
    import aiohttp

Lookup = Callable[[str, int], Awaitable[list[str]]]
"""(host, port) → every IP address behind the name."""


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
        held = environment if environment is not None else os.environ
        # Behind a function: an attribute would show every key to whoever looks at this object.
        self._held: Callable[[str], str] = lambda name: held.get(name, "")
        self._sessions: dict[tuple[Trust, Networks], aiohttp.ClientSession] | None = None

    async def __aenter__(self) -> Egress:
        """Keep connections until the block ends."""
        self._sessions = {}
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        sessions, self._sessions = self._sessions or {}, None
        for session in sessions.values():
            await session.close()

    async def send(self, sealed: Sealed) -> Response:
        """Send one sealed request and wait for its answer.

        Raises:
            PolicyRefused: the seal, the permit, a consent, the cap or the address does not hold; nothing
                was sent.
            EnvironmentLacks: the variable that should hold the key is not set, or the log cannot be written.
            ProviderError: no answer, or one that is not accepted (a redirect, too long).
        """
        began = time.perf_counter()
        async with self._answering(sealed) as answer:
            body = b"".join([block async for block in answer.blocks])
            answer.usage = settle(sealed, answer.status, body)
        return Response(
            status=answer.status,
            body=body,
            seconds=time.perf_counter() - began,
            retry_after_s=answer.retry_after_s,
            usage=answer.usage,
        )

    @contextlib.asynccontextmanager
    async def stream(self, sealed: Sealed) -> AsyncIterator[Streaming]:
        """Send one sealed request and pass its answer on as it comes.

        While the blocks are read every one of them is ruled on anew: a consent withdrawn meanwhile closes
        the connection, and what had not been passed on yet is dropped.

        Raises:
            SazonError: as `send`; PolicyRefused also from the middle of the stream.
        """
        async with self._answering(sealed) as answer:
            tail = Tail()
            yield Streaming(status=answer.status, blocks=self._watched(sealed, answer.blocks, tail))
            answer.usage = settle(sealed, answer.status, tail.last_event)

    def send_now(self, sealed: Sealed) -> Response:
        """`send` for code that is not asynchronous."""
        return asyncio.run(self.send(sealed))

    # ---------------------------------------------------------------- the socket

    @contextlib.asynccontextmanager
    async def _answering(self, sealed: Sealed) -> AsyncIterator[Answer]:
        """An answer under way; whatever fails is written down, and raised without a word of what was sent."""
        if not isinstance(sealed, Sealed):
            raise PolicyRefused("only sealed requests can be sent", mend="Ask the gate first.")
        ruling = self._gate.recheck(sealed)
        if not ruling.allow:
            self._gate.keep("stopped", sealed, ruling)
            raise refusal(ruling, sealed.request)
        headers = self._headers(sealed)
        account = sealed.permit.account
        if not account.reserve(*sealed.tokens_bound):
            raise refusal(Ruling(allow=False, reason="cap"), sealed.request)
        failure: _Failure | None = None
        reached = False
        try:
            self._gate.keep("sent", sealed)
            async with self._posted(sealed, headers) as answer:
                reached = True
                yield answer
            self._gate.keep("answered", sealed, status=answer.status)
        except SazonError as error:
            failure = _Failure(error, sent=reached or _may_have_left(error))
        except Exception as error:
            # Once the answer has begun, the client's errors are named where they arise: see `_blocks`.
            failure = None if reached else _failure_of(error, sealed.destination.origin)
            if failure is None:
                raise
        if failure is None:
            return
        if not failure.sent:
            account.settle(sealed.tokens_bound, (0, 0))
        self._gate.keep("failed", sealed, left=failure.sent)
        # A new error, raised outside any handler: the first one's frames hold headers and body.
        raise anew(failure.error)

    @contextlib.asynccontextmanager
    async def _posted(self, sealed: Sealed, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
        from yarl import URL

        where = sealed.destination.origin
        url = URL(str(sealed.destination), encoded=True)
        async with (
            self._open_session(sealed) as session,
            session.post(url, data=sealed.body, headers=headers, allow_redirects=False) as answer,
        ):
            if 300 <= answer.status < 400:
                raise ProviderError(
                    f"answered with a redirect ({answer.status}), which is never followed",
                    where=where,
                    mend="Give the address it stands for, and confirm it anew.",
                )
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise ProviderError("the answer is compressed, which was not asked for", where=where)
            yield Answer(
                status=answer.status,
                retry_after_s=seconds_of(answer.headers.get("Retry-After")),
                blocks=self._blocks(answer, where),
            )
            answer.close() if answer.status != 200 else None

    async def _blocks(self, answer: aiohttp.ClientResponse, where: str) -> AsyncIterator[bytes]:
        """The body as it comes; of errors nothing, because they echo what was sent."""
        if answer.status != 200:
            return
        length, failure = 0, None
        incoming = answer.content.iter_any()
        while True:
            try:
                block = await anext(incoming)
            except StopAsyncIteration:
                return
            except Exception as error:
                failure = _failure_of(error, where)
                if failure is None:
                    raise
            if failure is not None:
                raise failure.error
            length += len(block)
            if length > self._patience.max_answer_bytes:
                answer.close()
                raise ProviderError("the answer is too long", where=where)
            yield block

    async def _watched(
        self, sealed: Sealed, blocks: AsyncIterator[bytes], tail: Tail
    ) -> AsyncIterator[bytes]:
        """Blocks while everything still stands."""
        async for block in blocks:
            ruling = self._gate.recheck(sealed)
            if not ruling.allow:
                self._gate.keep("cut", sealed, ruling)
                raise refusal(ruling, sealed.request)
            tail.take(block)
            yield block

    @contextlib.asynccontextmanager
    async def _open_session(self, sealed: Sealed) -> AsyncIterator[aiohttp.ClientSession]:
        """A session for one end of the line: its trust and its networks are its own."""
        key = (sealed.permit.trust, sealed.permit.to.networks)
        if self._sessions is None:
            async with self._new_session(sealed) as session:
                yield session
            return
        if key not in self._sessions:
            self._sessions[key] = self._new_session(sealed)
        yield self._sessions[key]

    def _new_session(self, sealed: Sealed) -> aiohttp.ClientSession:
        import aiohttp

        trust = sealed.permit.trust
        return aiohttp.ClientSession(
            connector=_proving_connector(trust)(
                resolver=_vetting_resolver(self._lookup, sealed.permit.to.networks),
                use_dns_cache=False,
                ssl=trust.context(),
            ),
            timeout=aiohttp.ClientTimeout(total=self._patience.total_s, connect=self._patience.connect_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    def _headers(self, sealed: Sealed) -> dict[str, str]:
        """The allow-list of headers, in full."""
        headers = {
            "Accept": "text/event-stream" if sealed.request.message.streams else "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "User-Agent": "sazon",
        }
        name = sealed.permit.key
        if name is not None:
            headers["Authorization"] = _Hidden(f"Bearer {self._key(name)}")
        return headers

    def _key(self, name: str) -> str:
        key = _Hidden(self._held(name).strip())
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


def _proving_connector(trust: Trust) -> type[aiohttp.TCPConnector]:
    """A connector whose connections prove themselves before anything is written to them."""
    import aiohttp

    class Proving(aiohttp.TCPConnector):
        async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
            connection = await super().connect(req, traces, timeout)
            encrypted = connection.transport and connection.transport.get_extra_info("ssl_object")
            shown = encrypted.getpeercert(binary_form=True) if encrypted else None
            if not trust.accepts(shown):
                connection.close()
                raise ProviderError(
                    "the server does not hold the pinned key",
                    where=str(req.url.host),
                    mend="Nothing was sent. Ask the provider, and change the pin only when it is theirs.",
                )
            return connection

    return Proving


def _vetting_resolver(lookup: Lookup, networks: Networks) -> aiohttp.abc.AbstractResolver:
    """Resolve once, vet every address, connect to those: a name cannot change its mind in between."""
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Vetting(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            addresses = await lookup(host, port)
            if not addresses:
                raise OSError("no address behind this name")
            destination = Destination(
                scheme="https", host=host.lower(), port=port, path="", networks=networks
            )
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


def _may_have_left(error: SazonError) -> bool:
    """Whether a named error comes from a place where the request may have gone already."""
    return isinstance(error, ProviderError) and "pinned" not in error.what


def anew(error: SazonError) -> SazonError:
    """The same error without the frames it has come through."""
    if isinstance(error, Denied):
        return Denied(error.ruling, where=error.where)
    if isinstance(error, ProviderError):
        return ProviderError(error.what, where=error.where, mend=error.mend, retryable=error.retryable)
    return type(error)(error.what, where=error.where, mend=error.mend)


def _failure_of(error: Exception, where: str) -> _Failure | None:
    """The client's error in words that hold nothing of what was sent; None for a bug of ours."""
    import aiohttp

    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        what, mend = "the encrypted connection could not be trusted", "Check address and certificate."
        return _Failure(ProviderError(what, where=where, mend=mend), sent=False)
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        what, mend = "the provider cannot be reached", "Check the address and that the server runs."
        return _Failure(ProviderError(what, where=where, mend=mend, retryable=True), sent=False)
    if isinstance(error, TimeoutError):
        return _Failure(ProviderError("no answer in time", where=where, retryable=True), sent=True)
    if isinstance(error, (aiohttp.ClientError, OSError, ValueError)):
        what = "the provider broke off, or its answer is not HTTP"
        return _Failure(ProviderError(what, where=where, retryable=True), sent=True)
    return None
