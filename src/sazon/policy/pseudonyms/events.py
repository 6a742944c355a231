"""Restoring a stream of server-sent events in the shape of chat completions.

Every string of a choice is a channel of its own: its content, its refusal, its reasoning, the arguments
of each tool call. What one channel holds back comes out in the event that finishes its choice, or in one
before `[DONE]`.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from sazon.policy.pseudonyms.conversation import Conversation
from sazon.policy.pseudonyms.restoring import Restoring
from sazon.policy.pseudonyms.whole import STRUCTURE, json_fields

_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")
_Path = tuple[str | int, ...]
"""Names of fields; a number is the `index` of an entry in a list."""


class _Choice:
    """The channels of one choice of a stream."""

    def __init__(self, conversation: Conversation, *, json_content: bool) -> None:
        self._conversation = conversation
        self._json = json_fields(json_content)
        self._channels: dict[_Path, Restoring] = {}

    def fed(self, value: Any, path: _Path = ()) -> Any:
        """A delta with what is certain of every channel."""
        name = path[-1] if path else ""
        if name in STRUCTURE:
            return value
        if isinstance(value, str):
            # A tool's name comes whole, and clients read it from the first event.
            if name == "name":
                return self._conversation.restore(value)
            if path not in self._channels:
                self._channels[path] = Restoring(self._conversation, in_json=name in self._json)
            return self._channels[path].feed(value)
        if isinstance(value, list):
            return [self.fed(one, (*path, _index(one, i))) for i, one in enumerate(value)]
        if isinstance(value, dict):
            return {key: self.fed(one, (*path, key)) for key, one in value.items()}
        return value

    def flushed(self, choice: dict[str, Any]) -> bool:
        """Add to a choice what its channels still hold; whether there was anything."""
        held = {path: text for path, channel in self._channels.items() if (text := channel.end())}
        self._channels.clear()
        for path, text in held.items():
            _append(choice, path, text)
        return bool(held)


class RestoringEvents:
    """A stream of events in bytes, cut anywhere, with every known marker restored.

    An event of which nothing changes passes as it came. Inside arguments a value is escaped as JSON.
    """

    def __init__(self, conversation: Conversation, *, json_content: bool = False) -> None:
        """Begin a stream; `json_content` as in `restore_answer`."""
        self._conversation = conversation
        self._json_content = json_content
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._lines: list[str] = []
        self._choices: dict[int, _Choice] = {}
        self._head: dict[str, Any] = {}

    def feed(self, chunk: bytes) -> bytes:
        """The next bytes in, every finished event out."""
        self._rest += self._decoder.decode(chunk)
        out, at = [], 0
        for end in _LINE_END.finditer(self._rest):
            out.append(self._line(self._rest[at : end.start()]))
            at = end.end()
        self._rest = self._rest[at:]
        return "".join(out).encode()

    def end(self) -> bytes:
        """What is left of a stream that stopped, also without `[DONE]`."""
        rest = (self._rest + self._decoder.decode(b"", final=True)).removesuffix("\r")
        self._rest = ""
        return (self._line(rest) + self._line("") + self._remaining()).encode()

    def _line(self, line: str) -> str:
        """One line in; at the blank one that ends an event, the event out."""
        if line:
            self._lines.append(line)
            return ""
        if not self._lines:
            return ""
        lines, self._lines = self._lines, []
        data = "\n".join(one[5:].removeprefix(" ") for one in lines if one.startswith("data:"))
        as_it_came = "\n".join(lines) + "\n\n"
        if data.strip() == "[DONE]":
            return self._remaining() + as_it_came
        try:
            read = json.loads(data)
        except (ValueError, RecursionError):
            return as_it_came
        restored = self._restored(read)
        if restored == read:
            return as_it_came
        others = "".join(f"{one}\n" for one in lines if not one.startswith("data:"))
        return others + _event(restored)

    def _restored(self, event: Any) -> Any:
        if not isinstance(event, dict) or not isinstance(event.get("choices"), list):
            return event
        self._head = {key: value for key, value in event.items() if key not in ("choices", "usage")}
        return {**event, "choices": [self._choice(one, i) for i, one in enumerate(event["choices"])]}

    def _choice(self, choice: Any, position: int) -> Any:
        if not isinstance(choice, dict):
            return choice
        index = _index(choice, position)
        if index not in self._choices:
            self._choices[index] = _Choice(self._conversation, json_content=self._json_content)
        channels = self._choices[index]
        fed: dict[str, Any] = channels.fed(choice)
        if choice.get("finish_reason") is not None:
            channels.flushed(fed)
        return fed

    def _remaining(self) -> str:
        """Events with what channels hold whose choice was never finished."""
        out = []
        for index, channels in self._choices.items():
            choice: dict[str, Any] = {"index": index, "delta": {}, "finish_reason": None}
            if channels.flushed(choice):
                out.append(_event({**self._head, "choices": [choice]}))
        return "".join(out)


def _event(content: Mapping[str, Any]) -> str:
    """One event. In ASCII: half a character, which a provider may send, survives as an escape only."""
    return f"data: {json.dumps(content, separators=(',', ':'))}\n\n"


def _index(entry: Any, position: int) -> int:
    found = entry.get("index") if isinstance(entry, dict) else None
    return found if isinstance(found, int) else position


def _append(node: dict[str, Any], path: _Path, text: str) -> None:
    """Add text at the end of the string at a path, making what is missing on the way."""
    at: Any = node
    for step, following in pairwise(path):
        if isinstance(step, int):
            entry = next((one for i, one in enumerate(at) if _index(one, i) == step), None)
            if entry is None:
                entry = {"index": step}
                at.append(entry)
            at = entry
        else:
            if not isinstance(at.get(step), list | dict):
                at[step] = [] if isinstance(following, int) else {}
            at = at[step]
    last = path[-1]
    at[last] = (at.get(last) or "") + text
