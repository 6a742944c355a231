"""A gatehouse before a provider that keeps every byte, and the oracle over it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sazon.policy.detect.inspector import Inspector
from sazon.policy.detect.patterns import find
from sazon.policy.ruling import Denied
from sazon.testing.fake_provider import FakeProvider
from sazon.testing.gatehouse import Gatehouse, gatehouse

from .canaries import Canary, leaked, told


@pytest.fixture
def inspector() -> Inspector:
    return Inspector({"patterns": find}, timeout_s=20.0, size_limit=100_000)


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider(lambda text: f"You said: {text}") as running:
        yield running


@pytest.fixture
def house(tmp_path: Path, provider: FakeProvider, inspector: Inspector) -> Iterator[Gatehouse]:
    """With the consent of Ana, who is `c-118`."""
    with gatehouse(tmp_path, provider, inspector=inspector) as opened:
        opened.consent("c-118")
        yield opened


Smuggle = Callable[..., str]


@pytest.fixture
def smuggle(house: Gatehouse, provider: FakeProvider) -> Smuggle:
    """Send a request with canaries in it: it is masked, or it is blocked; never do they arrive."""

    def sent(content: dict[str, Any], *canaries: Canary, **more: Any) -> str:
        before = len(provider.received)
        try:
            house.ask(content, subjects=["c-118"], **more)
        except Denied as denied:
            shown = f"{denied!r} {denied} {everything_about(denied)}"
            assert len(provider.received) == before, "refused, and yet something was sent"
            assert not any(told(shown, one) for one in canaries)
            return denied.ruling.reason
        arrived = provider.received[before:]
        assert arrived
        for one in canaries:
            assert leaked(arrived, one) is None, f"{leaked(arrived, one)}: {arrived!r}"
        kept = "\n".join(str(entry.fields) for entry in house.locks.log.tail(3))
        assert not any(told(kept, one) for one in canaries)
        return "masked"

    return sent


def says(text: Any, **more: Any) -> dict[str, Any]:
    """A request of one turn."""
    return {"messages": [{"role": "user", "content": text}], **more}


def everything_about(error: BaseException | None) -> str:
    """All that a careless logger could print of an error, its causes and its frames in the package."""
    parts: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        for frame in shown.stack:
            if "sazon" in (parts_of := Path(frame.filename).parts) and "testing" not in parts_of:
                parts += [f"{name}={value}" for name, value in (frame.locals or {}).items()]
        parts += [repr(error), str(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(parts)
