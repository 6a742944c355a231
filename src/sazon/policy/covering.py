"""Texts of a data set on their way out: looked into and covered as the passage covers a live request.

What is measured at a provider is then what will be served: the same detectors, the same markers, and
the same texts that stay here because they cannot be looked into.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sazon.core.errors import PolicyRefused
from sazon.policy.detect.span import Span
from sazon.policy.leaves import Leaf, check_shape, leaves
from sazon.policy.passage import Inspects
from sazon.policy.pseudonyms import Conversation, cover_request, restore_answer
from sazon.policy.ruling import Blocked, Found

_ANY = "any"
"""A model's name where the request has none yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Covered:
    """Texts as they may go, and what brings the answer back."""

    texts: tuple[str, ...] = field(repr=False)
    """As many as were given; none where one of them is blocked."""
    found: tuple[Found, ...]
    blocked: Blocked | None
    """Why they must stay here; None where every one was looked into."""
    pseudonyms: Conversation
    """Their own and nobody else's: markers of two texts cannot be linked."""

    def restored(self, body: bytes) -> bytes:
        """An answer's JSON with every marker's value in its place; itself where it is no JSON."""
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            return body
        if not isinstance(answer, dict):
            return body
        return json.dumps(restore_answer(answer, self.pseudonyms)).encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Covering:
    """Covers texts by what an inspector finds in them."""

    inspector: Inspects

    def cover(self, texts: Sequence[str], *, beside: Sequence[str] = ()) -> Covered:
        """Cover texts that go out together, each looked into by itself.

        Args:
            texts: of people; what is found in one is covered in all.
            beside: what goes with them as it is; markers in it are not used again.
        """
        content = {"model": _ANY, "messages": [{"role": "user", "content": text} for text in texts]}
        pseudonyms = Conversation()
        try:
            check_shape(content)
            found, blocked = self._looked_into(leaves(content))
        except PolicyRefused:
            found, blocked = [], "shape"
        if blocked is not None:
            return Covered(texts=(), found=(), blocked=blocked, pseudonyms=pseudonyms)
        pseudonyms.reserve(beside)
        waiting = iter(found)
        covered: Any = cover_request(content, pseudonyms, lambda leaf: next(waiting))
        places = (
            Found(kind=span.kind, leaf=number, start=span.start, end=span.end)
            for number, spans in enumerate(found)
            for span in spans
        )
        said = tuple(str(message["content"]) for message in covered["messages"])
        return Covered(texts=said, found=tuple(places), blocked=None, pseudonyms=pseudonyms)

    def _looked_into(self, found: Sequence[Leaf]) -> tuple[list[tuple[Span, ...]], Blocked | None]:
        """The spans of every leaf, or why a text stays here."""
        spans: list[tuple[Span, ...]] = []
        # Everything but the texts is ours, so every leaf lies in a message: `messages`, its number, …
        for _, several in groupby(found, key=lambda leaf: leaf.path[:2]):
            inspected = self.inspector.inspect_joined([leaf.text for leaf in several])
            blocked = next((one.blocked for one in inspected if one.blocked), None)
            if blocked is not None:
                return [], blocked
            spans += [one.spans for one in inspected]
        return spans, None
