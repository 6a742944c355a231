"""The gateway's way out, through the official client: providers where allowed, the served answer else."""

import contextlib
import json
import threading

import openai
import pytest

from sazon.gateway.config import GatewayConfig
from sazon.gateway.server import address, listen, new_server
from sazon.policy.detect.inspector import Inspector
from sazon.policy.detect.patterns import find as patterns
from sazon.testing.fake_provider import FakeProvider
from sazon.testing.gatehouse import KEY, PROVIDER, gatehouse

from .test_app import call, make_served

NIF = "12345678Z"
MESSAGES = [{"role": "user", "content": f"I want my money back, my DNI is {NIF}"}]
OF_ANA = {"X-Sazon-Subject": "ana", "X-Sazon-Class": "personal"}


@contextlib.contextmanager
def running(passage):
    settings = GatewayConfig(port=0)
    with contextlib.closing(listen(settings)) as listening:
        server = new_server(make_served(), settings, passage=passage)
        thread = threading.Thread(target=lambda: server.run(sockets=[listening]))
        thread.start()
        try:
            yield address(listening)
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture
def street(tmp_path):
    """A provider, a gatehouse before it, and the gateway that clients see."""
    inspector = Inspector({"patterns": patterns}, timeout_s=10.0, size_limit=100_000)
    with (
        FakeProvider(lambda text: f"Noted: {text}") as provider,
        gatehouse(tmp_path, provider, inspector=inspector) as house,
        running(house.passage) as url,
    ):
        yield provider, house, url


def ask(url, headers, **more):
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        return client.chat.completions.with_raw_response.create(
            model=PROVIDER, messages=MESSAGES, extra_headers=headers, **more
        )


def test_with_consent_the_provider_answers_and_never_sees_the_identifier(street):
    provider, house, url = street
    house.consent("ana")
    raw = ask(url, OF_ANA)
    assert raw.headers["x-sazon-answered-by"] == "provider"
    assert raw.parse().choices[0].message.content == f"Noted: {MESSAGES[0]['content']}"
    assert NIF.encode() not in provider.received
    assert KEY.encode() in provider.received


def test_streams_come_through_the_official_client(street):
    provider, house, url = street
    house.consent("ana")
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        stream = client.chat.completions.create(
            model=PROVIDER, messages=MESSAGES, extra_headers=OF_ANA, stream=True
        )
        text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    assert text == f"Noted: {MESSAGES[0]['content']}"
    assert NIF.encode() not in provider.received


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        (OF_ANA, "no_consent"),
        ({}, "unknown_subject"),
        ({"X-Sazon-Subject": ","}, "unknown_subject"),
        ({"X-Sazon-Subject": "ana"}, "no_consent"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_without_consent_the_served_candidate_answers(street, headers, why, stream):
    provider, _, url = street
    raw = ask(url, headers, stream=stream)
    assert raw.headers["x-sazon-answered-by"] == "here"
    assert raw.headers["x-sazon-ruling"] == why
    if not stream:
        assert raw.parse().choices[0].message.content == "refund"
    assert provider.received == b""


def test_a_provider_that_fails_is_answered_for_here(tmp_path):
    inspector = Inspector({"patterns": patterns}, timeout_s=10.0, size_limit=100_000)
    with (
        FakeProvider(lambda text: text, always="500") as provider,
        gatehouse(tmp_path, provider, inspector=inspector) as house,
        running(house.passage) as url,
    ):
        house.consent("ana")
        for stream in (False, True):
            raw = ask(url, OF_ANA, stream=stream)
            assert (raw.headers["x-sazon-answered-by"], raw.headers["x-sazon-ruling"]) == ("here", "provider")


def test_what_has_no_shape_is_answered_here_or_refused_in_words(street):
    provider, house, url = street
    house.consent("ana")
    chat = f"{url}/v1/chat/completions"
    body = {"model": PROVIDER, "messages": MESSAGES}
    for content in (
        body | {"api_base": "http://127.0.0.1:9/"},
        body | {"metadata": {"x": [1]}},
        body
        | {"messages": [*MESSAGES, {"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        body | {"prompt": [1, 2, 3]},
        body | {"model": PROVIDER, "messages": "hello"},
    ):
        _, answer = call(chat, content, headers=OF_ANA)
        assert NIF not in json.dumps(answer)
    for told in ("secret", "public", "PUBLIC", ""):
        status, answer = call(chat, body, headers={"X-Sazon-Subject": "ana", "X-Sazon-Class": told})
        assert (status, answer["error"]["code"]) == (400, "bad_choice")
    status, answer = call(chat, body, headers={"X-Sazon-Subject": ",".join(map(str, range(100)))})
    assert (status, answer["error"]["code"]) == (400, "too_many")
    status, answer = call(chat, body | {"model": "another"}, headers=OF_ANA)
    assert status == 403
    assert provider.received == b""
