"""Reading requests strictly: what is not understood is refused, never ignored or passed on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sazon.core.words import Language, say

WORDS = "sazon.gateway"
ROLES = ("system", "developer", "user", "assistant")
_NUMBER = (int, float, type(None))
IGNORED: Mapping[str, tuple[type, ...]] = {
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "max_tokens": _NUMBER,
    "max_completion_tokens": _NUMBER,
    "presence_penalty": _NUMBER,
    "frequency_penalty": _NUMBER,
    "seed": _NUMBER,
    "stop": (str, list, type(None)),
    "user": (str, type(None)),
    "metadata": (dict, type(None)),
}
"""Fields of the OpenAI shape that are taken and change nothing: a label has no temperature."""
_MEANT = ("model", "messages", "stream", "stream_options", "n")


class Refusal(Exception):
    """A request that is not answered: the phrase, the HTTP status, and the field it is about."""

    def __init__(
        self,
        phrase: str,
        status: int = 400,
        param: str | None = None,
        values: Mapping[str, object] | None = None,
    ) -> None:
        """Keep them; `values` fill the phrase and never hold what was sent."""
        super().__init__(phrase)
        self.phrase = phrase
        self.status = status
        self.param = param
        self.values = values or {}

    def as_json(self, language: Language) -> dict[str, Any]:
        """The error in OpenAI's shape; it never repeats what was sent."""
        kind = {403: "permission_error", 404: "not_found_error"}.get(self.status)
        kind = kind or ("server_error" if self.status >= 500 else "invalid_request_error")
        message = say(WORDS, language, f"error.{self.phrase}", **self.values)
        return {"error": {"message": message, "type": kind, "param": self.param, "code": self.phrase}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Chat:
    """What matters of a chat request."""

    model: str
    text: str = field(repr=False)
    stream: bool
    with_usage: bool


def parse(body: bytes) -> dict[str, Any]:
    """A JSON object, or a refusal."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal("bad_json") from None
    if not isinstance(content, dict):
        raise Refusal("not_object")
    return content


def chat(content: Mapping[str, Any]) -> Chat:
    """Read a chat request; the last user message is the text to answer."""
    for name, value in content.items():
        if name in IGNORED:
            if not isinstance(value, IGNORED[name]) or isinstance(value, bool):
                raise _bad(name)
        elif name not in _MEANT:
            raise Refusal("unknown_field", param=_shown(name), values={"field": _shown(name)})
    model, stream = content.get("model"), content.get("stream")
    if not isinstance(model, str):
        raise _bad("model")
    if not isinstance(stream, bool | None):
        raise _bad("stream")
    if content.get("n") not in (None, 1) or isinstance(content.get("n"), bool):
        raise Refusal("one_answer", param="n")
    return Chat(
        model=model,
        text=_last_user_text(content.get("messages")),
        stream=bool(stream),
        with_usage=_with_usage(content.get("stream_options")),
    )


def lenient(content: Mapping[str, Any]) -> Chat:
    """The last user message of a request that was meant for another model; what a label cannot use is left.

    Raises:
        Refusal: it holds no text of a user.
    """
    messages = content.get("messages")
    plain = [
        {"role": m["role"], "content": m.get("content") or ""}
        for m in (messages if isinstance(messages, list) else [])
        if isinstance(m, dict) and m.get("role") == "user"
    ]
    return Chat(
        model=str(content.get("model")),
        text=_last_user_text(plain),
        stream=content.get("stream") is True,
        with_usage=False,
    )


def inputs(content: Mapping[str, Any], *, limit: int) -> tuple[list[str], bool]:
    """Read a task request: the texts, and whether one was given alone."""
    for name in content:
        if name != "input":
            raise Refusal("unknown_field", param=_shown(name), values={"field": _shown(name)})
    given = content.get("input")
    if isinstance(given, str):
        return [_checked(given, "input")], True
    if not isinstance(given, list) or not given or not all(isinstance(one, str) for one in given):
        raise _bad("input")
    if len(given) > limit:
        raise Refusal("too_many", param="input", values={"limit": limit})
    return [_checked(one, "input") for one in given], False


def _last_user_text(messages: Any) -> str:
    if not isinstance(messages, list) or not messages:
        raise _bad("messages")
    last = None
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise _bad("messages")
        if set(message) - {"role", "content", "name"}:
            raise Refusal("unknown_field", param="messages", values={"field": "messages"})
        text = _text(message.get("content"))
        last = text if message["role"] == "user" else last
    if last is None:
        raise Refusal("no_user", param="messages")
    return _checked(last, "messages")


def _text(content: Any) -> str:
    """A message's text, also when it comes in parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise _bad("messages")
    for part in content:
        if not isinstance(part, dict):
            raise _bad("messages")
        if part.get("type") != "text":
            raise Refusal("only_text", param="messages")
        if not isinstance(part.get("text"), str) or set(part) - {"type", "text"}:
            raise _bad("messages")
    return "\n".join(part["text"] for part in content)


def _with_usage(options: Any) -> bool:
    if options is None:
        return False
    known = isinstance(options, dict) and not set(options) - {"include_usage"}
    if not known or not isinstance(options.get("include_usage", False), bool):
        raise _bad("stream_options")
    return bool(options.get("include_usage", False))


def _checked(text: str, name: str) -> str:
    if not text.strip():
        raise Refusal("empty", param=name)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Refusal("not_unicode", param=name) from None
    return text


def _bad(name: str) -> Refusal:
    return Refusal("bad_field", param=name, values={"field": name})


def _shown(name: str) -> str:
    """A field's name for the error, unless it looks like content."""
    return name if len(name) <= 40 and name.isascii() and name.replace("_", "").isalnum() else "(…)"


def language(accepted: str) -> Language:
    """Spanish where a client prefers it to English by Accept-Language; English otherwise."""
    weights = {"es": 0.0, "en": 0.0}
    for part in accepted.split(",")[:20]:
        name, _, rest = part.strip().partition(";")
        code = name.strip().lower().split("-")[0]
        if code in weights:
            weights[code] = max(weights[code], _weight(rest))
    return "es" if weights["es"] > weights["en"] else "en"


def _weight(rest: str) -> float:
    name, _, value = rest.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
