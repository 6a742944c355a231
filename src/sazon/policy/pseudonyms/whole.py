"""Whole requests covered, whole answers restored, in the shape of chat completions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sazon.policy.chat import CHAT
from sazon.policy.detect.span import Span
from sazon.policy.leaves import Leaf, holds_json, leaves, replaced, replaced_in_json
from sazon.policy.pseudonyms.conversation import Conversation
from sazon.policy.pseudonyms.restoring import Restoring
from sazon.policy.shape import Shape

STRUCTURE = frozenset({"role", "type", "id", "object", "finish_reason", "logprobs", "index"})
"""Fields of a choice that hold nothing to restore."""


def cover_request(
    request: Any,
    conversation: Conversation,
    spans: Callable[[Leaf], Sequence[Span]],
    *,
    shape: Shape = CHAT,
) -> Any:
    """A request with every span of every leaf covered; what was found once is covered wherever it stands.

    Args:
        request: JSON, as Python reads it; checked before (`check_shape`).
        conversation: keeps the values.
        spans: what is sensitive in a leaf; asked once a leaf, in the order of `leaves(request)`.
        shape: what in the request is structure.

    Raises:
        PolicyRefused: it cannot be looked into, or two keys of one object would become the same.
        PluginError: a span ends outside its leaf.
    """
    found = [(leaf, spans(leaf)) for leaf in leaves(request, shape)]
    conversation.reserve(leaf.text for leaf, _ in found)
    for leaf, there in found:
        conversation.cover(leaf.text, there)
    waiting = iter(found)

    def covered(leaf: Leaf) -> str:
        _, there = next(waiting)
        everywhere = [*there, *conversation.known(leaf.text)]
        return conversation.cover(leaf.text, everywhere, name=leaf.place == "name")

    return replaced(request, covered, shape)


def restore_answer(
    answer: Mapping[str, Any], conversation: Conversation, *, json_content: bool = False
) -> dict[str, Any]:
    """A chat completion with every known marker restored: content, reasoning, names, arguments.

    Args:
        answer: the provider's answer.
        conversation: whose markers it may hold.
        json_content: the content is JSON as well, because the request asked for it.
    """
    choices = answer.get("choices")
    if not isinstance(choices, list):
        return dict(answer)
    in_json = json_fields(json_content)
    return {**answer, "choices": [_restored(choice, "", conversation, in_json) for choice in choices]}


def restore_json(text: str, conversation: Conversation) -> str:
    """A whole JSON text restored, values escaped as deep as they stand; cut-off JSON as well as may be."""
    if holds_json(text):
        return replaced_in_json(text, lambda leaf: conversation.restore(leaf.text))
    restoring = Restoring(conversation, in_json=True)
    return restoring.feed(text) + restoring.end()


def json_fields(json_content: bool) -> frozenset[str]:
    """Names of the fields of an answer whose text is JSON."""
    return frozenset({"arguments", "content"} if json_content else {"arguments"})


def _restored(value: Any, name: str, conversation: Conversation, in_json: frozenset[str]) -> Any:
    if name in STRUCTURE:
        return value
    if isinstance(value, str):
        return restore_json(value, conversation) if name in in_json else conversation.restore(value)
    if isinstance(value, list):
        return [_restored(one, "", conversation, in_json) for one in value]
    if isinstance(value, Mapping):
        return {key: _restored(one, key, conversation, in_json) for key, one in value.items()}
    return value
