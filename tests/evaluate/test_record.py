"""Recording a provider's answers, through real sockets: resumable, capped, and without the texts."""

import json

import numpy as np
import pytest

from sazon.core.errors import DataError, EnvironmentLacks, PolicyRefused, ProviderError
from sazon.core.types import Dataset, Example
from sazon.evaluate.record import propose, record
from sazon.models.prompt import Prompt
from sazon.models.recorded import RecordedPredictor, read_recording
from sazon.models.remote import Patient
from sazon.policy.egress import Egress
from sazon.policy.gate import Gate
from sazon.policy.spending import Price
from sazon.testing.fake_provider import FakeProvider

LABELS = ("hours", "refund")
QUICK = Patient(attempts=2, first_wait_s=0.0, at_once=2)
NOW = 1_000_000.0


def make_data(n=6, *, public=True):
    rows = tuple(
        Example(id=str(i), input=f"message {i} about {LABELS[i % 2]}", target=LABELS[i % 2]) for i in range(n)
    )
    return Dataset(name="demo", split="test", examples=rows, public=public)


def right(text):
    return next(label for label in LABELS if label in text)


def run(data, url, path, *, labels=LABELS, model="big-1", events=None, **caps):
    grant = propose(data, prompt=Prompt(labels=labels), model=model, url=url, **caps).confirm(now=NOW)
    gate = Gate([grant], clock=lambda: NOW)
    return record(
        data,
        prompt=Prompt(labels=labels),
        grant=grant,
        path=path,
        rng=np.random.default_rng(0),
        emit=events.append if events is not None else lambda event: None,
        gate=gate,
        egress=Egress(gate, environment={"KEY_NAME": "sk-canary"}),
        patient=QUICK,
    )


def test_answers_are_recorded_and_replayed(tmp_path):
    data, path, events = make_data(), tmp_path / "deep" / "big.jsonl", []
    with FakeProvider(right) as provider:
        made = run(data, provider.url, path, spend_cap=0.5, key="env:KEY_NAME", events=events)
    assert (made.texts, made.kept, made.asked, made.failed, made.complete) == (6, 0, 6, 0, True)
    assert made.spent.value == 0.0  # this machine's own endpoint
    assert events[-1].done == events[-1].total == 6
    header, *rows = (json.loads(line) for line in path.read_text().splitlines())
    assert header["sazon_recording"] == 1
    assert header["prompt_digest"] == Prompt(labels=LABELS).digest
    assert header["data_public"] is True
    names = {
        "key",
        "model",
        "answer",
        "tokens_in",
        "tokens_out",
        "seconds",
        "money",
        "attempts",
        "at",
        "error",
    }
    assert all(set(row) == names for row in rows)
    assert "message" not in path.read_text()
    assert "canary" not in path.read_text()
    answers = RecordedPredictor(read_recording(path)).predict(data.inputs)
    assert list(answers.labels) == data.targets


def test_a_rerun_asks_nothing(tmp_path):
    path = tmp_path / "big.jsonl"
    with FakeProvider(right) as provider:
        run(make_data(), provider.url, path, spend_cap=0.5)
        before, asked = path.read_bytes(), provider.received
        made = run(make_data(), provider.url, path, spend_cap=0.0)
        assert (made.kept, made.asked) == (6, 0)
        assert (path.read_bytes(), provider.received) == (before, asked)
        assert run(make_data(8), provider.url, path, spend_cap=0.5).asked == 2


@pytest.mark.parametrize("kept_bytes", [0, 10, 25, 120, 330, 500, 700])
def test_a_file_cut_anywhere_is_gone_on_with(tmp_path, kept_bytes):
    data, path = make_data(), tmp_path / "big.jsonl"
    with FakeProvider(right) as provider:
        run(data, provider.url, path, spend_cap=0.5)
        path.write_bytes(path.read_bytes()[:kept_bytes])
        made = run(data, provider.url, path, spend_cap=0.5)
    assert made.kept + made.asked == 6
    assert list(RecordedPredictor(read_recording(path)).predict(data.inputs).labels) == data.targets


def test_passing_failures_are_asked_again_and_others_are_not(tmp_path):
    data, path = make_data(3), tmp_path / "big.jsonl"
    with FakeProvider(right, misbehave=["400", "500", "500", "500", "500"]) as provider:
        first = run(data, provider.url, path, spend_cap=0.5)
        assert first.failed >= 2
        again = run(data, provider.url, path, spend_cap=0.5)
    assert again.asked < first.asked == 3
    errors = RecordedPredictor(read_recording(path)).predict(data.inputs).errors
    assert sorted(str(e) for e in errors) == ["None", "None", "http_400"]


def test_it_stops_at_the_cap_and_says_so(tmp_path):
    data, path = make_data(50), tmp_path / "big.jsonl"
    price = Price(input_per_mtok=100.0, output_per_mtok=100.0, currency="USD", source="test")
    with FakeProvider(right, always="no_usage") as provider:
        made = run(data, provider.url, path, spend_cap=0.5, price=price)
        assert not made.complete
        assert "cap" in made.stopped
        assert 0 < made.spent.value <= 0.5
        assert made.spent.unit == "USD"
        assert len(provider.requests) == made.asked < 50
        rows = [json.loads(line) for line in path.read_text().splitlines()[1:]]
        assert all(row["money"] is None for row in rows)  # not told is not zero


def test_a_cap_in_tokens_where_no_price_is_known():
    url, data = "https://api.example.com/v1", make_data()
    with pytest.raises(PolicyRefused, match="price"):
        propose(data, prompt=Prompt(labels=LABELS), model="m", url=url, spend_cap=0.5)
    with pytest.raises(PolicyRefused, match="cap the cost"):
        propose(data, prompt=Prompt(labels=LABELS), model="m", url=url)
    words = propose(data, prompt=Prompt(labels=LABELS), model="m", url=url, token_cap=5000).words("en")
    assert "price is not known" in words
    assert "5,000 tokens" in words


def test_data_that_is_not_public_is_neither_sent_nor_written(tmp_path):
    private, path = make_data(public=False), tmp_path / "big.jsonl"
    with FakeProvider(right) as provider:
        with pytest.raises(PolicyRefused):
            propose(private, prompt=Prompt(labels=LABELS), model="m", url=provider.url, spend_cap=1.0)
        grant = propose(
            make_data(), prompt=Prompt(labels=LABELS), model="m", url=provider.url, spend_cap=1.0
        ).confirm(now=NOW)
        with pytest.raises(PolicyRefused):
            record(
                private, prompt=Prompt(labels=LABELS), grant=grant, path=path, rng=np.random.default_rng(0)
            )
        assert provider.received == b""
    assert not path.exists()


def test_a_grant_for_other_data_sends_nothing(tmp_path):
    with FakeProvider(right) as provider:
        grant = propose(
            make_data(3), prompt=Prompt(labels=LABELS), model="m", url=provider.url, spend_cap=1.0
        ).confirm(now=NOW)
        gate = Gate([grant], clock=lambda: NOW)
        for data, labels in ((make_data(4), LABELS), (make_data(3), (*LABELS, "more"))):
            with pytest.raises(PolicyRefused, match="permission is for"):
                record(
                    data,
                    prompt=Prompt(labels=labels),
                    grant=grant,
                    gate=gate,
                    path=tmp_path / f"{len(labels)}.jsonl",
                    rng=np.random.default_rng(0),
                )
        assert provider.received == b""


def test_a_provider_that_cannot_be_used_is_an_error(tmp_path):
    with FakeProvider(right, always="401") as provider, pytest.raises(ProviderError, match="key"):
        run(make_data(), provider.url, tmp_path / "big.jsonl", spend_cap=0.5)
    with FakeProvider(right) as provider, pytest.raises(EnvironmentLacks, match="NOT_SET"):
        run(make_data(), provider.url, tmp_path / "big.jsonl", spend_cap=0.5, key="env:NOT_SET")


def test_other_recordings_and_other_files_are_left_alone(tmp_path):
    path = tmp_path / "big.jsonl"
    with FakeProvider(right) as provider:
        run(make_data(), provider.url, path, spend_cap=0.5)
        before = path.read_bytes()
        with pytest.raises(DataError, match="another model"):
            run(make_data(), provider.url, path, model="big-2", spend_cap=0.5)
        assert path.read_bytes() == before
        for content in (b"text,intent\nhola,hours", b"text,intent\nhola,hours\n", b'{"a": 1}\n', b"[]"):
            path.write_bytes(content)
            with pytest.raises(DataError):
                run(make_data(), provider.url, path, spend_cap=0.5)
            assert path.read_bytes() == content
