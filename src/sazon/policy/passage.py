"""One chat request's way out and its answer's way back.

    shape → detection → pseudonyms → ruling → log → seal → send → restoration

Whatever stops it on the way raises `PolicyRefused`, is in the log, and nothing was sent: the caller
answers here instead. Denial costs quality, not service.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sazon.core.dataset import DataClass
from sazon.core.errors import PolicyRefused, ProviderError, SazonError
from sazon.policy.detect.span import Span
from sazon.policy.egress import Egress, anew
from sazon.policy.gate import Gate, Sealed
from sazon.policy.leaves import Leaf, check_shape, leaves
from sazon.policy.message import ChatRequest, TokenLimitField
from sazon.policy.permit import Opening
from sazon.policy.pseudonyms import Conversation, RestoringEvents, cover_request, restore_answer
from sazon.policy.ruling import Blocked, Disclosure, Found, Request, Ruling

if TYPE_CHECKING:
    from sazon.policy.detect.inspector import Inspection
    from sazon.policy.vault import Vault

FIELDS: tuple[TokenLimitField, ...] = ("max_tokens", "max_completion_tokens")


class Inspects(Protocol):
    """Finds what is sensitive in the texts of one request; an `Inspector` does."""

    def inspect_joined(self, parts: Sequence[str], voices: Sequence[object] = ()) -> list[Inspection]:
        """One inspection a part, what is split over several parts, or over turns of one voice, included."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A chat request as a client sent it, and what the client says of it."""

    provider: str
    """Name of the provider in the recipe."""
    content: Mapping[str, Any] = field(repr=False)
    disclosures: tuple[Disclosure, ...]
    conversation: str | None = None
    """Name of the conversation it belongs to, for pseudonyms that stay the same over turns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Passed:
    """An answer that came back."""

    status: int
    content: Any = field(repr=False)
    """The provider's JSON with every value restored; None where the status is not 200."""
    ruling: Ruling


@dataclass(frozen=True, kw_only=True, slots=True)
class PassedStream:
    """An answer that is coming back."""

    status: int
    events: AsyncIterator[bytes] = field(repr=False)
    """Server-sent events with every value restored."""


class Passage:
    """Takes chat requests out through the gate, and their answers back."""

    def __init__(
        self,
        openings: Mapping[str, Opening],
        *,
        gate: Gate,
        egress: Egress,
        inspector: Inspects,
        vault: Vault | None = None,
        live_class: DataClass = DataClass.SPECIAL,
    ) -> None:
        """Use the gate that holds the openings, and an egress of that gate.

        Args:
            openings: by name of the provider.
            gate: rules and seals.
            egress: sends.
            inspector: looks into every text.
            vault: keeps pseudonyms between the turns of a conversation; without it each request has its own.
            live_class: of text whose sender names none.
        """
        self.live_class = live_class
        self._openings = openings
        self._gate = gate
        self._egress = egress
        self._inspector = inspector
        self._vault = vault

    @property
    def providers(self) -> tuple[str, ...]:
        """Names of the providers that are open."""
        return tuple(self._openings)

    async def ask(self, asked: Asked) -> Passed:
        """Send a request, and restore its answer.

        Raises:
            PolicyRefused: it may not leave; nothing was sent.
            ProviderError: no answer, or one that is not JSON.
            SazonError: log, vault, keys or key variable are not there.
        """
        sealed, pseudonyms = await self._prepared(asked)
        response = await self._egress.send(sealed)
        if response.status != 200:
            return Passed(status=response.status, content=None, ruling=sealed.ruling)
        try:
            answer = json.loads(response.body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise ProviderError("the answer is not JSON", where=asked.provider, retryable=True)
        return Passed(
            status=200,
            content=restore_answer(answer, pseudonyms, json_content=_wants_json(asked)),
            ruling=sealed.ruling,
        )

    @contextlib.asynccontextmanager
    async def stream(self, asked: Asked) -> AsyncIterator[PassedStream]:
        """Send a request, and restore its answer as it comes.

        Raises:
            SazonError: as `ask`; PolicyRefused also from within, where a consent ends meanwhile.
        """
        sealed, pseudonyms = await self._prepared(asked)
        async with self._egress.stream(sealed) as coming:
            yield PassedStream(
                status=coming.status,
                events=_restored(coming.blocks, RestoringEvents(pseudonyms, json_content=_wants_json(asked))),
            )

    # ------------------------------------------------------------------- the way out

    async def _prepared(self, asked: Asked) -> tuple[Sealed, Conversation]:
        """`_prepare` in a thread of its own; an error comes out without its frames, which hold the text."""
        try:
            return await asyncio.to_thread(self._prepare, asked)
        except SazonError as error:
            stopped = anew(error)
        raise stopped

    def _prepare(self, asked: Asked) -> tuple[Sealed, Conversation]:
        """Everything before the socket; blocking, for a thread of its own."""
        opening = self._openings.get(asked.provider)
        if opening is None:
            raise PolicyRefused("no such provider is open", mend="Name one of the recipe's providers.")
        content: dict[str, Any] = {**asked.content, "model": opening.model}
        blocked: Blocked | None = None
        said: tuple[Leaf, ...] = ()
        found: list[Inspection] = []
        try:
            check_shape(content, models={opening.model})
            content |= _limits(content, opening.max_tokens)
            # The model's name is the recipe's: nobody's text, and nothing to read together with one.
            del content["model"]
            said = leaves(content)
            voices = [_voice(leaf, content) for leaf in said]
            found = self._inspector.inspect_joined([leaf.text for leaf in said], voices)
            blocked = next((one.blocked for one in found if one.blocked), None)
        except PolicyRefused:
            blocked = "shape"
        if blocked is not None:
            # Nothing of a request that was not looked into goes any further, not even into a digest.
            self._gate.seal(_request(asked, opening, {"model": opening.model}, (), blocked=blocked))
            raise AssertionError("a blocked request was sealed")
        pseudonyms = self._recall(asked)
        pseudonyms.reserve(leaf.text for leaf in said)
        for subject in _mentioned(asked, said):
            pseudonyms.mention("PERSON", subject)
        spans = iter([one.spans for one in found])
        covered = {"model": opening.model, **cover_request(content, pseudonyms, lambda leaf: next(spans))}
        sealed = self._gate.seal(_request(asked, opening, covered, _places([one.spans for one in found])))
        self._remember(asked, pseudonyms)
        return sealed, pseudonyms

    # ------------------------------------------------------------------- conversations

    def _recall(self, asked: Asked) -> Conversation:
        """The pseudonyms of earlier turns; kept under the one person they are about."""
        key = self._key(asked)
        if key is None or self._vault is None or key[1] not in self._vault.records(key[0]):
            return Conversation()
        return Conversation.load(self._vault.get(*key))

    def _remember(self, asked: Asked, pseudonyms: Conversation) -> None:
        key = self._key(asked)
        if key is not None and self._vault is not None and len(pseudonyms):
            self._vault.put(*key, pseudonyms.dump())

    def _key(self, asked: Asked) -> tuple[str, str] | None:
        """Where a conversation is kept: under one subject, so that erasing the person erases it.

        One about several people is not kept: no single erasure could reach it.
        """
        subjects = {one.subject for one in asked.disclosures}
        [subject] = subjects if len(subjects) == 1 else [None]
        if asked.conversation is None or subject is None:
            return None
        return subject, f"conversation {asked.provider} {asked.conversation}"


def _mentioned(asked: Asked, said: Sequence[Leaf]) -> Iterator[str]:
    """Whom the request is about and calls by the name they have here: no provider needs that name."""
    for subject in dict.fromkeys(one.subject for one in asked.disclosures if one.subject):
        if any(subject.casefold() in leaf.text.casefold() for leaf in said):
            yield subject


def _voice(leaf: Leaf, content: Mapping[str, Any]) -> tuple[object, ...]:
    """Who says a text and where: a role's contents make one voice, whatever stands between its turns."""
    if leaf.path[0] != "messages":
        return leaf.path[0], leaf.place
    message = content["messages"][leaf.path[1]]
    field_ = leaf.path[4:6] if leaf.path[2] == "tool_calls" else leaf.path[2]
    return message["role"], field_, leaf.place


def _limits(content: Mapping[str, Any], most: int) -> dict[str, Any]:
    """The request's bound on the answer, never above what the opening allows; one answer only."""
    if content.get("n") not in (None, 1):
        raise PolicyRefused("one answer at a time")
    named = [name for name in FIELDS if content.get(name) is not None]
    return {name: min(int(content[name]), most) for name in named} or {"max_tokens": most}


def _request(
    asked: Asked,
    opening: Opening,
    content: Mapping[str, Any],
    found: tuple[Found, ...],
    *,
    blocked: Blocked | None = None,
) -> Request:
    most = max((int(content[name]) for name in FIELDS if content.get(name) is not None), default=1)
    return Request(
        purposes=("infer.external",),
        provider=asked.provider,
        url=f"{opening.to}/chat/completions",
        data_digest="",
        message=ChatRequest(content=content, max_tokens=most),
        disclosures=asked.disclosures,
        found=found,
        blocked=blocked,
    )


def _places(spans: Sequence[Sequence[Span]]) -> tuple[Found, ...]:
    return tuple(
        Found(kind=span.kind, leaf=leaf, start=span.start, end=span.end)
        for leaf, several in enumerate(spans)
        for span in several
    )


def _wants_json(asked: Asked) -> bool:
    """Whether the answer's text is JSON, in which a restored value must be escaped."""
    wanted = asked.content.get("response_format")
    return isinstance(wanted, Mapping) and wanted.get("type") in ("json_object", "json_schema")


async def _restored(blocks: AsyncIterator[bytes], restoring: RestoringEvents) -> AsyncIterator[bytes]:
    async for block in blocks:
        if ready := restoring.feed(block):
            yield ready
    if rest := restoring.end():
        yield rest


def conversation_name(given: str | None) -> str | None:
    """A conversation's name from outside, if it is short and plain; otherwise none."""
    plain = (
        given is not None and 0 < len(given) <= 64 and given.isascii() and given.replace("-", "").isalnum()
    )
    return given if plain else None
