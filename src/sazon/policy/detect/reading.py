"""A text as it can be read, with the way back: each of its characters knows where it came from."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A text derived from an original one.

    A piece of the original that was rewritten is a unit: all characters it became map to all of it.
    """

    text: str
    starts: array[int] | None = None
    """Shape (len(text),): where in the original each character begins; None where nothing moved."""
    ends: array[int] | None = None
    """Shape (len(text),): where in the original each character ends, exclusive."""
    changed: tuple[int, ...] = ()
    """Where in the original something was rewritten, step by step, in no order."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the original of the characters `start` up to, not including, `end` (not empty)."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]

    def rewritten(self, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str]) -> Reading:
        """This reading with every match replaced; itself where that changes nothing."""
        pieces: list[str] = []
        starts, ends = array("L"), array("L")
        changed = list(self.changed)
        done = 0
        for match in pattern.finditer(self.text):
            new = replace(match)
            if new == match.group():
                continue
            begin, stop = match.span()
            self._copy(done, begin, pieces, starts, ends)
            first, last = self.original(begin, stop)
            changed.append(first)
            pieces.append(new)
            starts.extend([first] * len(new))
            ends.extend([last] * len(new))
            done = stop
        if not done:
            return self
        self._copy(done, len(self.text), pieces, starts, ends)
        return Reading(text="".join(pieces), starts=starts, ends=ends, changed=tuple(changed))

    def near_changes(self, reach: int) -> Iterator[tuple[int, int]]:
        """Disjoint windows of this reading, `reach` characters about what was rewritten."""
        if self.starts is None:
            return
        low = high = -1
        for position in sorted(self.changed):
            if position - reach > high:
                if high >= 0:
                    yield bisect_left(self.starts, low), bisect_left(self.starts, high)
                low = max(0, position - reach)
            high = position + reach
        if high >= 0:
            yield bisect_left(self.starts, low), bisect_left(self.starts, high)

    def _copy(self, begin: int, stop: int, pieces: list[str], starts: array[int], ends: array[int]) -> None:
        pieces.append(self.text[begin:stop])
        if self.starts is None or self.ends is None:
            starts.extend(range(begin, stop))
            ends.extend(range(begin + 1, stop + 1))
        else:
            starts.extend(self.starts[begin:stop])
            ends.extend(self.ends[begin:stop])
