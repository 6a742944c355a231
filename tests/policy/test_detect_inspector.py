"""The inspector: whatever goes wrong with a text blocks it, and nothing of it comes out."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.core.errors import PluginError
from sazon.policy.detect.inspector import Inspector, default_inspector, merged
from sazon.policy.detect.patterns import find
from sazon.policy.detect.span import Detector, Kind, Span

CANARY = "canary-8f3a"


def inspector(detect: Detector, *, timeout_s: float = 60, size_limit: int = 10_000) -> Inspector:
    return Inspector({"one": detect}, timeout_s=timeout_s, size_limit=size_limit)


def span(start: int, end: int, kind: Kind = "PERSON", hidden: bool = False) -> Span:
    return Span(start=start, end=end, kind=kind, detector="test", hidden=hidden)


def test_a_detector_that_fails_blocks_and_says_nothing_of_the_text(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(text: str) -> Sequence[Span]:
        raise RuntimeError(text)

    seen = inspector(broken).inspect(CANARY)
    assert (seen.blocked, seen.spans) == ("detector_failed", ())
    assert CANARY not in repr(seen) + caplog.text + "".join(capsys.readouterr())


def test_a_span_outside_the_text_blocks() -> None:
    assert inspector(lambda text: [span(0, len(text) + 1)]).inspect("abc").blocked == "detector_failed"


def test_no_answer_in_time_blocks() -> None:
    free = threading.Event()

    def endless(text: str) -> Sequence[Span]:
        free.wait()
        return []

    try:
        assert inspector(endless, timeout_s=0.01).inspect(CANARY).blocked == "timeout"
        assert [one.blocked for one in inspector(endless, timeout_s=0.01).inspect_joined(["a", "b"])] == [
            "timeout"
        ] * 2
    finally:
        free.set()


def test_a_thread_is_used_again_unless_it_was_given_up() -> None:
    seen: list[int] = []
    free = threading.Event()

    def noting(text: str) -> Sequence[Span]:
        seen.append(threading.get_ident())
        if text == "slow":
            free.wait()
        return []

    try:
        assert inspector(noting).inspect("a").blocked is None
        assert inspector(noting).inspect("b").blocked is None
        assert inspector(noting, timeout_s=0.01).inspect("slow").blocked == "timeout"
        assert inspector(noting).inspect("c").blocked is None
    finally:
        free.set()
    assert seen[0] == seen[1] == seen[2] != seen[3]


def test_a_forked_process_inspects_with_threads_of_its_own() -> None:
    # In a process of its own: forking one that has other threads is warned of.
    code = (
        "import os; from sazon.policy.detect.inspector import Inspector;"
        " i = Inspector({'one': lambda text: []}, timeout_s=20, size_limit=9); i.inspect('a');"
        " child = os.fork() or os._exit(i.inspect('b').blocked is not None);"
        " raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60).returncode == 0


def test_too_large_a_text_blocks_without_being_read() -> None:
    calls: list[str] = []
    seen = inspector(lambda text: calls.append(text) or [], size_limit=5).inspect("123456")
    assert (seen.blocked, calls) == ("too_large", [])


def test_an_inspector_that_lets_all_through_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a detector"):
        Inspector({}, timeout_s=1, size_limit=1)
    with pytest.raises(ValueError, match="limits above zero"):
        Inspector({"one": find}, timeout_s=0, size_limit=1)


def test_a_detector_that_is_not_there_is_an_error() -> None:
    with pytest.raises(PluginError, match="patern"):
        default_inspector(("patern",))
    assert default_inspector(("patterns",)).inspect("12345678Z").spans[0].kind == "NIF"


def test_long_texts_are_read_in_chunks_and_nothing_is_lost_at_their_seams() -> None:
    sizes: list[int] = []

    def counting(text: str) -> Sequence[Span]:
        sizes.append(len(text))
        return find(text)

    text = " ".join(["12345678Z y"] * 10_000)
    seen = inspector(counting, size_limit=10**6).inspect(text)
    assert max(sizes) <= 16_384
    assert sum(sizes) <= 1.1 * len(text)
    assert [(s.start, s.end) for s in seen.spans] == [(12 * i, 12 * i + 9) for i in range(10_000)]


SPANS = st.lists(
    st.builds(
        span,
        st.integers(0, 20),
        st.integers(21, 40),
        st.sampled_from(["PERSON", "NIF", "OTHER", "EMAIL"]),
        st.booleans(),
    )
    | st.integers(0, 60).map(lambda i: span(i, i + 3)),
    max_size=12,
)


@given(SPANS)
def test_merging_covers_the_same_characters_once(spans: list[Span]) -> None:
    result = merged(spans)
    assert all(a.end <= b.start for a, b in pairwise(result))
    assert {i for s in result for i in range(s.start, s.end)} == {
        i for s in spans for i in range(s.start, s.end)
    }
    assert merged(result) == result


def test_the_surer_kind_names_what_overlaps() -> None:
    assert [s.kind for s in merged([span(0, 20, "PERSON"), span(5, 14, "NIF")])] == ["NIF"]
    assert [s.kind for s in merged([span(0, 20, "ADDRESS"), span(5, 30, "PLACE")])] == ["PLACE"]
    assert merged([span(0, 5, "OTHER", hidden=True), span(0, 5)])[0].hidden
    assert [s.kind for s in merged([span(0, 5), span(5, 9, "NIF")])] == ["PERSON", "NIF"]


@given(st.lists(st.text("12345678Z \n@.ab", max_size=12), max_size=5))
def test_every_share_of_a_split_span_lies_inside_its_part(parts: list[str]) -> None:
    for part, one in zip(parts, inspector(find).inspect_joined(parts), strict=True):
        assert one.blocked is None
        assert all(s.end <= len(part) for s in one.spans)
