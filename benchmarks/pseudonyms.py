"""Pseudonyms: 20,000 random chunkings without a difference, and what restoring costs.

    python benchmarks/pseudonyms.py [--chunkings N] [--out FILE.json]

Needs no data: texts are made up of markers in the spellings of models, broken markers, and prose. Times
are medians; a chunk is what a model sends at once, about four characters.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from keep import keep

from sazon.policy.detect import KINDS, Span
from sazon.policy.leaves import check_shape, leaves
from sazon.policy.pseudonyms import Conversation, Restoring, RestoringBytes, RestoringEvents, marker

GOAL_CHUNK_S = 50e-6
PROSE = (
    "El paciente, varón de 43 años, acude a urgencias por dolor en el pecho. Vive con su madre en un "
    "tercero sin ascensor (c/ Mayor, 3) y trabaja en [1] una tienda. The plan: rest, a[i] = {x: 1}, call "
    "back on Monday. PERSONAL history: none. Date of the next visit to be agreed by phone. "
)
BRACKETS = [
    ("⟦", "⟧"), ("⟦", "⟧"), ("[", "]"), ("【", "】"), ("<", ">"), ("⟦ **", "** ⟧"), ("", ""),
    ("\\u27e6", "\\u27e7"),
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the result."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    met: bool | None = None


def talk(values: int) -> tuple[Conversation, list[str]]:
    """A conversation of so many values, and their markers."""
    conversation, markers = Conversation(), []
    for i in range(values):
        value, kind = f'Nombre {i} "Apellido"\n', KINDS[i % len(KINDS)]
        span = Span(start=0, end=len(value), kind=kind, detector="benchmark")
        markers.append(conversation.cover(value, [span]))
    return conversation, markers


def answer(chance: random.Random, markers: list[str]) -> str:
    """What a model may write: prose, markers in many spellings, and broken ones."""
    pieces = []
    for _ in range(chance.randint(1, 6)):
        kind, _, code = chance.choice(markers)[1:-1].rpartition("_")
        join = chance.choice(["_", "_", "-", " ", "\\_"])
        kind, code = chance.choice([kind, kind, kind.lower(), "PERSONA"]), chance.choice([code, code.lower()])
        left, right = chance.choice(BRACKETS)
        whole = left + kind + join + code + right
        start = chance.randrange(len(PROSE))
        pieces += [PROSE[start : start + chance.randint(0, 30)], whole[: chance.choice([99, 99, 99, 9, 13])]]
    return "".join(pieces)


def cut(chance: random.Random, text: str, widest: int) -> list[str]:
    """A text in random pieces."""
    pieces, at = [], 0
    while at < len(text):
        size = chance.randint(0, widest)
        pieces.append(text[at : at + size])
        at += size
    return pieces


def differences(chunkings: int) -> tuple[int, int]:
    """How many chunkings, of characters or bytes, change what comes out; how many texts hold a marker."""
    conversation, markers = talk(50)
    chance = random.Random(1)
    wrong = restored = 0
    for _ in range(chunkings):
        text, widest = answer(chance, markers), chance.choice([1, 3, 8, 40])
        whole = conversation.restore(text)
        restored += whole != text
        stream = Restoring(conversation)
        out = [stream.feed(piece) for piece in cut(chance, text, widest)]
        raw, start = RestoringBytes(conversation), chance.randrange(len(text.encode()) + 1)
        in_bytes = raw.feed(text.encode()[:start]) + raw.feed(text.encode()[start:]) + raw.end()
        wrong += "".join([*out, stream.end()]) != whole or in_bytes != whole.encode()
    return wrong, restored


def per_chunk(stream: Callable[[], Callable[[str], object]], pieces: list[str]) -> tuple[float, float]:
    """Median and 99th percentile of the seconds one chunk takes."""
    times = []
    for _ in range(5):
        feed = stream()
        for piece in pieces:
            start = time.perf_counter()
            feed(piece)
            times.append(time.perf_counter() - start)
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


def rate(work: Callable[[], object], characters: int) -> float:
    """Characters a second, in millions; median of several runs."""
    times = []
    for _ in range(9):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return characters / statistics.median(times) / 1e6


def chunk_figures() -> list[Figure]:
    """What restoring adds to each chunk of a stream."""
    conversation, markers = talk(200)
    chance = random.Random(2)
    text = "".join(PROSE[: chance.randint(50, 300)] + chance.choice(markers) for _ in range(200))
    pieces = [text[i : i + 4] for i in range(0, len(text), 4)]
    plain, slowest = per_chunk(lambda: Restoring(conversation).feed, pieces)
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    events = [
        json.dumps(chunk | {"choices": [{"index": 0, "delta": {"content": p}, "finish_reason": None}]})
        for p in pieces
    ]

    def in_events() -> Callable[[str], object]:
        stream = RestoringEvents(conversation)
        return lambda event: stream.feed(b"data: " + event.encode() + b"\n\n")

    whole_event, slow_event = per_chunk(in_events, events)
    goal = GOAL_CHUNK_S * 1e6
    return [
        Figure(name="text chunk, median", value=plain * 1e6, unit="µs", goal=goal, met=plain <= GOAL_CHUNK_S),
        Figure(name="text chunk, 99th percentile", value=slowest * 1e6, unit="µs"),
        Figure(
            name="event, parsed and written again, median",
            value=whole_event * 1e6, unit="µs", goal=goal, met=whole_event <= GOAL_CHUNK_S,
        ),
        Figure(name="event, 99th percentile", value=slow_event * 1e6, unit="µs"),
    ]  # fmt: skip


def throughput_figures() -> list[Figure]:
    """Covering and restoring whole texts, and walking a request."""
    conversation, markers = talk(200)
    names = [f"Nombre {i}" for i in range(100)]
    text, spans = "", []
    for name in names:
        text += PROSE
        spans.append(Span(start=len(text), end=len(text) + len(name), kind="PERSON", detector="benchmark"))
        text += name
    answered = "".join(PROSE + one for one in markers)
    request = {"model": "m", "messages": [{"role": "user", "content": PROSE * 3}] * 100}
    results = json.dumps([{"name": name, "note": PROSE} for name in names])
    request["messages"] += [{"role": "tool", "tool_call_id": "a", "content": results}]
    size = len(json.dumps(request))

    def cover() -> str:
        return conversation.cover(text, spans)

    def restore() -> str:
        return conversation.restore(answered)

    def walk() -> None:
        check_shape(request)
        leaves(request)

    return [
        Figure(name="cover", value=rate(cover, len(text)), unit="M char/s"),
        Figure(name="restore", value=rate(restore, len(answered)), unit="M char/s"),
        Figure(name="check and walk a request", value=rate(walk, size), unit="M char/s"),
    ]  # fmt: skip


def main() -> None:
    """Measure, print, and say which goals were met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--chunkings", type=int, default=20_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    wrong, restored = differences(given.chunkings)
    figures = [
        Figure(name="chunkings", value=given.chunkings, unit="texts"),
        Figure(name="of them with something restored", value=restored, unit="texts"),
        Figure(name="differences", value=wrong, unit="texts", goal=0, met=wrong == 0),
        Figure(name="longest marker held back", value=marker.LONGEST, unit="characters"),
        *chunk_figures(),
        *throughput_figures(),
    ]
    for figure in figures:
        said = "" if figure.met is None else "  met" if figure.met else "  NOT met"
        goal = "" if figure.goal is None else f"  goal {figure.goal:g}"
        print(f"{figure.name:<42} {figure.value:>12,.2f} {figure.unit}{goal}{said}")
    keep(given.out, figures)


if __name__ == "__main__":
    main()
