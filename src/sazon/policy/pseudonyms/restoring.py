"""Restoring a text that arrives in pieces: what comes out does not depend on how it was cut.

    restoring = Restoring(conversation)
    for chunk in stream: show(restoring.feed(chunk))
    show(restoring.end())

Only an open marker is held back, and no more than its greatest length.
"""

from __future__ import annotations

import codecs
import re

from sazon.policy.leaves import quoted
from sazon.policy.pseudonyms import marker
from sazon.policy.pseudonyms.conversation import Conversation

_IN_JSON = re.compile(r'"|\\.?|[^"\\]+', re.DOTALL)
_JSON_BEGINS = ('{"', '["', "[{", "[[")
_SPACES = ("\\n", "\\t", "\\r")


class Restoring:
    """One text in pieces, e.g. the content of one choice of a streamed answer."""

    def __init__(self, conversation: Conversation, *, in_json: bool = False) -> None:
        """Begin with an empty text; `in_json`: it is JSON, and values are escaped as deep as they stand."""
        self._conversation = conversation
        self._nesting = _Nesting() if in_json else None
        self._before = ""
        """The last character already dealt with: a name inside a word is none."""
        self._held = ""

    def feed(self, chunk: str) -> str:
        """The next piece in, all that is certain out."""
        return self._step(chunk, final=False)

    def end(self) -> str:
        """What was held back, now that nothing follows."""
        return self._step("", final=True)

    def _step(self, chunk: str, *, final: bool) -> str:
        text = self._before + self._held + chunk
        at = len(self._before)
        pieces = []
        while True:
            found = marker.FULL.search(text, at)
            growing = None if final else marker.GROWING.search(text, max(at, len(text) - marker.LONGEST))
            if growing is not None and (found is None or growing.start() <= found.start()):
                found, end = None, growing.start()
            else:
                end = found.start() if found else len(text)
            pieces.append(self._passed(text[at:end]))
            if found is None:
                at = end
                break
            pieces.append(self._put_back(found))
            at = found.end()
        self._before, self._held = text[max(at - 1, 0) : at], text[at:]
        return "".join(pieces)

    def _passed(self, text: str) -> str:
        if self._nesting:
            self._nesting.read(text)
        return text

    def _put_back(self, found: re.Match[str]) -> str:
        value = self._conversation.value(found)
        if value is None:
            return self._passed(found[0])
        return self._nesting.escaped(value) if self._nesting else value


class _Nesting:
    """Follows a JSON text: whether it stands in a string, and whether that string holds JSON again.

    Two levels, as tools have them; deeper ones are taken for the second.
    """

    def __init__(self) -> None:
        self._inside = False
        self._first = ""
        """The first two characters of the string, white space aside."""
        self._backslash = ""

    def read(self, text: str) -> None:
        """The next piece of the text."""
        text, self._backslash = self._backslash + text, ""
        for part in _IN_JSON.findall(text):
            if part == "\\":
                self._backslash = part
            elif part == '"':
                self._inside, self._first = not self._inside, ""
            elif self._inside and len(self._first) < 2 and part not in _SPACES:
                self._first = (self._first + "".join(part.removeprefix("\\").split()))[:2]

    def escaped(self, value: str) -> str:
        """A value as it must stand at this place."""
        once = quoted(value)[1:-1]
        nested = self._inside and self._first in _JSON_BEGINS
        self._first = self._first or value
        return quoted(once)[1:-1] if nested else once


class RestoringBytes:
    """The same over UTF-8, cut anywhere, also inside a character; bytes that are none pass unchanged."""

    def __init__(self, conversation: Conversation, *, in_json: bool = False) -> None:
        """Begin with an empty text; `in_json` as in `Restoring`."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._restoring = Restoring(conversation, in_json=in_json)

    def feed(self, chunk: bytes) -> bytes:
        """The next piece in, all that is certain out."""
        return self._encoded(self._restoring.feed(self._decoder.decode(chunk)))

    def end(self) -> bytes:
        """What was held back, now that nothing follows."""
        last = self._restoring.feed(self._decoder.decode(b"", final=True))
        return self._encoded(last + self._restoring.end())

    def _encoded(self, text: str) -> bytes:
        # A value may itself hold half a character, which UTF-8 cannot: it comes out as U+FFFD.
        try:
            return text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
