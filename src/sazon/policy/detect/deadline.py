"""Work that must end in time: done in another thread, and given up where it does not.

Threads are kept for the next work, since starting one takes longer than reading a short text. One that
was given up is not used again, and ends when its work does.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T | None:
    """What `work` returns, or None where it takes longer; `work` must not raise."""
    try:
        worker = _idle.pop()
    except IndexError:
        worker = _Worker()
    try:
        result: T = worker.done(work, seconds)
    except Empty:
        worker.leave()
        return None
    except BaseException:  # the caller is interrupted
        worker.leave()
        raise
    _idle.append(worker)
    return result


class _Worker:
    """A thread that does one thing after another."""

    def __init__(self) -> None:
        self._wanted: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._results: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self._run, daemon=True, name="inspect").start()

    def done(self, work: Callable[[], Any], seconds: float) -> Any:
        self._wanted.put(work)
        return self._results.get(timeout=seconds)

    def leave(self) -> None:
        self._wanted.put(None)

    def _run(self) -> None:
        while (work := self._wanted.get()) is not None:
            self._results.put(work())
            del work  # it holds a text


_idle: list[_Worker] = []
"""Workers that wait; taking one and putting it back are single steps, so no lock is needed."""
os.register_at_fork(after_in_child=_idle.clear)  # a forked process has none of these threads
