"""The gateway through real HTTP: the official client, raw requests, and refusals in words."""

import contextlib
import json
import logging
import threading
import urllib.error
import urllib.request

import numpy as np
import openai
import pytest

from sazon.core.errors import PolicyRefused
from sazon.core.seams import Capabilities
from sazon.core.types import Answers, Candidate
from sazon.core.words import catalogue
from sazon.gateway.config import GatewayConfig
from sazon.gateway.inbound import language
from sazon.gateway.served import Served
from sazon.gateway.server import address, listen, new_server

CANARY = "canary-5417: my knee hurts"


class Stub:
    """Answers by a word in the text; fails loudly, with the text, when told to."""

    can = Capabilities()
    classes = ("hours", "refund")

    def __init__(self):
        self.at_once = self.most = 0
        self.seen = []

    def predict(self, inputs):
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.seen += inputs
        try:
            if any("explode" in text for text in inputs):
                raise ValueError(f"cannot read {inputs}")
            sure = np.array([[0.2, 0.8] if "money" in text else [0.9, 0.1] for text in inputs])
            return Answers(
                labels=tuple(self.classes[i] for i in sure.argmax(axis=1)),
                confidence=sure.max(axis=1),
                probabilities=sure,
                classes=self.classes,
                errors=tuple("silent" if "mute" in text else None for text in inputs),
            )
        finally:
            self.at_once -= 1


def make_served(predictor=None, **changes):
    facts = {"name": "small", "technique": "linear"} | changes
    return Served(name="front-desk", candidate=Candidate(**facts), predictor=predictor or Stub())


@contextlib.contextmanager
def running(served, **config):
    settings = GatewayConfig(port=0, **config)
    with contextlib.closing(listen(settings)) as listening:
        server = new_server(served, settings)
        thread = threading.Thread(target=lambda: server.run(sockets=[listening]))
        thread.start()
        try:
            yield address(listening)
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture(scope="module")
def gateway():
    served = make_served()
    with running(served, max_body_bytes=20_000, max_inputs=5) as url:
        yield url, served.predictor


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=f"{gateway[0]}/v1", api_key="none", max_retries=0) as client:
        yield client


def call(url, content=None, *, raw=None, headers=None, method=None):
    """(status, JSON) of a plain request."""
    body = raw if raw is not None else None if content is None else json.dumps(content).encode()
    sent = {"Content-Type": "application/json"} | (headers or {})
    request = urllib.request.Request(url, data=body, headers=sent, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def chat_of(text, **more):
    return {"model": "front-desk", "messages": [{"role": "user", "content": text}]} | more


# ------------------------------------------------------------------ what it answers


def test_the_official_client_gets_the_label(client):
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "when do you open?"},
        {"role": "assistant", "content": "hours"},
        {"role": "user", "content": "I want my money back"},
    ]
    answer = client.chat.completions.create(
        model="front-desk", messages=messages, temperature=0, max_tokens=5, n=1, user="u", seed=0, stop=["x"]
    )
    assert answer.choices[0].message.content == "refund"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "front-desk"
    assert answer.usage is None  # tokens are not counted here, and unknown is not zero
    assert answer.model_extra["sazon"]["probabilities"] == {"hours": 0.2, "refund": 0.8}


def test_text_may_come_in_parts(client):
    parts = [{"type": "text", "text": "my"}, {"type": "text", "text": "money"}]
    answer = client.chat.completions.create(model="sazon", messages=[{"role": "user", "content": parts}])
    assert answer.choices[0].message.content == "refund"


def test_streams_are_events_that_end(client, gateway):
    chunks = list(
        client.chat.completions.create(
            model="front-desk",
            messages=[{"role": "user", "content": "money"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    said = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
    assert said == ["refund"]
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    request = urllib.request.Request(
        f"{gateway[0]}/v1/chat/completions",
        data=json.dumps(chat_of("money", stream=True)).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = answer.read().decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(event.startswith("data: ") for event in events[:-1])


def test_models_tasks_and_health(client, gateway):
    url = gateway[0]
    [model] = client.models.list().data
    assert (model.id, model.owned_by) == ("front-desk", "sazon")
    assert client.models.retrieve("front-desk").id == "front-desk"
    status, one = call(f"{url}/v1/tasks/front-desk", {"input": "money"})
    assert status == 200
    assert (one["label"], one["confidence"], one["answered_by"]) == ("refund", 0.8, "small")
    status, two = call(f"{url}/v1/tasks/front-desk", {"input": ["money", "open"]})
    assert [answer["label"] for answer in two["answers"]] == ["refund", "hours"]
    status, health = call(f"{url}/healthz")
    assert (status, health["status"], health["leaves"]) == (200, "ok", "nothing")


def test_many_at_once_are_answered_one_after_the_other(gateway):
    url, stub = gateway
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(call(f"{url}/v1/tasks/front-desk", {"input": "money"})))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _ in found] == [200] * 16
    assert stub.most == 1


# ------------------------------------------------------------------ what it refuses


def test_another_model_would_leave_and_is_refused_in_words(client, gateway):
    seen = len(gateway[1].seen)
    for accepted, words in (
        ("es-ES,es;q=0.9,en;q=0.5", "no ha ido"),
        ("en", "went nowhere"),
        ("fr", "nowhere"),
    ):
        with pytest.raises(openai.PermissionDeniedError, match=words) as refused:
            client.chat.completions.create(
                model="gpt-9",
                messages=[{"role": "user", "content": CANARY}],
                extra_headers={"Accept-Language": accepted},
            )
        assert CANARY not in str(refused.value.body)
    assert len(gateway[1].seen) == seen


BAD_CHATS = [
    ([], "not_object"),
    ({}, "bad_field"),
    ({"model": "front-desk"}, "bad_field"),
    ({"model": 3, "messages": []}, "bad_field"),
    ({"model": "front-desk", "messages": []}, "bad_field"),
    ({"model": "front-desk", "messages": [CANARY]}, "bad_field"),
    ({"model": "front-desk", "messages": [{"role": "tool", "content": CANARY}]}, "bad_field"),
    ({"model": "front-desk", "messages": [{"role": "user", "content": None}]}, "bad_field"),
    ({"model": "front-desk", "messages": [{"role": "user", "content": [1, 2]}]}, "bad_field"),
    ({"model": "front-desk", "messages": [{"role": "system", "content": CANARY}]}, "no_user"),
    (chat_of("   "), "empty"),
    (chat_of([]), "empty"),
    (chat_of(f"{CANARY} \ud800"), "not_unicode"),
    (chat_of([{"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}]), "only_text"),
    (chat_of([{"type": "text", "text": CANARY}, {"type": "input_audio"}]), "only_text"),
    (chat_of([{"type": "text", "text": CANARY, "file": "x"}]), "bad_field"),
    (chat_of(CANARY, tools=[{"type": "function"}]), "unknown_field"),
    (chat_of(CANARY, **{CANARY: 1}), "unknown_field"),
    (chat_of(CANARY, base_url="http://169.254.169.254"), "unknown_field"),
    (chat_of(CANARY, n=2), "one_answer"),
    (chat_of(CANARY, n=True), "one_answer"),
    (chat_of(CANARY, stream="yes"), "bad_field"),
    (chat_of(CANARY, temperature="hot"), "bad_field"),
    (chat_of(CANARY, stream_options={"x": 1}), "bad_field"),
    (
        {"model": "sazon", "messages": [{"role": "user", "content": CANARY, "tool_calls": []}]},
        "unknown_field",
    ),
]


@pytest.mark.parametrize(("content", "code"), BAD_CHATS)
@pytest.mark.parametrize("spoken", ["es", "en"])
def test_what_is_not_understood_is_refused_in_words(gateway, content, code, spoken):
    status, answer = call(f"{gateway[0]}/v1/chat/completions", content, headers={"Accept-Language": spoken})
    assert status == 400
    assert answer["error"]["code"] == code
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert CANARY not in json.dumps(answer)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[" * 10_000, b'{"model": NaN', b"null"])
def test_what_is_not_json_is_refused(gateway, raw):
    status, answer = call(f"{gateway[0]}/v1/chat/completions", raw=raw)
    assert status == 400
    assert answer["error"]["code"] in ("bad_json", "not_object")


@pytest.mark.parametrize(
    "content",
    [{}, {"input": 3}, {"input": []}, {"input": [[1, 2]]}, {"input": ["a", 1]}, {"input": ["a"] * 6},
     {"input": ""}, {"input": ["a", " "]}, {"input": "a", "more": 1}],
)  # fmt: skip
def test_task_requests_are_read_strictly(gateway, content):
    assert call(f"{gateway[0]}/v1/tasks/front-desk", content)[0] == 400


def test_odd_requests_get_openai_shaped_errors(gateway):
    url = gateway[0]
    assert call(f"{url}/v1/tasks/other", {"input": "a"})[0] == 404
    assert call(f"{url}/v1/embeddings", {"input": "a"})[0] == 404
    assert call(f"{url}/v1/models", {"a": 1})[0] == 405
    status, answer = call(f"{url}/v1/chat/completions", chat_of("x" * 30_000))
    assert (status, answer["error"]["code"]) == (413, "too_large")
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert call(f"{url}/v1/chat/completions", chat_of("a"), headers={"Content-Type": kind})[0] == 415


@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:80", "127.0.0.1.evil.test", "169.254.169.254", "[::2]:80"]
)
def test_names_that_only_point_here_are_refused(gateway, host):
    assert call(f"{gateway[0]}/v1/models", headers={"Host": host})[0] == 403


def test_a_failing_predictor_tells_its_kind_and_not_the_text(gateway, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    status, answer = call(f"{gateway[0]}/v1/chat/completions", chat_of(f"explode {CANARY}"))
    assert (status, answer["error"]["code"]) == (500, "failed")
    status, answer = call(f"{gateway[0]}/v1/chat/completions", chat_of(f"mute {CANARY}"))
    assert (status, answer["error"]["code"]) == (500, "no_answer")
    printed = capfd.readouterr()
    assert CANARY not in caplog.text + printed.out + printed.err + json.dumps(answer)
    assert "ValueError" in caplog.text
    assert call(f"{gateway[0]}/healthz")[0] == 200


@pytest.mark.parametrize(
    "changes", [{"placement": "cloud"}, {"placement": "hybrid"}, {"providers": ("frontier",)}]
)
def test_only_what_runs_here_is_served(changes):
    with pytest.raises(PolicyRefused):
        make_served(**changes)


def test_a_predictor_that_asks_elsewhere_is_not_served():
    stub = Stub()
    stub.can = Capabilities(runs_here=False)
    with pytest.raises(PolicyRefused):
        make_served(stub)


def test_both_languages_have_the_same_phrases():
    es, en = (catalogue("sazon.gateway", spoken) for spoken in ("es", "en"))
    assert es.keys() == en.keys()
    for key in es:
        assert {p.split("}")[0] for p in es[key].split("{")[1:]} == {
            p.split("}")[0] for p in en[key].split("{")[1:]
        }, key


@pytest.mark.parametrize(
    ("accepted", "spoken"),
    [("", "en"), ("es", "es"), ("es-MX", "es"), ("en;q=0.5, es;q=0.9", "es"), ("en, es;q=0.9", "en"),
     ("fr, de", "en"), ("es;q=x", "en"), ("*", "en"), ("," * 999, "en")],
)  # fmt: skip
def test_the_language_a_client_prefers(accepted, spoken):
    assert language(accepted) == spoken
