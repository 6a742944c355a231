"""Group commit: callers in several threads share one transaction.

Whoever comes while others are written waits; one of those who waited then writes for all. Before it does
it waits a little for those it expects, since threads that were just served usually come straight back:
half as long as a write takes, and only where several came before, so a single caller never waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sazon.core.errors import EnvironmentLacks

T = TypeVar("T")
LONGEST_WAIT_S = 0.005


class Together(Generic[T]):
    """Calls `write` with everything that waits; items of one caller stay together and in order."""

    def __init__(self, write: Callable[[Sequence[T]], int]) -> None:
        """Share `write`, which returns the index of the first item; it is never called twice at once."""
        self._write = write
        self._changed = threading.Condition()
        self._waiting: list[_Share[T]] = []
        self._writing = False
        self._crowd = 1
        self._took_s = 0.0

    def add(self, items: Sequence[T]) -> int:
        """Have items written, by this thread or another; returns the index of the first.

        Raises:
            Exception: what `write` raised, to everybody whose items were in it.
        """
        mine = _Share(items)
        with self._changed:
            self._waiting.append(mine)
            self._changed.notify_all()
            self._changed.wait_for(lambda: mine.done or not self._writing)
            if not mine.done:
                self._writing = True
                limit_s = min(self._took_s / 2, LONGEST_WAIT_S)
                self._changed.wait_for(lambda: len(self._waiting) >= self._crowd, limit_s)
                shares, self._waiting = self._waiting, []
        if not mine.done:
            self._serve(shares)
        if mine.error is not None:
            raise mine.error
        return mine.first

    def _serve(self, shares: Sequence[_Share[T]]) -> None:
        """Write for all, and tell them."""
        failed: Exception | None = EnvironmentLacks("the writer was interrupted", mend="Try again.")
        first, began = 0, time.perf_counter()
        try:
            first = self._write([item for share in shares for item in share.items])
            failed = None
        except Exception as error:
            failed = error
        finally:
            # Also where this thread is interrupted: nobody may wait for ever.
            with self._changed:
                for share in shares:
                    share.first, share.error, share.done = first, failed, True
                    first += len(share.items)
                self._took_s = time.perf_counter() - began
                self._crowd = len(shares) + len(self._waiting)
                self._writing = False
                self._changed.notify_all()


class _Share(Generic[T]):
    """The items of one caller, and what became of them."""

    def __init__(self, items: Sequence[T]) -> None:
        self.items = items
        self.first = 0
        self.error: Exception | None = None
        self.done = False
