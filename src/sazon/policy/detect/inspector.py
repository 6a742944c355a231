"""Inspection of a text by all detectors in all its readings; whatever goes wrong means *blocked*.

A text is read as it stands, folded (`fold`), with escapes resolved and with markup left out
(`decode`); encoded blocks are opened, two levels deep. What is found is mapped back and merged.
"""

from __future__ import annotations

import bisect
import itertools
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from sazon.policy.detect.deadline import within
from sazon.policy.detect.decode import Piece, disguises, joined, laid_bare, pieces, unescaped, unmarked
from sazon.policy.detect.fold import fold
from sazon.policy.detect.reading import Reading
from sazon.policy.detect.span import Detector, Kind, Span

Reason = Literal["detector_failed", "timeout", "too_large", "opaque"]
"""Why a text is blocked."""
CHECKED: tuple[Kind, ...] = (
    "SECRET", "URL", "IBAN", "CARD", "ACCOUNT", "EMAIL", "NIF", "NIE", "CIF", "NSS", "NATIONAL_ID",
)  # fmt: skip
"""Kinds with a form of their own or a checksum: they name what overlaps them, the first one first."""
_LEVELS = 2
_CHUNK, _OVERLAP = 16_384, 1_024
_NEAR = 240
"""Characters about what a reading changed; elsewhere it is the plain text, which is read already."""
_DIGITS = re.compile(r"[0-9](?:[ .-]?[0-9]){6}")
"""In a block that was closed, so many digits are somebody's number, whatever they may be."""
_SEAM = 400
"""Characters of a part, at either end, that are read together with its neighbours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What was found in one text."""

    spans: tuple[Span, ...]
    """In order and disjoint; empty where the text could not be inspected to its end."""
    blocked: Reason | None = None
    """Why the text must not leave whatever its spans; None where it was inspected fully."""


class _TimeIsUp(Exception):
    """The deadline has passed."""


class Inspector:
    """Runs every detector on every reading of a text, within a deadline."""

    def __init__(self, detectors: Mapping[str, Detector], *, timeout_s: float, size_limit: int) -> None:
        """Keep the detectors.

        Args:
            detectors: by name, at least one.
            timeout_s: longest time of one inspection, > 0.
            size_limit: most characters of one text, > 0.

        Raises:
            ValueError: no detector, or a limit that lets nothing through.
        """
        if not detectors or timeout_s <= 0 or size_limit <= 0:
            raise ValueError("an inspector needs a detector, and limits above zero")
        self._detectors = dict(detectors)
        self._timeout_s = timeout_s
        self._size_limit = size_limit

    def inspect(self, text: str) -> Inspection:
        """All that the detectors find in a text, or why it is blocked; never raises for a text."""
        if len(text) > self._size_limit:
            return Inspection(spans=(), blocked="too_large")
        deadline = time.monotonic() + self._timeout_s
        found = within(self._timeout_s, lambda: self._inspect_until(text, deadline))
        return found or Inspection(spans=(), blocked="timeout")

    def inspect_joined(self, parts: Sequence[str], voices: Sequence[object] = ()) -> list[Inspection]:
        """Inspect the parts of a request, each alone, all in a row, and each voice's own in a row.

        What only a row shows (a number split over two parts) is cut back onto each part, hidden.
        Of long parts only the ends are read together. If a row cannot be inspected, no part is.

        Args:
            parts: texts, in the order in which they are read.
            voices: who says each; parts of one voice are read together also where others speak between.
        """
        alone = [self.inspect(part) for part in parts]
        if len(parts) < 2 or any(one.blocked not in (None, "opaque") for one in alone):
            return alone
        more: list[list[Span]] = [[] for _ in parts]
        for row, glue in itertools.product(_rows(len(parts), voices), ("", " ")):
            joined_parts = _Row([parts[index] for index in row], glue)
            together = self.inspect(joined_parts.text)
            if together.blocked not in (None, "opaque"):
                return [Inspection(spans=(), blocked=together.blocked) for _ in parts]
            for span in together.spans:
                # Without a space, words at a seam run together: only what spans the seam is real.
                for place, cut in joined_parts.cut(span, across_only=not glue):
                    more[row[place]].append(cut)
        return [_concluded([*one.spans, *found]) for one, found in zip(alone, more, strict=True)]

    def _inspect_until(self, text: str, deadline: float) -> Inspection:
        try:
            return _concluded(self._found(text, deadline, level=0))
        except _TimeIsUp:
            return Inspection(spans=(), blocked="timeout")
        except Exception:  # what a detector raises may hold the text: it is dropped here, unread
            return Inspection(spans=(), blocked="detector_failed")

    def _found(self, text: str, deadline: float, *, level: int) -> list[Span]:
        """Spans of a text in its own offsets, unmerged."""
        plain = Reading(text=text)
        folded = fold(plain)
        bare = laid_bare(folded)
        smooth = unmarked(bare)
        whole = joined(smooth)
        found = [span for _, span in self._detected(plain, deadline)]
        if folded is not plain:
            found += [span for _, span in self._detected(folded, deadline)]
        if bare is not folded:
            found += [_disguised(text, span, seen) for seen, span in self._detected(bare, deadline)]
        # What is found across markup or lines may be two things that happened to meet there.
        for reading, before, real in ((smooth, bare, (*CHECKED, "PHONE", "OTHER")), (whole, smooth, CHECKED)):
            if reading is not before:
                torn = self._detected(reading, deadline)
                found += [_disguised(text, span, seen) for seen, span in torn if span.kind in real]
        if bare is not folded and unescaped(bare) is not bare:
            found.append(Span(start=0, end=len(text), kind="OPAQUE", detector="decode", hidden=True))
        blocks = [(plain, piece) for piece in disguises(text)] if folded is not plain else []
        if bare is not folded:
            shown = unescaped(unescaped(plain))
            blocks += [(shown, piece) for piece in disguises(shown.text)]
        blocks += [(bare, piece) for piece in pieces(bare.text)]
        if bare is not plain:
            blocks += [(plain, piece) for piece in pieces(text)]
        return found + [s for reading, piece in blocks for s in self._opened(reading, piece, deadline, level)]

    def _detected(self, reading: Reading, deadline: float) -> Iterator[tuple[str, Span]]:
        """What detectors see in a reading, and its span in the original."""
        for start, chunk in _chunks(reading):
            for detect in self._detectors.values():
                if time.monotonic() > deadline:
                    raise _TimeIsUp
                for span in detect(chunk):
                    if span.end > len(chunk):
                        raise ValueError("a detector's span lies outside the text")
                    seen = chunk[span.start : span.end]
                    first, last = reading.original(start + span.start, start + span.end)
                    if (first, last) == (span.start, span.end):
                        yield seen, span
                        continue
                    moved = Span(
                        start=first, end=last, kind=span.kind, detector=span.detector, hidden=span.hidden
                    )
                    yield seen, moved

    def _opened(self, reading: Reading, piece: Piece, deadline: float, level: int) -> Iterator[Span]:
        """The block as a span, where it holds something sensitive or cannot be looked into."""
        kind: Kind = "OPAQUE"
        detector = "decode"
        if piece.text is not None and level < _LEVELS:
            inner = self._found(piece.text, deadline, level=level + 1)
            if inner:
                first = min(inner, key=_precedence)
                kind, detector = first.kind, first.detector
            elif _DIGITS.search(piece.text):
                kind = "OTHER"  # numbers glued together, as where two blocks stand side by side
            else:
                return
        start, end = reading.original(piece.start, piece.end)
        yield Span(start=start, end=end, kind=kind, detector=detector, hidden=True)


def default_inspector(
    names: Sequence[str] = ("patterns", "names"), *, timeout_s: float = 2.0, size_limit: int = 200_000
) -> Inspector:
    """An inspector with detectors found by name.

    Raises:
        PluginError: an unknown detector.
        EnvironmentLacks: a detector that needs a package that is not installed.
    """
    from sazon.core import registry

    detectors = {name: registry.load("detector", name) for name in names}
    return Inspector(detectors, timeout_s=timeout_s, size_limit=size_limit)


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Disjoint spans in order: what overlaps becomes one span over all of it.

    Its kind and detector are those of the member that comes first: a closed block, then the kinds of
    `CHECKED` in their order, then the longest, then the one that begins first, and `OTHER` last. It is
    hidden if any is.
    """
    groups: list[list[Span]] = []
    reach = 0
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if groups and span.start < reach:
            groups[-1].append(span)
        else:
            groups.append([span])
        reach = max(reach, span.end)
    return tuple(_one(group) for group in groups)


def _one(group: Sequence[Span]) -> Span:
    if len(group) == 1:
        return group[0]
    first = min(group, key=_precedence)
    end, hidden = max(s.end for s in group), any(s.hidden for s in group)
    return Span(start=group[0].start, end=end, kind=first.kind, detector=first.detector, hidden=hidden)


def _precedence(span: Span) -> tuple[int, int, int]:
    known = CHECKED.index(span.kind) if span.kind in CHECKED else len(CHECKED)
    rank = {"OPAQUE": -1, "OTHER": len(CHECKED) + 1}.get(span.kind, known)
    return rank, span.start - span.end, span.start


def _concluded(spans: Sequence[Span]) -> Inspection:
    """The inspection these spans make. A closed block that is a known secret is no riddle."""
    secrets = [s for s in spans if s.kind == "SECRET"]
    known = [
        s for s in spans
        if s.kind != "OPAQUE" or not any(k.start <= s.start and s.end <= k.end for k in secrets)
    ]  # fmt: skip
    closed = any(s.kind == "OPAQUE" for s in known)
    return Inspection(spans=merged(known), blocked="opaque" if closed else None)


def _disguised(text: str, span: Span, seen: str) -> Span:
    """A span of a reading, hidden where the original does not show what was seen."""
    if span.hidden or fold(text[span.start : span.end]).text == seen:
        return span
    return Span(start=span.start, end=span.end, kind=span.kind, detector=span.detector, hidden=True)


def _chunks(reading: Reading) -> Iterator[tuple[int, str]]:
    """Overlapping chunks, so that no detector works long between two looks at the clock."""
    text = reading.text
    windows = [(0, len(text))] if reading.starts is None else reading.near_changes(_NEAR)
    for start, end in windows:
        while start and start < end and text[start - 1].isalnum() and text[start].isalnum():
            start += 1  # not in the middle of a word
        while True:
            yield start, text[start : min(start + _CHUNK, end)]
            if start + _CHUNK >= end:
                break
            start += _CHUNK - _OVERLAP


def _rows(parts: int, voices: Sequence[object]) -> Iterator[Sequence[int]]:
    """Numbers of the parts to be read together: all, and those of each voice that is interrupted."""
    yield range(parts)
    of_voice: dict[object, list[int]] = {}
    for index, voice in enumerate(voices):
        of_voice.setdefault(voice, []).append(index)
    for row in of_voice.values():
        if row[-1] - row[0] >= len(row):
            yield row


class _Row:
    """Parts in a row, long ones with their middle left out, and the way back to each part."""

    def __init__(self, parts: Sequence[str], glue: str) -> None:
        self._fragments = [
            (index, offset, fragment, last)
            for index, part in enumerate(parts)
            for offset, fragment, last in _ends(part)
        ]
        pieces = [fragment + (glue if last else "\n\n") for _, _, fragment, last in self._fragments]
        self.text = "".join(pieces)
        self._starts = list(accumulate(map(len, pieces), initial=0))

    def cut(self, span: Span, *, across_only: bool) -> list[tuple[int, Span]]:
        """The span's share in each part."""
        shares = []
        at = max(0, bisect.bisect_right(self._starts, span.start) - 1)
        for (index, offset, fragment, _), begin in zip(
            self._fragments[at:], self._starts[at:-1], strict=True
        ):
            first, last = max(span.start, begin), min(span.end, begin + len(fragment))
            if begin >= span.end:
                break
            if first < last:
                shares.append((index, offset + first - begin, offset + last - begin))
        across = len({index for index, _, _ in shares}) > 1
        if across_only and not across:
            return []
        return [
            (i, Span(start=a, end=b, kind=span.kind, detector=span.detector, hidden=span.hidden or across))
            for i, a, b in shares
        ]


def _ends(part: str) -> Iterator[tuple[int, str, bool]]:
    if len(part) <= 2 * _SEAM:
        yield 0, part, True
    else:
        yield 0, part[:_SEAM], False
        yield len(part) - _SEAM, part[-_SEAM:], True
