"""A provider on this machine, for tests and the demo: real HTTP, answers at will, keeps every byte it gets.

    with FakeProvider(lambda text: "refund") as provider:
        provider.url            # http://127.0.0.1:<port>/v1
        provider.received       # all bytes of all connections so far

It speaks the OpenAI chat shape. Told to misbehave, it refuses, fails, redirects, hangs, breaks
off, answers nonsense, or stops at the most tokens allowed.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, get_args

Misbehaviour = Literal[
    "429",
    "500",
    "401",
    "400",
    "html",
    "hang",
    "redirect",
    "empty",
    "cut",
    "no_usage",
    "length",
    "gzip",
    "endless",
    "nonsense",
]
_ENDLESS_BYTES = 6_000_000


class FakeProvider:
    """An OpenAI-compatible server in a thread of its own."""

    def __init__(
        self,
        answer: Callable[[str], str],
        *,
        misbehave: Sequence[Misbehaviour | None] = (),
        always: Misbehaviour | None = None,
        redirect_to: str = "http://127.0.0.1:9/elsewhere",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Answer each request's last message with `answer(its text)`.

        Args:
            answer: text → what the model says.
            misbehave: what to do with the first requests, in order (None: behave).
            always: what to do with all requests after those.
            redirect_to: where a redirect points.
            tls: speak https with this context.
        """
        unknown = {m for m in (*misbehave, always) if m is not None} - set(get_args(Misbehaviour))
        if unknown:
            raise ValueError(f"unknown misbehaviour: {', '.join(sorted(unknown))}")
        self._answer = answer
        self._misbehave = iter(misbehave)
        self._always = always
        self._redirect_to = redirect_to
        self._tls = tls
        self._blocks: list[bytes] = []
        self.requests: list[dict[str, Any]] = []
        """The body of every request that was whole and JSON."""
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def url(self) -> str:
        """Root of the API."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    @property
    def received(self) -> bytes:
        """Every byte of every connection, in the order of arrival."""
        return b"".join(self._blocks)

    def __enter__(self) -> FakeProvider:
        """Start to listen on a free port of this machine."""
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the fake provider did not start")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, dropping open connections."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    # --------------------------------------------------------------- its own loop

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._open: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._converse(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (body := await self._read(reader)) is not None:
                how = next(self._misbehave, self._always)
                for block in self._reply(body, how):
                    writer.write(block)
                    await writer.drain()
                if how == "hang":
                    await self._stop.wait()
                if how in ("cut", "empty", "nonsense"):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> bytes | None:
        """One request's body; None when the client has left."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            self._blocks.append(error.partial)
            return None
        self._blocks.append(head)
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
        body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
        self._blocks.append(body)
        try:
            self.requests.append(json.loads(body))
        except ValueError:
            pass
        return body

    def _reply(self, body: bytes, how: Misbehaviour | None) -> Iterator[bytes]:
        echo = b"you sent: " + body + b" with " + self._blocks[-2]
        if how == "429":
            yield _http(429, echo, extra="Retry-After: 0\r\n")
        elif how in ("500", "401", "400"):
            yield _http(int(how), echo)
        elif how == "html":
            yield _http(200, b"<html>welcome to the hotel network</html>", kind="text/html")
        elif how == "redirect":
            yield _http(307, echo, extra=f"Location: {self._redirect_to}\r\n")
        elif how == "cut":
            yield _http(200, self._completion(body))[:-20]
        elif how == "nonsense":
            yield b"\x00\x01 this is no HTTP\r\n\r\n"
        elif how == "gzip":
            yield _http(200, b"\x1f\x8b\x08\x00", extra="Content-Encoding: gzip\r\n")
        elif how == "endless":
            yield _http(200, b" " * _ENDLESS_BYTES)
        elif how not in ("hang", "empty"):
            if json.loads(body).get("stream"):
                yield from self._events(body)
            else:
                yield _http(200, self._completion(body, usage=how != "no_usage", whole=how != "length"))

    def _events(self, body: bytes) -> Iterator[bytes]:
        """The answer in pieces of three characters, as server-sent events; the usage in the last."""
        whole = json.loads(self._completion(body))
        said = whole["choices"][0]["message"]["content"]
        yield b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        head = {k: whole[k] for k in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
        for start in range(0, len(said), 3):
            delta = {"index": 0, "delta": {"content": said[start : start + 3]}, "finish_reason": None}
            yield _chunk(head | {"choices": [delta]})
        yield _chunk(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        yield _chunk(head | {"choices": [], "usage": whole["usage"]})
        yield _chunk(None)

    def _completion(self, body: bytes, *, usage: bool = True, whole: bool = True) -> bytes:
        request = json.loads(body)
        said = self._answer(_said(request["messages"][-1]))
        content: dict[str, Any] = {
            "id": "chatcmpl-fake",
            "object": "chat.completion",
            "created": 0,
            "model": request["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": said},
                    "finish_reason": "stop" if whole else "length",
                }
            ],
        }
        if usage:
            read = sum(len(_said(m).split()) for m in request["messages"]) + 4
            written = max(1, len(said.split()))
            content["usage"] = {
                "prompt_tokens": read,
                "completion_tokens": written,
                "total_tokens": read + written,
            }
        return json.dumps(content, ensure_ascii=False).encode()


def _said(message: dict[str, Any]) -> str:
    """A message's text, also when it comes in parts."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def _chunk(event: dict[str, Any] | None) -> bytes:
    """One server-sent event as an HTTP chunk; the last one ends the answer."""
    data = (
        b"data: " + (b"[DONE]" if event is None else json.dumps(event, ensure_ascii=False).encode()) + b"\n\n"
    )
    return f"{len(data):x}\r\n".encode() + data + b"\r\n" + (b"0\r\n\r\n" if event is None else b"")


def _http(status: int, body: bytes, *, kind: str = "application/json", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body
