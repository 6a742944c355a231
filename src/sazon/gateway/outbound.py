"""Requests for a provider: what the client says of them, and the provider's answer as a response.

X-Sazon-Subject: c-118, c-204      whose data it is; without it nobody knows, and nothing leaves
X-Sazon-Class: personal            how sensitive; without it the recipe's `policy.live_class`
X-Sazon-Conversation: 7f3a-11      pseudonyms stay the same over its turns
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from sazon.core.dataset import DataClass
from sazon.core.errors import PolicyRefused, ProviderError, SazonError
from sazon.gateway.inbound import Refusal
from sazon.policy.passage import Asked, Passage, conversation_name
from sazon.policy.ruling import Denied, Disclosure

if TYPE_CHECKING:
    from starlette.responses import Response

MOST_SUBJECTS = 64
BY_PROVIDER = {"X-Sazon-Answered-By": "provider"}


def asked(headers: Mapping[str, str], content: Mapping[str, Any], *, default: DataClass) -> Asked:
    """A request for a provider, with what its sender says of it.

    Args:
        headers: of the HTTP request, names in lower case.
        content: the body.
        default: class of data where none is named.

    Raises:
        Refusal: a class that does not exist or is not a client's to name, too many subjects, or a name of a
            conversation that is none.
    """
    named = [name.strip() for name in _as_sent(headers.get("x-sazon-subject", "")).split(",")]
    subjects = list(dict.fromkeys(name for name in named if name))
    if len(subjects) > MOST_SUBJECTS:
        raise Refusal("too_many", param="X-Sazon-Subject", values={"limit": MOST_SUBJECTS})
    try:
        data_class = DataClass(headers.get("x-sazon-class", default))
    except ValueError:
        data_class = None
    # What is public needs nobody's consent, so that is for the recipe to say and not for a client.
    if data_class is None or (data_class is DataClass.PUBLIC and default is not DataClass.PUBLIC):
        allowed = [one for one in DataClass if one is not DataClass.PUBLIC or default is DataClass.PUBLIC]
        raise Refusal(
            "bad_choice",
            param="X-Sazon-Class",
            values={"field": "X-Sazon-Class", "known": ", ".join(allowed)},
        )
    conversation = headers.get("x-sazon-conversation")
    if conversation is not None and conversation_name(conversation) is None:
        raise Refusal("bad_field", param="X-Sazon-Conversation", values={"field": "X-Sazon-Conversation"})
    return Asked(
        provider=str(content["model"]),
        content=content,
        disclosures=tuple(Disclosure(subject=name, data_class=data_class) for name in subjects)
        or (Disclosure(subject=None, data_class=data_class),),
        conversation=conversation,
    )


def _as_sent(header: str) -> str:
    """A header's text as its sender meant it: HTTP reads bytes as Latin-1, and most send UTF-8."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


async def answer(passage: Passage, request: Asked, *, stream: bool) -> Response:
    """The provider's answer, restored.

    Raises:
        SazonError: it may not leave, or nobody answers there: the caller answers here.
    """
    from starlette.responses import JSONResponse, StreamingResponse

    if not stream:
        passed = await passage.ask(request)
        if passed.status != 200:
            raise _failed(passed.status)
        return JSONResponse(passed.content, headers=BY_PROVIDER)
    opened = contextlib.AsyncExitStack()
    try:
        coming = await opened.enter_async_context(passage.stream(request))
        if coming.status != 200:
            raise _failed(coming.status)
    except BaseException:
        await opened.aclose()
        raise
    events = _closing(coming.events, opened)
    return StreamingResponse(events, media_type="text/event-stream", headers=BY_PROVIDER)


def reason(error: SazonError) -> str:
    """Why a request was answered here, in a word for a header: never more than the kind of thing."""
    if isinstance(error, Denied):
        return error.ruling.reason
    return {PolicyRefused: "refused", ProviderError: "provider"}.get(type(error), "locks")


async def _closing(events: AsyncIterator[bytes], opened: contextlib.AsyncExitStack) -> AsyncIterator[bytes]:
    """The events, and the connection closed behind them; a stream that is cut says so and ends."""
    async with opened:
        try:
            async for event in events:
                yield event
        except SazonError as error:
            about = {"message": "the answer was cut off", "type": "permission_error", "code": reason(error)}
            yield b"data: " + json.dumps({"error": about}).encode() + b"\n\n"


def _failed(status: int) -> ProviderError:
    return ProviderError(f"the provider answered with {status}", retryable=status >= 500)
