"""One conversation's pseudonyms: the same value keeps its marker over all turns, and nowhere else.

    covered = conversation.cover("Soy Ana López", spans)     "Soy ⟦PERSON_7K2QX9⟧"
    conversation.restore("Hola, ⟦PERSON_7K2QX9⟧")            "Hola, Ana López"

Markers are random, so two conversations cannot be linked by them, and one cannot pull the values of
another: its codes mean nothing there.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from sazon.core.errors import IntegrityError, PluginError
from sazon.policy.detect.span import KINDS, Kind, Span
from sazon.policy.pseudonyms import marker
from sazon.policy.pseudonyms.value import FIRST_WORD, identity, merged, telling

_VERSION = 1
_OURS = "pseudonyms"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    """A value that has a marker."""

    kind: Kind
    code: str
    value: str = field(repr=False)
    """As it was first written; this is what comes back."""
    identity: str = field(repr=False)


class Conversation:
    """Values and their markers. Several threads may use one at the same time."""

    def __init__(self, *, draw: Callable[[], str] = marker.draw) -> None:
        """Begin without any; `draw` gives codes nobody can guess."""
        self._draw = draw
        self._by_value: dict[tuple[Kind, str], _Entry] = {}
        self._by_code: dict[str, _Entry] = {}
        self._by_word: dict[str, list[tuple[int, _Entry]]] = {}
        """First word of a value → where in the value it begins, and the value."""
        self._taken: set[str] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many values have a marker."""
        return len(self._by_code)

    def __repr__(self) -> str:
        """No values."""
        return f"<Conversation of {len(self)} values>"

    def reserve(self, texts: Iterable[str]) -> None:
        """Keep every code that stands in these texts from being drawn for a new marker.

        `cover` does so for its own text. Give all texts of a request at once before covering the first.
        """
        self._reserve(found for text in texts for found in marker.FULL.finditer(text))

    def cover(self, text: str, spans: Sequence[Span] = (), *, name: bool = False) -> str:
        """The text with a marker in the place of every span, and of whatever already looks like one.

        To be called for every text that leaves, also where nothing was found in it: a text that holds
        something like a marker would otherwise be taken for one when it is echoed.

        Args:
            text: what a person, a document or a tool wrote.
            spans: what is sensitive in it; they may overlap.
            name: only an identifier may stand here (a tool's name): with anything in it to cover, the
                whole becomes one marker without brackets.

        Raises:
            PluginError: a span ends outside the text: it was found in another.
        """
        if any(span.end > len(text) for span in spans):
            raise PluginError("a detector gave a span outside the text", mend="Report it to its author.")
        lookalikes = list(marker.FULL.finditer(text))
        self._reserve(lookalikes)
        places = merged([*spans, *self._misleading(lookalikes)])
        if name and places:
            longest = max(places, key=lambda span: span.end - span.start)
            entry = self._entry(longest.kind, text, exact=True)
            return marker.written(entry.kind, entry.code, name=True)
        pieces, end = [], 0
        for span in places:
            # A disguise can only come back as it was.
            entry = self._entry(span.kind, text[span.start : span.end], exact=span.hidden)
            pieces += [text[end : span.start], marker.written(entry.kind, entry.code)]
            end = span.end
        return "".join([*pieces, text[end:]])

    def mention(self, kind: Kind, value: str) -> None:
        """Give a value a marker although no detector found it; `known` finds it from now on.

        Not one so short or so common that it may be chance.
        """
        if telling(kind, value):
            self._entry(kind, value, exact=False)

    def known(self, text: str) -> list[Span]:
        """Where values of this conversation stand in a text, whatever a detector makes of it.

        Whole words in any case; not values so short or so common that they may be chance.
        """
        found = []
        for word in FIRST_WORD.finditer(text):
            for before, entry in self._by_word.get(word[0].casefold(), ()):
                start = word.start() - before
                end = start + len(entry.value)
                same = start >= 0 and text[start:end].casefold() == entry.value.casefold()
                if same and not (text[end - 1].isalnum() and text[end : end + 1].isalnum()):
                    found.append(Span(start=start, end=end, kind=entry.kind, detector=_OURS))
        return found

    def restore(self, text: str) -> str:
        """The text with every known marker's value in its place, in one pass; unknown ones stay.

        A value that holds something like a marker comes back as it is.
        """
        return marker.FULL.sub(lambda found: self.value(found) or found[0], text)

    def value(self, found: re.Match[str]) -> str | None:
        """What a marker that `marker.FULL` found stands for; None where it stands for nothing here."""
        entry = self._by_code.get(marker.code_of(found))
        return entry.value if entry else None

    def dump(self) -> bytes:
        """Everything, in clear: for the vault alone."""
        with self._lock:
            entries = [[e.kind, e.code, e.value, e.identity] for e in self._by_code.values()]
            content = {_OURS: _VERSION, "entries": entries, "taken": sorted(self._taken)}
        # Lone surrogates survive as escapes.
        return json.dumps(content).encode()

    @classmethod
    def load(cls, content: bytes) -> Conversation:
        """What `dump` gave.

        Raises:
            IntegrityError: it is not what `dump` gives.
        """
        conversation = cls()
        try:
            read = json.loads(content)
            if read[_OURS] != _VERSION:
                raise ValueError
            for kind, code, value, same in read["entries"]:
                if kind not in KINDS or not all(isinstance(one, str) for one in (code, value, same)):
                    raise ValueError
                conversation._keep(_Entry(kind=kind, code=code, value=value, identity=same))
            conversation._taken |= {str(code) for code in read["taken"]}
        except (ValueError, KeyError, TypeError, RecursionError):
            raise IntegrityError("the pseudonyms of a conversation cannot be read", where="vault") from None
        return conversation

    def _reserve(self, lookalikes: Iterable[re.Match[str]]) -> None:
        codes = {marker.code_of(found) for found in lookalikes}
        with self._lock:
            self._taken |= codes

    def _misleading(self, lookalikes: Iterable[re.Match[str]]) -> list[Span]:
        """Places that would be taken for a marker: between our brackets, or with a code of ours."""
        return [
            Span(start=found.start(), end=found.end(), kind="OTHER", detector=_OURS, hidden=True)
            for found in lookalikes
            if marker.is_canonical(found) or marker.code_of(found) in self._by_code
        ]

    def _entry(self, kind: Kind, value: str, *, exact: bool) -> _Entry:
        same = identity(kind, value, exact=exact)
        with self._lock:
            entry = self._by_value.get((kind, same))
            if entry is None:
                code = self._draw()
                while code in self._taken:
                    code = self._draw()
                entry = _Entry(kind=kind, code=code, value=value, identity=same)
                self._keep(entry)
            return entry

    def _keep(self, entry: _Entry) -> None:
        self._by_value[entry.kind, entry.identity] = entry
        self._by_code[entry.code] = entry
        self._taken.add(entry.code)
        first = FIRST_WORD.search(entry.value)
        if first and telling(entry.kind, entry.value):
            self._by_word.setdefault(first[0].casefold(), []).append((first.start(), entry))
