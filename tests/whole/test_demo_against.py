"""`sazon demo --against`: consent first, then only public texts and label names leave, and only once."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from sazon import pipeline, recipe
from sazon.core.errors import PolicyRefused, RecipeError
from sazon.data import demo
from sazon.testing.fake_provider import FakeProvider

HEADERS = {"host", "accept", "accept-encoding", "user-agent", "content-length", "content-type", "connection"}


def record(wanted, url: str, *, agree: bool = True, asked: list[str] | None = None, **options) -> Path:
    def ask(text: str) -> bool:
        if asked is not None:
            asked.append(text)
        return agree

    options = {"model": "big", "key": None, "spend": 0.0, "price": None} | options
    return pipeline.record_demo(wanted, url=url, ask=ask, **options)


def test_without_consent_nothing_is_sent(small_recipe: Path) -> None:
    asked: list[str] = []
    with FakeProvider(lambda text: "test_results") as provider:
        with pytest.raises(PolicyRefused, match="no consent"):
            record(recipe.read(small_recipe), provider.url, agree=False, asked=asked)
        assert (provider.requests, provider.received) == ([], b"")
        assert provider.url in asked[0]


def test_the_command_asks_and_takes_no_for_an_answer(command) -> None:
    with FakeProvider(lambda text: "test_results") as provider:
        result = command("demo", "--against", provider.url, "--lang", "es", answers="n\n")
        assert provider.received == b""
    assert result.exit_code == 2
    assert "no consent was given, so nothing was sent" in result.stderr


def test_data_not_declared_public_never_leaves(small_csv: Path, command) -> None:
    with FakeProvider(lambda text: "test_results") as provider:
        against = ["--against", provider.url, "--price", "genai:openai/gpt-4.1", "--spend", "5", "--yes"]
        result = command("demo", "--data", small_csv, *against)
        assert provider.received == b""
    assert result.exit_code == 2
    assert "public" in result.stderr


def test_recorded_once_it_is_measured_and_asked_no_more(small_recipe: Path) -> None:
    wanted = recipe.read(small_recipe, overrides=["economics.months=12"])
    with FakeProvider(lambda text: "test_results") as provider:
        path = record(wanted, provider.url)
        sent = len(provider.requests)
        assert sent > 10
        assert record(wanted, provider.url) == path
        assert len(provider.requests) == sent
        measured = pipeline.with_recording(wanted, path, url=provider.url, model="big", price=None)
        outcome = pipeline.run(measured, out=small_recipe.with_name("run"), until="evaluate", offline=True)
        assert len(provider.requests) == sent
        with FakeProvider(lambda text: "test_results") as other:
            assert record(wanted, other.url) != path  # another endpoint has a recording of its own
    assert measured.config.economics.months == 12
    assert {c.name: c.kind for c in outcome.candidates}["frontier"] == "measured"
    assert 0 < outcome.evaluation.estimates["frontier"]["accuracy"].value < 1


def test_only_public_texts_and_label_names_leave(small_recipe: Path) -> None:
    with FakeProvider(lambda text: "test_results") as provider:
        record(recipe.read(small_recipe), provider.url)
        requests, received = provider.requests, provider.received.decode()
    with demo.path().open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts, labels = {row["text"] for row in rows}, {row["intent"] for row in rows}
    instructions = {m["content"] for r in requests for m in r["messages"][:-1]}
    assert len(instructions) == 1
    [instruction] = instructions
    assert sum(label in instruction for label in labels) == 4
    assert not any(text in instruction for text in texts if len(text) > 12)
    assert {r["messages"][-1]["content"] for r in requests} <= texts
    assert {key for r in requests for key in r} <= {"model", "messages", "max_tokens", "temperature"}
    # What is left of all bytes without the bodies is the request lines and headers.
    for body in requests:
        received = received.replace(json.dumps(body, ensure_ascii=False), "")
    heads = [line for line in received.split("\r\n") if line]
    named = {line.split(":")[0].lower() for line in heads if not line.startswith("POST ")}
    assert named <= HEADERS
    assert not any(row["customer"] in received for row in rows)


def test_an_endpoint_without_any_price_is_refused_before_it_is_asked(small_recipe: Path) -> None:
    text = small_recipe.read_text()
    small_recipe.write_text(
        "\n".join(x for x in text.splitlines() if "frontier" not in x and x != "providers:")
    )
    with FakeProvider(lambda text: "test_results") as provider:
        with pytest.raises(RecipeError, match="--price"):
            record(recipe.read(small_recipe), provider.url)
        assert provider.received == b""


def test_ones_own_public_data_gets_a_candidate_for_the_endpoint(small_csv: Path) -> None:
    own = pipeline.demo_recipe(data=small_csv, overrides=["data.public=true"])
    url, price = "http://127.0.0.1:9/v1", "genai:openai/gpt-4.1"
    measured = pipeline.with_recording(own, Path("/a b.jsonl"), url=url, model="qwen3:4b", price=price)
    assert measured.config.data == own.config.data
    assert measured.config.providers["frontier"].model == "qwen3:4b"
    assert measured.plan("frontier").config.recorded == "/a b.jsonl"
    assert {p.name for p in measured.plans} == {p.name for p in own.plans} | {"frontier"}
