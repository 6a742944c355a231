"""The gateway's HTTP interface: the OpenAI chat shape, the task's own, and one guarded way out.

POST /v1/chat/completions    the last user message is the input, the answer is the label
GET  /v1/models              the task, as a model
POST /v1/tasks/{name}        {"input": text or list of texts} → label, confidence, probabilities
GET  /healthz
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from sazon.core.errors import SazonError
from sazon.core.words import Language
from sazon.gateway import inbound, served
from sazon.gateway.config import LOOPBACK, GatewayConfig
from sazon.gateway.inbound import Refusal
from sazon.gateway.served import Reading, Served
from sazon.policy.message import Message
from sazon.policy.ruling import Request as ExitRequest
from sazon.policy.ruling import rule

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from sazon.policy.passage import Passage

log = logging.getLogger("sazon.gateway")


def create_app(
    task: Served, config: GatewayConfig | None = None, *, passage: Passage | None = None
) -> Starlette:
    """The gateway as an ASGI application.

    Args:
        task: what is served; runs on this machine alone.
        config: limits; the address it listens on is the server's business.
        passage: the way out to the recipe's providers; without it nothing leaves.
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    answering = _Answering(task, config or GatewayConfig(), passage)
    routes = [
        Route("/v1/chat/completions", _guarded(answering.chat), methods=["POST"]),
        Route("/v1/models", _guarded(answering.models), methods=["GET"]),
        Route("/v1/models/{name}", _guarded(answering.model), methods=["GET"]),
        Route("/v1/tasks/{name}", _guarded(answering.task), methods=["POST"]),
        Route("/healthz", _guarded(answering.health), methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _no_such_place})


class _Answering:
    """The endpoints of one served task."""

    def __init__(self, task: Served, config: GatewayConfig, passage: Passage | None) -> None:
        import anyio

        self._served = task
        self._passage = passage
        self._config = config
        self._since = int(time.time())
        # Predictors need not be safe to call from several threads: one call at a time.
        self._one_at_a_time = anyio.CapacityLimiter(1)

    async def chat(self, request: Request) -> Response:
        content = inbound.parse(await self._body(request))
        if self._passage is not None and content.get("model") in self._passage.providers:
            return await self._elsewhere(self._passage, request, content)
        asked = inbound.chat(content)
        if asked.model not in self._served.names:
            raise self._refused(asked, inbound.language(request.headers.get("accept-language", "")))
        return await self._here(asked)

    async def _here(self, asked: inbound.Chat, **told: str) -> Response:
        """The answer of the served candidate; `told` says why it was not somebody else's."""
        from starlette.responses import JSONResponse, StreamingResponse

        [reading] = await self._answer([asked.text])
        head = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": self._served.name,
        }
        headers = {f"X-Sazon-{name.replace('_', '-').title()}": value for name, value in told.items()}
        if not asked.stream:
            return JSONResponse(served.completion(self._served, reading, head), headers=headers)
        blocks = served.events(self._served, reading, head, with_usage=asked.with_usage)
        return StreamingResponse(iter(blocks), media_type="text/event-stream", headers=headers)

    async def _elsewhere(self, passage: Passage, request: Request, content: dict[str, Any]) -> Response:
        """A provider's answer; the local one where the request may not leave or nobody answers there."""
        from sazon.gateway import outbound

        asked = outbound.asked(request.headers, content, default=passage.live_class)
        try:
            return await outbound.answer(passage, asked, stream=content.get("stream") is True)
        except SazonError as error:
            why = outbound.reason(error)
            log.info("answered here instead of at a provider: %s", why)
            return await self._here(inbound.lenient(content), answered_by="here", ruling=why)

    async def models(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        return JSONResponse({"object": "list", "data": [self._as_model()]})

    async def model(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        self._must_be_served(request)
        return JSONResponse(self._as_model())

    async def task(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        self._must_be_served(request)
        content = inbound.parse(await self._body(request))
        texts, alone = inbound.inputs(content, limit=self._config.max_inputs)
        found = [reading.as_json() for reading in await self._answer(texts)]
        about = {"task": self._served.name, "candidate": self._served.candidate.name}
        return JSONResponse(about | found[0] if alone else about | {"answers": found})

    async def health(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        candidate = self._served.candidate
        about = {"status": "ok", "task": self._served.name, "candidate": candidate.name}
        leaves = ", ".join(self._passage.providers) if self._passage else "nothing"
        return JSONResponse(about | {"digest": candidate.digest, "leaves": leaves})

    # ------------------------------------------------------------------ behind them

    async def _body(self, request: Request) -> bytes:
        """The body, up to the limit, whatever its length claims to be."""
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            # Also keeps web pages out: a browser asks before sending JSON elsewhere.
            raise Refusal("content_type", 415)
        limit = self._config.max_body_bytes
        body = bytearray()
        async for block in request.stream():
            body += block
            if len(body) > limit:
                raise Refusal("too_large", 413, values={"limit": limit})
        return bytes(body)

    async def _answer(self, texts: list[str]) -> list[Reading]:
        import anyio

        try:
            answers = await anyio.to_thread.run_sync(
                self._served.predictor.predict, texts, limiter=self._one_at_a_time
            )
            found = served.readings(answers, self._served.candidate)
        except Exception as error:
            # A plug-in may raise anything, and its words may hold the text: only the kind is logged.
            log.error("the predictor failed with %s", type(error).__name__)
            raise Refusal("failed", 500) from None
        whole = [reading for reading in found if reading is not None]
        if len(whole) != len(texts):
            raise Refusal("no_answer", 500)
        return whole

    def _refused(self, asked: inbound.Chat, language: Language) -> Refusal:
        """Another model would be somebody else's: the gate rules, and it holds no grant."""
        message = Message(model=asked.model, instruction="", text=asked.text)
        leaving = ExitRequest(
            purposes=("infer.external",), provider=asked.model, url="", data_digest="", message=message
        )
        ruling = rule(leaving, (), now=time.time())
        values = {"name": self._served.name, "ruling": ruling.words(language)}
        return Refusal("other_model", 403, "model", values)

    def _must_be_served(self, request: Request) -> None:
        if request.path_params["name"] not in self._served.names:
            raise Refusal("unknown_task", 404, values={"name": self._served.name})

    def _as_model(self) -> dict[str, Any]:
        about = {"candidate": self._served.candidate.name, "labels": list(self._served.predictor.classes)}
        return {
            "id": self._served.name,
            "object": "model",
            "created": self._since,
            "owned_by": "sazon",
            "sazon": about | {"digest": self._served.candidate.digest},
        }


def _guarded(
    endpoint: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint with refusals turned into words, for requests that mean this machine."""

    async def guarded(request: Request) -> Response:
        try:
            if not _names_this_machine(request.headers.get("host", "")):
                # A web page can make a name of its own point here; its requests carry that name.
                raise Refusal("host", 403)
            return await endpoint(request)
        except Refusal as refusal:
            return _told(request, refusal)

    return guarded


def _names_this_machine(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    return name.strip("[]").lower() in LOOPBACK


async def _no_such_place(request: Request, error: Exception) -> Response:
    known = getattr(error, "status_code", 404) == 405
    return _told(request, Refusal("method", 405) if known else Refusal("unknown_path", 404))


def _told(request: Request, refusal: Refusal) -> Response:
    from starlette.responses import JSONResponse

    language = inbound.language(request.headers.get("accept-language", ""))
    headers = {"Content-Language": language} | ({"Connection": "close"} if refusal.status == 413 else {})
    return JSONResponse(refusal.as_json(language), status_code=refusal.status, headers=headers)
