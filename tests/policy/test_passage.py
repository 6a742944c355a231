"""One request's way out and back, through real keys, log, detectors and sockets."""

import asyncio
import json

import pytest

from sazon.core.dataset import DataClass
from sazon.core.errors import PolicyRefused
from sazon.policy.config import PolicyConfig
from sazon.policy.detect.inspector import Inspector
from sazon.policy.detect.patterns import find as patterns
from sazon.policy.detect.span import Span
from sazon.policy.ruling import Denied
from sazon.testing.fake_provider import FakeProvider
from sazon.testing.gatehouse import KEY, gatehouse

NIF = "12345678Z"
SAID = f"Mi DNI es {NIF} y mi correo es ana.lopez@correo.es"


def says(text=SAID, **more):
    return {"messages": [{"role": "user", "content": text}], **more}


@pytest.fixture
def inspector():
    return Inspector({"patterns": patterns}, timeout_s=10.0, size_limit=100_000)


@pytest.fixture
def provider():
    with FakeProvider(lambda text: f"You said: {text}") as running:
        yield running


@pytest.fixture
def house(tmp_path, provider, inspector):
    with gatehouse(tmp_path, provider, inspector=inspector) as opened:
        yield opened


def refused(house, *args, **more) -> str:
    with pytest.raises(Denied) as error:
        house.ask(*args, **more)
    assert NIF not in str(error.value) + repr(error.value)
    return error.value.ruling.reason


def test_what_is_sensitive_leaves_as_a_marker_and_comes_back_as_itself(house, provider):
    house.consent("ana")
    passed = house.ask(says(), subjects=["ana"])
    assert passed.content["choices"][0]["message"]["content"] == f"You said: {SAID}"
    assert passed.ruling.reason == "consented"
    [request] = provider.requests
    assert request["model"] == "big-1"
    assert request["max_tokens"] == 256
    assert "⟦NIF_" in request["messages"][0]["content"]
    assert NIF.encode() not in provider.received
    assert b"ana.lopez" not in provider.received
    assert b"ana" not in provider.received.lower().replace(b"canary", b"")


def test_what_is_split_over_turns_is_found_whoever_speaks_in_between(house, provider):
    house.consent("ana")
    turns = [
        {"role": "user", "content": "My DNI begins 12345"},
        {"role": "assistant", "content": "Go on."},
        {"role": "user", "content": "678Z and that is all"},
    ]
    passed = house.ask({"messages": turns}, subjects=["ana"])
    assert passed.content["choices"][0]["message"]["content"] == "You said: 678Z and that is all"
    assert b"12345" not in provider.received
    assert b"678Z" not in provider.received


def test_streams_are_restored_too(house, provider):
    house.consent("ana")
    events = house.stream(says(), subjects=["ana"]).decode()
    deltas = [json.loads(line[6:]) for line in events.splitlines() if line.startswith("data: {")]
    text = "".join(c["delta"].get("content", "") for d in deltas for c in d["choices"])
    assert text == f"You said: {SAID}"
    assert events.rstrip().endswith("data: [DONE]")
    assert NIF.encode() not in provider.received


def test_without_consent_nothing_leaves_and_the_log_says_so(house, provider):
    assert refused(house, says(), subjects=["ana"]) == "no_consent"
    assert refused(house, says(), subjects=[None]) == "unknown_subject"
    assert refused(house, says(), subjects=[]) == "unknown_subject"
    house.consent("ana")
    assert refused(house, says(), subjects=["ana"], data_class=None) == "no_consent"
    assert refused(house, says(), subjects=["ana"], data_class=DataClass.SPECIAL) == "no_consent"
    assert refused(house, says(), subjects=["ana", "luis"]) == "no_consent"
    assert provider.received == b""
    told = [e.fields for e in house.locks.log.tail(20)]
    assert [(f["event"], f.get("allow")) for f in told] == [
        *[("ruling", False)] * 3,
        ("consent", None),
        *[("ruling", False)] * 3,
    ]
    assert "ana" not in json.dumps(told)
    assert NIF not in json.dumps(told)


def test_the_log_tells_what_was_sent_before_it_was(house, provider):
    house.consent("ana")
    house.ask(says(), subjects=["ana"])
    entries = [e.fields for e in house.locks.log.tail(3)]
    assert [e["event"] for e in entries] == ["ruling", "sent", "answered"]
    assert entries[0]["found"] == {"EMAIL": 1, "NIF": 1}
    assert entries[0]["consents"]
    assert len({e["request"] for e in entries}) == 1
    assert house.locks.log.verify().holds


def test_a_log_that_cannot_be_written_lets_nothing_out(house, provider, monkeypatch):
    house.consent("ana")

    def broken(*_):
        raise PolicyRefused("the disk is full")

    monkeypatch.setattr(type(house.locks.log), "append", broken)
    with pytest.raises(PolicyRefused, match="disk is full"):
        house.ask(says(), subjects=["ana"])
    assert provider.received == b""


@pytest.mark.parametrize(
    ("detector", "reason"),
    [
        (lambda text: 1 / 0, "blocked.detector_failed"),
        (lambda text: [Span(start=0, end=10**6, kind="NIF", detector="x")], "blocked.detector_failed"),
        (lambda text: [Span(start=0, end=1, kind="OPAQUE", detector="x")], "blocked.opaque"),
    ],
)
def test_what_cannot_be_looked_into_stays_here(tmp_path, provider, detector, reason):
    inspector = Inspector({"x": detector}, timeout_s=10.0, size_limit=1000)
    with gatehouse(tmp_path, provider, inspector=inspector) as house:
        house.consent("ana")
        assert refused(house, says(), subjects=["ana"]) == reason
    assert provider.received == b""


def test_what_is_too_large_or_of_another_shape_stays_here(house, provider):
    house.consent("ana")
    assert refused(house, says("a" * 200_000), subjects=["ana"]) == "blocked.too_large"
    assert refused(house, says(unheard_of=NIF), subjects=["ana"]) == "blocked.shape"
    assert refused(house, says(n=2), subjects=["ana"]) == "blocked.shape"
    assert provider.received == b""


def test_a_conversation_keeps_its_pseudonyms_over_turns_and_over_restarts(tmp_path, provider, inspector):
    markers = []
    for _ in range(2):
        with gatehouse(tmp_path, provider, inspector=inspector) as house:
            house.consent("ana")
            house.consent("luis")
            for conversation in ("c-1", "c-1", "c-2", None):
                house.ask(says(NIF), subjects=["ana"], conversation=conversation)
                markers.append(provider.requests[-1]["messages"][0]["content"])
            house.ask(says(NIF), subjects=["luis"], conversation="c-1")
            markers.append(provider.requests[-1]["messages"][0]["content"])
    assert len({markers[0], markers[1], markers[5], markers[6]}) == 1
    assert markers[2] == markers[7]
    assert len(set(markers)) == 5


def test_erasing_a_person_forgets_their_conversations(house, provider):
    house.consent("ana")
    house.ask(says(NIF), subjects=["ana"], conversation="c-1")
    first = provider.requests[-1]["messages"][0]["content"]
    house.locks.erase("ana")
    assert refused(house, says(NIF), subjects=["ana"], conversation="c-1") == "no_consent"
    house.consent("ana")
    house.ask(says(NIF), subjects=["ana"], conversation="c-1")
    assert provider.requests[-1]["messages"][0]["content"] != first


def test_a_consent_withdrawn_between_ruling_and_socket_stops_it(house, provider):
    record = house.consent("ana")
    sealed, _ = house.passage._prepare(house.asked(says(), ["ana"], DataClass.PERSONAL))
    house.locks.end(record.id)
    with pytest.raises(Denied):
        asyncio.run(house.passage._egress.send(sealed))
    assert provider.received == b""
    assert house.locks.log.tail(1)[0].fields["event"] == "stopped"


def test_a_consent_withdrawn_while_the_answer_streams_cuts_it(house, provider):
    record = house.consent("ana")

    async def read() -> bytes:
        got = b""
        wanted = house.asked({**says("x" * 3000), "stream": True}, ["ana"], DataClass.PERSONAL)
        async with house.passage.stream(wanted) as coming:
            async for event in coming.events:
                if not got:
                    await asyncio.to_thread(house.locks.end, record.id)
                got += event
        return got

    with pytest.raises(Denied):
        asyncio.run(read())
    assert "cut" in [e.fields["event"] for e in house.locks.log.tail(4)]


def test_the_key_goes_to_the_provider_and_nowhere_else(house, provider, caplog):
    house.consent("ana")
    passed = house.ask(says(), subjects=["ana"])
    assert KEY.encode() in provider.received
    seen = caplog.text + repr(passed) + repr(house) + json.dumps([e.fields for e in house.locks.log.tail(9)])
    assert KEY not in seen
    assert NIF not in seen


def test_the_cap_ends_it(tmp_path, provider, inspector):
    from sazon.policy.spending import Limits

    with gatehouse(tmp_path, provider, inspector=inspector, limits=Limits(requests=1, tokens=10**9)) as house:
        house.consent("ana")
        house.ask(says(), subjects=["ana"])
        assert refused(house, says(), subjects=["ana"]) == "cap"
    assert len(provider.requests) == 1


def test_the_whole_gatehouse_stands_on_postgresql_too(tmp_path, provider, inspector, postgres_url):
    policy = PolicyConfig(consents="consents.jsonl", opt_in=["infer.external"], store=postgres_url)
    for turn in range(2):
        with gatehouse(tmp_path, provider, inspector=inspector, policy=policy) as house:
            if turn == 0:
                house.consent("ana")
            house.ask(says(NIF), subjects=["ana"], conversation="c-1")
            assert house.locks.log.verify().holds
    first, second = (r["messages"][0]["content"] for r in provider.requests)
    assert first == second
    assert NIF.encode() not in provider.received
