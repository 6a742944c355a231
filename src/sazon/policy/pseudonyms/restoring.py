"""Restoring a text that arrives in pieces: what comes out does not depend on how it was cut.

    restoring = Restoring(conversation)
    for chunk in stream: show(restoring.feed(chunk))
    show(restoring.end())

Only an open marker is held back, and no more than its greatest length.
"""

from __future__ import annotations

import codecs

from sazon.policy.leaves import holds_json, replaced_in_json
from sazon.policy.pseudonyms import marker
from sazon.policy.pseudonyms.conversation import Conversation


class Restoring:
    """One text in pieces, e.g. the content of one choice of a streamed answer."""

    def __init__(self, conversation: Conversation, *, in_json: bool = False) -> None:
        """Begin with an empty text; `in_json` as in `Conversation.restore`."""
        self._conversation = conversation
        self._in_json = in_json
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
                pieces.append(text[at : growing.start()])
                at = growing.start()
                break
            if found is None:
                pieces.append(text[at:])
                at = len(text)
                break
            pieces += [text[at : found.start()], self._conversation.restored(found, in_json=self._in_json)]
            at = found.end()
        self._before, self._held = text[max(at - 1, 0) : at], text[at:]
        return "".join(pieces)


class RestoringBytes:
    """The same over UTF-8, cut anywhere, also inside a character; bytes that are none pass unchanged."""

    def __init__(self, conversation: Conversation, *, in_json: bool = False) -> None:
        """Begin with an empty text; `in_json` as in `Conversation.restore`."""
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


def restored_json(conversation: Conversation, text: str) -> str:
    """A whole JSON text restored, values escaped as deep as they stand; cut-off JSON as well as may be."""
    if holds_json(text):
        return replaced_in_json(text, lambda leaf: conversation.restore(leaf.text))
    return conversation.restore(text, in_json=True)
