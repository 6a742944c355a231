"""Times with several callers at once, who queue for one predictor as they do in the gateway."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sazon.core.seams import Predictor


def ask_together(predictor: Predictor, texts: Sequence[str], *, callers: int) -> tuple[list[float], float]:
    """Let `callers` ask one text after another, each waiting for its answer before the next.

    Predictors need not be safe to call from several threads, so one answers at a time, first come
    first served; a time runs from asking to answer, the wait in the queue included (a closed loop).

    Args:
        predictor: warm already.
        texts: dealt out to the callers in turn.
        callers: how many ask at once.

    Returns:
        Seconds of every request, caller by caller; and seconds from the first to the last.
    """
    with ThreadPoolExecutor(1) as server, ThreadPoolExecutor(callers) as crowd:

        def ask_all(mine: Sequence[str]) -> list[float]:
            seconds = []
            for text in mine:
                began = time.perf_counter()
                server.submit(predictor.predict, [text]).result()
                seconds.append(time.perf_counter() - began)
            return seconds

        began = time.perf_counter()
        waits = list(crowd.map(ask_all, [texts[i::callers] for i in range(callers)]))
        wall = time.perf_counter() - began
    return [second for mine in waits for second in mine], wall
