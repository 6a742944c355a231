"""Attacks 29 and 30, and failures of the detectors: other ways out, and what may be read by the way."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import pickle
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from sazon.core.errors import PolicyRefused, ProviderError, SazonError
from sazon.policy.destination import Destination
from sazon.policy.detect.inspector import Inspector
from sazon.policy.detect.patterns import find
from sazon.policy.ruling import Denied
from sazon.testing.fake_provider import FakeProvider
from sazon.testing.gatehouse import KEY, PROVIDER, Gatehouse, gatehouse

from ...gateway.test_outbound import running  # noqa: TID252
from .canaries import Canary, leaked, told
from .conftest import everything_about, says

NIF = Canary(kind="nif", text="12345678Z")
SAID = says(f"mi dni es {NIF.text}")
HEADERS = {"X-Sazon-Subject": "c-118", "X-Sazon-Class": "personal"}


@pytest.fixture
def trap() -> Iterator[tuple[str, list[bytes]]]:
    """A place where nothing must ever arrive, and the bytes that did."""
    heard: list[bytes] = []
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(0.2)
        done = threading.Event()

        def listen() -> None:
            while not done.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = server.accept()
                    heard.append(connection.recv(65_536))
                    connection.close()

        thread = threading.Thread(target=listen)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", heard
        done.set()
        thread.join()


# 29 ------------------------------------------------------------------------------------


def test_29_a_client_cannot_name_another_address(
    house: Gatehouse, provider: FakeProvider, trap: tuple[str, list[bytes]]
) -> None:
    elsewhere, heard = trap
    with running(house.passage) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="x") as client:
        for more in (
            {"extra_body": {"api_base": elsewhere}},
            {"extra_body": {"base_url": elsewhere, "api_key": "sk-mine"}},
            {"extra_body": {"extra_headers": {"Host": elsewhere}}},
            {"extra_headers": HEADERS | {"X-Forwarded-Host": elsewhere, "X-Api-Base": elsewhere}},
            {"extra_query": {"api_base": elsewhere}},
        ):
            raw = client.chat.completions.with_raw_response.create(
                model=PROVIDER, messages=SAID["messages"], **({"extra_headers": HEADERS} | more)
            )
            by = raw.headers["x-sazon-answered-by"]
            assert by == ("here" if "extra_body" in more else "provider")
    assert heard == []
    assert leaked(provider.received, NIF) is None


def test_29_a_redirect_is_not_followed(
    tmp_path: Path, inspector: Inspector, trap: tuple[str, list[bytes]]
) -> None:
    elsewhere, heard = trap
    with (
        FakeProvider(lambda text: text, always="redirect", redirect_to=elsewhere) as provider,
        gatehouse(tmp_path, provider, inspector=inspector) as house,
    ):
        house.consent("c-118")
        with pytest.raises(ProviderError, match="redirect"):
            house.ask(SAID, subjects=["c-118"])
    assert heard == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["169.254.169.254"], ["127.0.0.1"], ["10.0.0.7"], ["::ffff:127.0.0.1"], ["::ffff:169.254.169.254"],
        ["::ffff:10.0.0.7"], ["64:ff9b::7f00:1"], ["fd00:ec2::254"], ["0.0.0.0"], ["::"], ["::1"],
        ["100.100.100.200"], ["168.63.129.16"], ["2002:7f00:1::"], ["93.184.216.34", "127.0.0.1"],
        ["fe80::1%eth0"], ["not an address"], [],
    ],
)  # fmt: skip
def test_29_a_name_that_leads_inside_is_not_called(
    tmp_path: Path, provider: FakeProvider, inspector: Inspector, addresses: list[str]
) -> None:
    async def lookup(host: str, port: int) -> list[str]:
        return addresses

    url = f"https://api.example.com:{provider.port}/v1"
    with gatehouse(tmp_path, provider, inspector=inspector, url=url, lookup=lookup) as house:
        house.consent("c-118")
        with pytest.raises((PolicyRefused, ProviderError)) as error:
            house.ask(SAID, subjects=["c-118"])
        assert KEY not in everything_about(error.value)
    assert provider.received == b""


def test_29_a_name_that_changes_its_mind_is_vetted_at_every_connection(
    tmp_path: Path, provider: FakeProvider, inspector: Inspector
) -> None:
    """Of the first answer one address is private, the others lead inside: none is connected to."""
    answers = iter([["192.0.2.1", "93.184.216.34"], ["127.0.0.1"], ["169.254.169.254"]])
    asked: list[str] = []

    async def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    url = f"https://api.example.com:{provider.port}/v1"
    with gatehouse(tmp_path, provider, inspector=inspector, url=url, lookup=lookup) as house:
        house.consent("c-118")
        for _ in range(3):
            with pytest.raises(PolicyRefused):
                house.ask(SAID, subjects=["c-118"])
    assert len(asked) == 3  # once a connection: between vetting and use nobody is asked again
    assert provider.received == b""


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/v1", "https://169.254.169.254/v1", "https://[::ffff:127.0.0.1]/v1",
        "https://[::ffff:a9fe:a9fe]/v1", "https://127.1/v1", "https://2130706433/v1", "https://0x7f.1/v1",
        "https://10.0.0.1/v1", "https://user:pass@example.com/v1", "https://example.com/v1?to=x",
        "https://example.com\\@127.0.0.1/v1", "https://example.com#@127.0.0.1/", "http://example.com/v1",
        "file:///etc/passwd", "https://example.com/v1/../../x", "https://example.com/%2e%2e/x",
        "https://ｅxample.com/v1", "https://127.0.0.1.:1/v1", "https://localhost./v1",
    ],
)  # fmt: skip
def test_29_addresses_that_cannot_even_be_written_down(url: str) -> None:
    try:
        destination = Destination.parse(url)
    except PolicyRefused:
        return
    raise AssertionError(f"{url} was read as {destination}")


def test_29_proxies_of_the_environment_are_not_used(
    house: Gatehouse,
    provider: FakeProvider,
    trap: tuple[str, list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere, heard = trap
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, elsewhere)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    house.ask(SAID, subjects=["c-118"])
    assert provider.requests
    assert heard == []


# 30 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["401", "400", "500", "429", "html", "cut", "nonsense", "gzip", "empty"])
def test_30_what_a_provider_echoes_reaches_nobody(
    tmp_path: Path, inspector: Inspector, how: Any, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        FakeProvider(lambda text: text, always=how) as provider,
        gatehouse(tmp_path, provider, inspector=inspector) as house,
        running(house.passage) as url,
    ):
        house.consent("c-118")
        body = json.dumps({"model": PROVIDER, **SAID}).encode()
        shown = ""
        for stream in (b"false", b"true"):
            request = urllib.request.Request(
                f"{url}/v1/chat/completions",
                data=body[:-1] + b', "stream": ' + stream + b"}",
                headers={"Content-Type": "application/json"} | HEADERS,
            )
            with urllib.request.urlopen(request) as answer:
                shown += str(answer.headers) + answer.read().decode()
        with urllib.request.urlopen(f"{url}/healthz") as answer:
            shown += str(answer.headers) + answer.read().decode()
        try:
            passed = house.ask(SAID, subjects=["c-118"])
            shown += repr(passed) + repr(passed.content)
        except SazonError as error:
            shown += everything_about(error)
        shown += caplog.text + "".join(capfd.readouterr()) + repr(house)
        shown += "\n".join(str(entry.fields) for entry in house.locks.log.tail(30))
        assert provider.received
    assert KEY not in shown
    assert told(shown, NIF) is None


def test_30_nothing_shows_itself(house: Gatehouse, provider: FakeProvider) -> None:
    asked = house.asked(SAID, ["c-118"], None)
    with pytest.raises(Denied) as error:
        house.ask(SAID, subjects=["c-119"])
    sealed, pseudonyms = house.passage._prepare(house.asked(SAID, ["c-118"], "personal"))
    passage = house.passage
    shown = [everything_about(error.value), repr(error.value.ruling)]
    shown += [repr(one) for one in (asked, sealed, pseudonyms, passage, house, error.value)]
    for one in (passage, passage._egress, passage._gate, house.locks, house.locks.vault, house.locks.keyring):
        shown.append(str(getattr(one, "__dict__", "")))
    told = "\n".join(shown)
    assert NIF.text not in told
    assert KEY not in told


def test_30_keys_do_not_travel(house: Gatehouse) -> None:
    for one in (house.passage._egress, house.gate, house.locks.keyring, house.locks):
        for copied in (pickle.dumps, copy.deepcopy):
            with pytest.raises(Exception, match=r"pickle|copied|copy|travel"):
                copied(one)


# the detectors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("detector", "reason"),
    [
        (lambda text: 1 / 0, "blocked.detector_failed"),
        (lambda text: (_ for _ in ()).throw(RuntimeError(text)), "blocked.detector_failed"),
        (lambda text: None, "blocked.detector_failed"),
        (lambda text: ["x"], "blocked.detector_failed"),
        (lambda text: threading.Event().wait(3) or [], "blocked.timeout"),
    ],
    ids=["crash", "crash with the text", "nothing", "no span", "too slow"],
)
def test_a_detector_that_fails_blocks(
    tmp_path: Path, provider: FakeProvider, detector: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    inspector = Inspector({"patterns": find, "broken": detector}, timeout_s=1.0, size_limit=1000)
    with gatehouse(tmp_path, provider, inspector=inspector) as house, running(house.passage) as url:
        house.consent("c-118")
        began = time.monotonic()
        with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            raw = client.chat.completions.with_raw_response.create(
                model=PROVIDER, messages=SAID["messages"], extra_headers=HEADERS
            )
        assert raw.headers["x-sazon-answered-by"] == "here"
        assert raw.headers["x-sazon-ruling"] == reason
        assert time.monotonic() - began < 60
        assert told(caplog.text, NIF) is None
    assert provider.received == b""
