"""A live provider as a candidate: consent, prompt, misbehaviour, cap and replay, through real sockets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from sazon import data as loading
from sazon import pipeline, recipe
from sazon.cli.main import app
from sazon.core import digest, registry
from sazon.core.errors import DataError, EnvironmentLacks, PolicyRefused, ProviderError, RecipeError
from sazon.core.rng import stream
from sazon.core.types import Dataset, Example
from sazon.data.plain import plain
from sazon.evaluate.asked import choose_shots
from sazon.evaluate.record import Recording, propose, record
from sazon.evaluate.sources import counted
from sazon.models.prompt import Prompt
from sazon.models.recorded import read_recording
from sazon.models.remote import Patient
from sazon.policy.egress import Egress
from sazon.policy.gate import Gate
from sazon.policy.response import Patience
from sazon.testing.fake_provider import FakeProvider

LABELS = ("hours", "refund")
PAID = "{input_per_mtok: 100, output_per_mtok: 100, currency: USD, as_of: 2026-01-31, source: test}"
SECRET = "sk-canary-5f2a"


def right(text: str) -> str:
    """The label whose word the text ends with."""
    return text.rsplit(" ", 1)[-1]


# ------------------------------------------------------------------ the whole way


def write(folder: Path, url: str, *, live: str = "live: true", public: bool = True, more: str = "") -> Path:
    """A recipe with one live candidate on thirty rows of training and twelve of test."""
    for name, n in (("train", 30), ("test", 12)):
        lines = [f"{name} message {i} about {LABELS[i % 2]},{LABELS[i % 2]}" for i in range(n)]
        (folder / f"{name}.csv").write_text("\n".join(["text,intent", *lines]) + "\n", "utf-8")
    path = folder / "recipe.yaml"
    path.write_text(
        f"""name: live
data:
  train: {{path: train.csv}}
  test: {{path: test.csv}}
  input: text
  target: intent
  public: {str(public).lower()}
providers:
  frontier: {{base_url: "{url}", model: big-1, key: "env:LIVE_KEY", price: {PAID}}}
candidates:
  floor: {{technique: majority}}
  frontier: {{technique: api, provider: frontier, {live}}}
{more}economics: {{worlds: 200}}
""",
        "utf-8",
    )
    return path


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVE_KEY", SECRET)


def ask_for(path: Path, *, agree: bool = True, said: list[str] | None = None, **options: Any) -> Recording:
    def ask(words: str) -> bool:
        (said if said is not None else []).append(words)
        return agree

    names = ["frontier"]
    [made] = pipeline.record_candidates(recipe.read(path), names, ask=ask, **({"spend": 9.0} | options))
    return made


def run(path: Path, **options: Any) -> pipeline.Outcome:
    return pipeline.run(path, out=path.with_name("run"), until="evaluate", offline=True, **options)


def texts_of(folder: Path, name: str) -> set[str]:
    return {line.split(",")[0] for line in (folder / f"{name}.csv").read_text("utf-8").splitlines()[1:]}


def test_without_a_recording_the_run_says_what_would_leave_at_what_price(tmp_path):
    with FakeProvider(right) as provider:
        path = write(tmp_path, provider.url, live="live: true, shots: 4")
        with pytest.raises(PolicyRefused) as refused:
            run(path)
        found = [f for f in pipeline.check(recipe.read(path), offline=True) if "frontier" in f.where]
        assert provider.received == b""
    said = str(refused.value)
    for words in (
        "12 of its 12",
        "--record frontier",
        "12 texts",
        "4 labelled",
        "big-1",
        provider.url,
        "USD",
    ):
        assert words in said
    assert found[0].level == "warning"
    assert found[0].mend in said


def test_recorded_once_it_is_measured_and_costs_nothing_again(tmp_path, monkeypatch):
    said: list[str] = []
    with FakeProvider(right) as provider:
        path = write(tmp_path, provider.url)
        made = ask_for(path, said=said)
        assert (made.asked, made.failed, made.complete) == (12, 0, True)
        assert {r["messages"][-1]["content"] for r in provider.requests} == texts_of(tmp_path, "test")
        assert "Expected cost" in said[0]
        assert str(made.path) in said[0]
        sent = provider.received
        monkeypatch.delenv("LIVE_KEY")
        again = ask_for(path, agree=False)  # nothing is missing, so nobody is asked for consent either
        assert (again.asked, again.kept) == (0, 12)
        outcome = run(path)
        assert provider.received == sent
    candidate = next(c for c in outcome.candidates if c.name == "frontier")
    counts = {name: candidate.facts[name] for name in ("asked", "failed", "unreadable", "retries")}
    assert counts == {"asked": 12, "failed": 0, "unreadable": 0, "retries": 0}
    assert candidate.facts["recording_digest"] == digest.of_file(made.path)
    assert candidate.facts["recorded_at"]
    assert candidate.kind == "measured"
    assert outcome.evaluation.estimates["frontier"]["accuracy"].value == 1.0
    for file in [*tmp_path.rglob("*")]:
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()


def test_a_recording_made_on_command_replays_by_its_name_without_a_key(tmp_path, monkeypatch):
    with FakeProvider(right) as provider:
        path = write(tmp_path, provider.url, live="recorded: answers/frontier.jsonl")
        assert ask_for(path).path == tmp_path / "answers" / "frontier.jsonl"
    monkeypatch.delenv("LIVE_KEY")
    assert run(path).evaluation.estimates["frontier"]["accuracy"].n == 12


def test_a_recording_under_another_prompt_is_named_by_digest(tmp_path):
    with FakeProvider(right) as provider:
        path = write(tmp_path, provider.url, live="recorded: frontier.jsonl")
        made = ask_for(path)
        path = write(tmp_path, provider.url, live="recorded: frontier.jsonl, shots: 2")
        with pytest.raises(DataError, match=read_recording(made.path).prompt_digest[:16]):
            run(path)
        with pytest.raises(DataError, match="another prompt"):
            ask_for(path)


def test_another_prompt_or_longer_test_set_asks_only_what_is_new(tmp_path):
    with FakeProvider(right) as provider:
        path = write(tmp_path, provider.url)
        first = ask_for(path)
        shown = write(tmp_path, provider.url, live="live: true, shots: 2")
        assert ask_for(shown).path != first.path
        path = write(tmp_path, provider.url)
        with (tmp_path / "test.csv").open("a") as file:
            file.write("one more about hours,hours\n")
        assert (ask_for(path).asked, ask_for(path).asked) == (1, 0)
        assert len(provider.requests) == 25


def test_a_part_of_a_cascade_answers_what_certifies_it_too(tmp_path):
    cascade = "  both: {technique: cascade, local: floor, cloud: frontier}\n"
    with FakeProvider(right) as provider:
        made = ask_for(write(tmp_path, provider.url, more=cascade))
        asked = {r["messages"][-1]["content"] for r in provider.requests}
    assert made.asked == len(asked) > 12
    assert asked & texts_of(tmp_path, "train")
    assert asked >= texts_of(tmp_path, "test")


def test_only_examples_that_train_leave_and_the_prompt_is_all_there_is(tmp_path):
    with FakeProvider(right) as provider:
        path = write(tmp_path, provider.url, live='live: true, shots: 6, instruction: "Sort. {labels}"')
        said: list[str] = []
        ask_for(path, said=said)
        received, requests = provider.received.decode(), provider.requests
        run(path)
    loaded = loading.load(recipe.read(path).config.data, root=tmp_path, offline=True, cache=tmp_path)
    fit = set(loading.split(loaded, cascade=False, rng=stream(0, "data.split")).fit.inputs)
    train = texts_of(tmp_path, "train")
    shown = {text for text in train if f'\\"{text}\\"' in received}
    assert len(shown) == 6
    assert shown <= fit < train
    assert Counter(right(text) for text in shown) == {"hours": 3, "refund": 3}
    assert not any(text in received for text in train - shown)
    assert "6 examples" in said[0]
    [instruction] = {r["messages"][0]["content"] for r in requests}
    assert instruction.startswith("Sort. - hours\n- refund\n\nExamples:\n")


def test_private_data_is_refused_by_run_and_by_recording(tmp_path):
    with FakeProvider(right) as provider:
        path = write(tmp_path, provider.url, public=False)
        for attempt in (run, ask_for):
            with pytest.raises(PolicyRefused, match="not declared public"):
                attempt(path)
        assert provider.received == b""
    assert not (tmp_path / "cache").exists() or not [*(tmp_path / "cache").rglob("*.jsonl")]


def test_no_consent_and_no_cap_send_nothing(tmp_path):
    with FakeProvider(right) as provider:
        path = write(tmp_path, provider.url)
        with pytest.raises(PolicyRefused, match="no consent"):
            ask_for(path, agree=False)
        with pytest.raises(PolicyRefused, match=r"cap the cost.*--spend.*USD"):
            ask_for(path, spend=None)
        assert provider.received == b""
        capped = write(tmp_path, provider.url, live="live: true, spend_cap: 9")
        assert ask_for(capped, spend=None).asked == 12


def test_the_cap_is_kept_and_what_was_answered_too(tmp_path):
    with FakeProvider(right, always="no_usage") as provider:
        path = write(tmp_path, provider.url, live="live: true, at_once: 1")
        with pytest.raises(EnvironmentLacks, match=r"of 12 texts, then stopped.*cap") as stopped:
            ask_for(path, spend=0.5)
        assert "kept" in str(stopped.value)
        asked = len(provider.requests)
        # What is not told stays booked at its bound: bytes of the body and the longest answer.
        bound = [len(json.dumps(r, ensure_ascii=False)) + 64 + 64 for r in provider.requests]
        assert 0 < sum(bound) * 100 / 1e6 <= 0.5
        with pytest.raises(PolicyRefused, match=f"{12 - asked} of its 12"):
            run(path)
        assert ask_for(path).asked == 12 - asked


def test_asking_nobody_cannot_be_recorded(tmp_path):
    wanted = recipe.read(write(tmp_path, "http://127.0.0.1:9/v1"))
    for name, words in (("floor", "asks nobody"), ("fronteer", "There are: floor, frontier")):
        with pytest.raises(RecipeError, match=words):
            pipeline.record_candidates(wanted, [name], ask=lambda words: True)


@pytest.mark.parametrize(("tenure", "placement"), [("buy", "local"), ("rent", "cloud")])
def test_a_host_is_asked_like_an_api_and_stays_in_the_house_only_if_bought(tmp_path, tenure, placement):
    host = f"  own: {{technique: host, model: llama-3.3-70b, provider: here, live: true, tenure: {tenure}}}\n"
    with FakeProvider(right) as provider:
        path = write(tmp_path, provider.url, live="assumed: {accuracy: {p10: 0.5, p90: 0.9}}", more=host)
        here = f'providers:\n  here: {{base_url: "{provider.url}", model: llama}}'
        path.write_text(path.read_text().replace("providers:", here))
        [made] = pipeline.record_candidates(recipe.read(path), ["own"], ask=lambda words: True)
        assert made.spent.value == 0.0
        assert b"uthorization" not in provider.received
    own = next(c for c in run(path).candidates if c.name == "own")
    assert (own.kind, own.placement, own.providers) == ("measured", placement, ())


def test_the_command_asks_records_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with FakeProvider(right) as provider:
        line = ["evaluate", str(write(tmp_path, provider.url)), "--record", "frontier", "--spend", "9"]
        refused = CliRunner().invoke(app, line, input="n\n")
        assert (refused.exit_code, provider.received) == (2, b"")
        done = CliRunner().invoke(app, [*line, "--yes", "--json"])
        assert done.exit_code == 0, done.output
        assert len(provider.requests) == 12
    table = {row["candidate"]: row for row in json.loads(done.stdout)["table"]}
    assert table["frontier"]["kind"] == "measured"
    assert "12 texts asked" in done.stderr
    assert SECRET not in done.output + refused.output


@pytest.mark.parametrize(
    "options",
    [
        {"live": True, "assumed": {"accuracy": {"p10": 0.5, "p90": 0.9}}},
        {"live": False},
        {"live": True, "shots": -1},
        {"assumed": {"accuracy": {"p10": 0.5, "p90": 0.9}}, "shots": 3},
        {"published": {"k": 1, "n": 2, "source": "s"}, "spend_cap": 1.0},
    ],
)
def test_impossible_ways_of_asking_are_refused(options):
    with pytest.raises(ValidationError):
        registry.load("technique", "api").Config.model_validate({"provider": "frontier"} | options)


def test_an_instruction_says_where_the_labels_go(tmp_path):
    path = write(tmp_path, "http://127.0.0.1:9/v1", live='live: true, instruction: "no place for them"')
    with pytest.raises(RecipeError) as caught:
        recipe.read(path)
    [problem] = caught.value.problems
    assert "recipe.yaml:12:62" in problem.where
    assert problem.where.endswith("candidates.frontier.instruction")
    assert "where the labels go" in problem.what


def test_a_live_host_needs_somebody_to_ask():
    with pytest.raises(ValidationError, match="nobody to ask"):
        registry.load("technique", "host").Config.model_validate({"model": "llama-3.3-70b", "live": True})


# ------------------------------------------------------------------ misbehaviour


def data(n: int = 6) -> Dataset:
    rows = (
        Example(id=str(i), input=f"message {i} about {LABELS[i % 2]}", target=LABELS[i % 2]) for i in range(n)
    )
    return Dataset(name="toy", split="test", examples=tuple(rows), public=True)


class Waits(list[float]):
    """Stands in for the clock: notes how long one would have slept."""

    async def sleep(self, seconds: float) -> None:
        self.append(seconds)


def asked(
    provider: FakeProvider, path: Path, *, waits: Waits | None = None, longest_s: float = 30.0
) -> Recording:
    rows, prompt = data(), Prompt(labels=LABELS)
    proposal = propose(rows, prompt=prompt, model="big-1", url=provider.url, spend_cap=1.0, key="KEY")
    gate = Gate([grant := proposal.confirm(now=1e6)], clock=lambda: 1e6)
    return record(
        rows,
        prompt=prompt,
        grant=grant,
        path=path,
        rng=np.random.default_rng(0),
        gate=gate,
        egress=Egress(gate, environment={"KEY": SECRET}, patience=Patience(total_s=longest_s)),
        patient=Patient(attempts=3, at_once=1, failures_in_a_row=3),
        sleep=(waits if waits is not None else Waits()).sleep,
    )


def facts(path: Path) -> dict[str, Any]:
    return counted(read_recording(path), data().inputs)


@pytest.mark.parametrize("always", ["429", "500", "hang", "empty", "cut", "nonsense", "html"])
def test_trouble_for_ever_stops_clearly_and_is_asked_again_later(tmp_path, always):
    path = tmp_path / "r.jsonl"
    with FakeProvider(right, always=always) as provider:
        made = asked(provider, path, longest_s=0.05 if always == "hang" else 30.0)
    assert (made.asked, made.failed) == (3, 3)
    assert "3 texts in a row got no answer" in made.stopped
    assert "run the same command again" in made.stopped
    assert SECRET not in made.stopped + path.read_text()
    with FakeProvider(right) as provider:
        # Another port is another provider: the same one has come back.
        header = json.loads(path.read_text().splitlines()[0])
        header["provider"] = provider.url.removesuffix("/v1")
        path.write_text("\n".join([json.dumps(header), *path.read_text().splitlines()[1:]]) + "\n")
        assert asked(provider, path).complete
    found = facts(path)
    assert (found["asked"], found["failed"]) == (6, 0)
    assert found["retries"] == (3 if always == "html" else 9)


@pytest.mark.parametrize("always", ["401", "redirect", "gzip", "endless"])
def test_what_no_retry_mends_is_an_error_at_once(tmp_path, always):
    with FakeProvider(right, always=always) as provider:
        with pytest.raises(ProviderError) as error:
            asked(provider, tmp_path / "r.jsonl")
        assert len(provider.requests) == 1
    assert SECRET not in str(error.value)
    assert not (tmp_path / "r.jsonl").exists()


def test_passing_trouble_is_waited_out_and_counted(tmp_path):
    waits = Waits()
    with FakeProvider(right, misbehave=["429", "500", None, "500"]) as provider:
        made = asked(provider, tmp_path / "r.jsonl", waits=waits)
    assert (made.failed, made.complete) == (0, True)
    assert waits[0] == 0.0  # as the provider asked
    assert all(0 < w <= 1.0 for w in waits[1:])
    assert facts(tmp_path / "r.jsonl")["retries"] == len(waits) == 3


def test_json_is_read_and_what_names_no_label_is_an_error_never_a_guess(tmp_path):
    said = {
        "0": '{"label": "hours"}',
        "1": '```json\n{"label": "refund", "instead_of": "hours"}\n```',
        "2": "hours or refund",
        "3": "I cannot say.",
        "4": '{"label": "opening"}',
        "5": "Refund!",
    }
    path = tmp_path / "r.jsonl"
    with FakeProvider(lambda text: said[text.split()[1]]) as provider:
        made = asked(provider, path)
        before = provider.received
        assert asked(provider, path).asked == 0
        assert provider.received == before
    assert (made.asked, made.failed) == (6, 3)
    lines = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    assert [line["answer"] for line in lines] == ["hours", "refund", None, None, None, "refund"]
    assert {line["error"] for line in lines} == {None, "unreadable"}
    found = facts(path)
    assert (found["failed"], found["unreadable"], found["retries"]) == (3, 3, 0)
    assert found["tokens_in"] > 10


# ------------------------------------------------------------------------ examples


def rows(pairs: Sequence[tuple[str, str]], split: str = "fit") -> Dataset:
    examples = tuple(Example(id=str(i), input=t, target=y) for i, (t, y) in enumerate(pairs))
    return Dataset(name="toy", split=split, examples=examples, public=True)


pairs = st.lists(st.tuples(st.text(max_size=6), st.sampled_from("abc")), max_size=30)


@given(fit=pairs, judged=pairs, count=st.integers(0, 12), seed=st.integers(0, 3))
def test_examples_are_balanced_unmistakable_and_never_judged(fit, judged, count, seed):
    shots = choose_shots(rows(fit), count, apart=[rows(judged, "test")], seed=seed)
    assert {(s.input, s.label) for s in shots} <= set(fit)
    assert not {plain(s.input) for s in shots} & {plain(t) for t, _ in judged}
    assert len({plain(s.input) for s in shots}) == len(shots) <= count
    assert all(len({y for t, y in fit if plain(t) == plain(s.input)}) == 1 for s in shots)
    assert shots == choose_shots(rows(fit[::-1]), count, apart=[rows(judged, "test")], seed=seed)
    shown = Counter(s.label for s in shots)
    everything = Counter(s.label for s in choose_shots(rows(fit), 99, apart=[rows(judged, "test")]))
    for label, most in shown.items():
        assert all(shown[other] >= min(most - 1, everything[other]) for other in everything), label


def test_a_new_row_leaves_most_examples_as_they_were():
    fit = [(f"text {i}", "ab"[i % 2]) for i in range(60)]
    before = choose_shots(rows(fit), 10)
    after = choose_shots(rows([*fit, ("one more", "a")]), 10)
    assert len(set(before) & set(after)) >= 9
    assert choose_shots(rows(fit), 10, seed=1) != before
