"""A live provider asked for free text: prompt, bounds, what counts as an answer, replay and score."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from sazon import data as loading
from sazon import pipeline, recipe
from sazon.cli.main import app
from sazon.core import registry
from sazon.core.errors import EnvironmentLacks, PolicyRefused, RecipeError
from sazon.core.rng import stream
from sazon.evaluate.record import Recording
from sazon.models.prompt import TEXT_TOKENS, WRITE, Prompt, Shot
from sazon.models.recorded import read_recording
from sazon.models.remote import Reply, read_reply
from sazon.pipeline.live import asking_of
from sazon.policy.response import Response
from sazon.testing.fake_provider import FakeProvider

PAID = "{input_per_mtok: 10, output_per_mtok: 100, currency: USD, as_of: 2026-01-31, source: test}"
WORDS = ("Open from nine to five,", "The money comes back\nwithin a week,")


def reply_to(text: str) -> str:
    """The answer wanted."""
    kind, _, number = text.split()[:3]
    return f"{WORDS[int(number) % 2]} {kind} {number}"


def write(folder: Path, url: str, *, live: str = "live: true", more: str = "") -> Path:
    """A recipe that writes replies, thirty rows of training and twelve of test."""
    for name, n in (("train", 30), ("test", 12)):
        texts = [f"{name} message {i} about it" for i in range(n)]
        rows = [json.dumps({"text": text, "reply": reply_to(text)}) for text in texts]
        (folder / f"{name}.jsonl").write_text("\n".join(rows), "utf-8")
    path = folder / "recipe.yaml"
    path.write_text(
        f"""name: replies
data:
  {{task: generate, train: {{path: train.jsonl}}, test: {{path: test.jsonl}}, target: reply, public: true}}
providers:
  frontier: {{base_url: "{url}", model: big-1, key: "env:LIVE_KEY", price: {PAID}}}
candidates:
  frontier: {{technique: api, provider: frontier, {live}}}
evaluate: {{right: {{scorer: token_f1, at_least: 0.8}}, scorers: [exact, normalised_exact]{more}}}
economics: {{worlds: 200}}
""",
        "utf-8",
    )
    return path


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVE_KEY", "sk-canary-text")


def ask_for(path: Path, said: list[str] | None = None, **options: Any) -> Recording:
    def ask(words: str) -> bool:
        (said if said is not None else []).append(words)
        return True

    wanted = recipe.read(path)
    [made] = pipeline.record_candidates(wanted, ["frontier"], ask=ask, **({"spend": 9.0} | options))
    return made


def run(path: Path) -> pipeline.Outcome:
    return pipeline.run(path, out=path.with_name("run"), until="evaluate", offline=True)


def texts_of(folder: Path, name: str) -> set[str]:
    return {json.loads(line)["text"] for line in (folder / f"{name}.jsonl").read_text("utf-8").splitlines()}


# ------------------------------------------------------------------ the whole way


def test_asked_once_scored_by_the_line_and_replayed_to_the_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def answer(text: str) -> str:
        number = int(text.split()[2])
        if number < 6:
            return f"<think>{text}?</think>\n{reply_to(text)}\n"
        return reply_to(text).lower() if number < 9 else "No idea."

    with FakeProvider(answer) as provider:
        path = write(tmp_path, provider.url, live="live: true, shots: 4")
        with pytest.raises(PolicyRefused, match="12 of its 12"):
            run(path)
        [found] = [f for f in pipeline.check(recipe.read(path), offline=True) if "frontier" in f.where]
        assert found.level == "warning"
        assert provider.received == b""
        line = ["run", str(path), "--out", "run", "--offline", "--json"]
        recording = ["evaluate", str(path), "--record", "frontier", "--spend", "9", "--out", "run", "--json"]
        asked = CliRunner().invoke(app, [*recording, "--offline", "--yes"])
        assert asked.exit_code == 0, asked.output
        assert {r["messages"][-1]["content"] for r in provider.requests} == texts_of(tmp_path, "test")
        assert {r["max_tokens"] for r in provider.requests} == {TEXT_TOKENS}
        sent = provider.received
        monkeypatch.delenv("LIVE_KEY")
        done = CliRunner().invoke(app, line)
        assert done.exit_code in (0, 4), done.output
        assert CliRunner().invoke(app, [*recording, "--offline"]).exit_code == 0  # nothing to consent to
        assert provider.received == sent
    outcome = run(path)
    known = outcome.evaluation.estimates["frontier"]
    assert (known["accuracy"].value, known["accuracy"].n) == (0.75, 12)
    assert (known["exact"].value, known["normalised_exact"].value) == (0.5, 0.75)
    assert known["money_per_1000_answers"].unit.startswith("USD")
    [candidate] = outcome.candidates
    assert (candidate.facts["asked"], candidate.facts["failed"], candidate.facts["cut_off"]) == (12, 0, 0)
    assert not candidate.notes  # free text was offered no labels, and needs none
    report = (tmp_path / "run" / "report" / "report.html").read_text("utf-8")
    assert "frontier" in report
    assert "token_f1" in report


def test_what_is_no_answer_is_counted_and_never_judged(tmp_path):
    said = {0: "", 1: "<think>only thoughts</think>", 2: "<think>never ended", 3: " \n"}

    with FakeProvider(
        lambda text: said.get(int(text.split()[2]), reply_to(text)), misbehave=["html", "length"]
    ) as provider:
        path = write(tmp_path, provider.url, live="live: true, at_once: 1")
        path.write_text(path.read_text().replace("test.jsonl", "some.jsonl"))
        rows = (tmp_path / "test.jsonl").read_text("utf-8").splitlines()
        # The first two asked are answered by a portal and cut off; then come the four of `said`.
        (tmp_path / "some.jsonl").write_text("\n".join([*rows[6:8], *rows[:6], *rows[8:]]), "utf-8")
        made = ask_for(path)
        assert (made.asked, made.failed) == (12, 6)
        lines = [json.loads(line) for line in made.path.read_text().splitlines()[1:]]
        errors = [line["error"] for line in lines]
        assert errors == ["malformed", "cut_off", "empty", "empty", "empty", "empty", *[None] * 6]
        assert all((line["answer"] is None) == (line["error"] is not None) for line in lines)
        assert ask_for(path).asked == 1  # the portal's page may be gone; what the model said is kept
    outcome = run(path)
    accuracy = outcome.evaluation.estimates["frontier"]["accuracy"]
    assert (accuracy.value, accuracy.n) == (1.0, 7)
    assert outcome.evaluation.estimates["frontier"]["answered"].value == pytest.approx(7 / 12)
    [candidate] = outcome.candidates
    counts = {name: candidate.facts[name] for name in ("asked", "failed", "unreadable", "cut_off", "retries")}
    assert counts == {"asked": 12, "failed": 5, "unreadable": 5, "cut_off": 1, "retries": 1}
    [note] = candidate.notes
    assert "5 answers were empty or cut off" in note.words("en")
    assert candidate.facts["tokens_out"] > 0


def test_answers_that_are_always_cut_off_stop_before_all_is_spent(tmp_path):
    with FakeProvider(reply_to, always="length") as provider:
        path = write(tmp_path, provider.url, live="live: true, at_once: 1")
        with pytest.raises(
            EnvironmentLacks, match="5 texts in a row got an answer that was cut off"
        ) as stopped:
            ask_for(path)
        assert "Raise max_tokens" in str(stopped.value)
        assert len(provider.requests) == 5
        longer = write(tmp_path, provider.url, live="live: true, at_once: 1, max_tokens: 2000")
        with pytest.raises(EnvironmentLacks):
            ask_for(longer)
        assert provider.requests[-1]["max_tokens"] == 2000  # another limit is another question


def test_the_cap_counts_the_longest_answer_and_what_came_is_resumed(tmp_path):
    with FakeProvider(reply_to, always="no_usage") as provider:
        path = write(tmp_path, provider.url, live="live: true, at_once: 1, max_tokens: 1000")
        with pytest.raises(EnvironmentLacks, match=r"of 12 texts, then stopped.*cap"):
            ask_for(path, spend=0.5)
        # 1,000 tokens at 100 a million are 0.10, and the text comes on top: four fit below 0.50.
        assert len(provider.requests) == 4
        assert ask_for(path).asked == 8
        assert ask_for(path).asked == 0


def test_the_expected_cost_follows_the_answers_wanted_and_the_limit(tmp_path):
    def cost(live: str) -> Any:
        wanted = recipe.read(write(tmp_path, "https://api.example.com/v1", live=live))
        loaded = loading.load(wanted.config.data, root=tmp_path, offline=True, cache=tmp_path)
        splits = loading.split(loaded, cascade=False, rng=stream(0, "data.split"))
        asking = asking_of(wanted, splits, wanted.plans[0])
        return asking, asking.cost(asking.rows), splits

    asking, usual, splits = cost("live: true")
    read = sum(len(asking.prompt.instruction) + len(t) for t in splits.test.inputs)
    written = sum(map(len, splits.fit.targets)) / len(splits.fit)
    assert usual.low == pytest.approx((read / 5 * 10 + 12 * written / 5 * 100) / 1e6)
    assert usual.high == pytest.approx((read / 3 * 10 + 12 * TEXT_TOKENS * 100) / 1e6)
    _, longer, _ = cost("live: true, max_tokens: 4096")
    assert longer.high - usual.high == pytest.approx(12 * (4096 - TEXT_TOKENS) * 100 / 1e6)
    assert longer.low == usual.low
    _, least, _ = cost("live: true, max_tokens: 1")
    assert least.low == pytest.approx((read / 5 * 10 + 12 * 100) / 1e6)


def test_the_prompt_is_the_instruction_and_examples_that_train(tmp_path):
    said: list[str] = []
    with FakeProvider(reply_to) as provider:
        path = write(tmp_path, provider.url, live='live: true, shots: 5, instruction: "Reply kindly."')
        ask_for(path, said)
        [instruction] = {r["messages"][0]["content"] for r in provider.requests}
        other = write(tmp_path, provider.url, live='live: true, shots: 5, instruction: "Reply at once."')
        assert ask_for(other).asked == 12  # other words are another question
    head, _, listed = instruction.partition("\n\nExamples")
    assert head == "Reply kindly."
    shown = [json.loads(line) for line in listed.splitlines()[1:]]
    assert len(shown) == 5
    assert all(pair["answer"] == reply_to(pair["message"]) for pair in shown)
    loaded = loading.load(recipe.read(path).config.data, root=tmp_path, offline=True, cache=tmp_path)
    fit = loading.split(loaded, cascade=False, rng=stream(0, "data.split")).fit
    assert {pair["message"] for pair in shown} <= set(fit.inputs)
    assert "5 examples" in said[0]
    assert "label" not in instruction


def test_a_judge_reads_what_the_provider_wrote(tmp_path):
    def answer(text: str) -> str:
        return "right" if text.startswith("{") else "Something else entirely."

    with FakeProvider(answer) as provider:
        path = write(tmp_path, provider.url, more=", judge: {provider: frontier, max_tokens: 99}")
        ask_for(path)
        command = ["evaluate", str(path), "--record", "evaluate.judge", "--spend", "9", "--yes", "--json"]
        done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "run"), "--offline"])
        assert done.exit_code == 0, done.output
        assert [r["max_tokens"] for r in provider.requests] == [TEXT_TOKENS] * 12 + [99] * 12
    known = run(path).evaluation.estimates["frontier"]
    assert (known["accuracy"].value, known["judge"].value) == (0.0, 1.0)


# ------------------------------------------------------------------------ wording


@pytest.mark.parametrize(
    ("told", "warnings"), [("", 1), (", shots: 3", 0), (', instruction: "Reply kindly."', 0)]
)
def test_a_model_that_is_told_nothing_of_its_task_is_warned_about(tmp_path, told, warnings):
    path = write(tmp_path, "https://api.example.com/v1", live=f"live: true{told}")
    found = pipeline.check(recipe.read(path), offline=True)
    untold = [f for f in found if "nothing tells the model what" in f.says.words("en")]
    assert [f.where for f in untold] == ["candidates.frontier"] * warnings


def test_labels_have_no_place_in_an_instruction_for_text(tmp_path):
    with pytest.raises(RecipeError) as caught:
        recipe.read(
            write(tmp_path, "http://127.0.0.1:9/v1", live='live: true, instruction: "One of {labels}"')
        )
    [problem] = caught.value.problems
    assert "writes free text" in problem.what
    assert problem.where.endswith("candidates.frontier.instruction")


@pytest.mark.parametrize("length", [0, -1, 10**9])
def test_a_length_that_is_none_is_refused(length):
    config = registry.load("technique", "api").Config
    with pytest.raises(ValidationError):
        config.model_validate({"provider": "p", "live": True, "max_tokens": length})


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=4))
def test_no_example_ends_its_own_line(pairs):
    shots = tuple(Shot(input=text, label=answer) for text, answer in pairs)
    listed = Prompt(labels=(), template=WRITE, shots=shots).instruction.removeprefix(WRITE)
    lines = listed.strip("\n").split("\n")[1:]
    assert [tuple(json.loads(line).values()) for line in lines] == pairs


# ------------------------------------------------------------------------ reading


def read(said: Any, *, finish: str | None = "stop", labels: tuple[str, ...] = ()) -> Reply:
    choice = {"message": {"content": said}, "finish_reason": finish}
    body = json.dumps({"choices": [choice]}).encode()
    return read_reply(Response(status=200, body=body, seconds=0.1, retry_after_s=None, usage=None), labels)


@pytest.mark.parametrize(
    ("said", "answer", "error"),
    [
        (" Yes.\n", "Yes.", None),
        ("<think>a</think>b<think>c</think>", "b", None),
        ("began unmarked</think>\n\nYes.", "Yes.", None),
        ("Yes.<think>and then", "Yes.", None),
        ('{"label": "kept as it is"}', '{"label": "kept as it is"}', None),
        ("two\nlines", "two\nlines", None),
        ("", None, "empty"),
        (" \n", None, "empty"),
        (None, None, "empty"),
        (["parts"], None, "empty"),
        ("<think>a</think> ", None, "empty"),
        ("half \ud800 a sign", None, "unreadable"),
    ],
)
def test_text_is_taken_as_it_is_without_thoughts(said, answer, error):
    assert (read(said).answer, read(said).error) == (answer, error)


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_half_an_answer_is_none(finish):
    assert (read("Yes, and", finish=finish).answer, read("Yes, and", finish=finish).error) == (
        None,
        "cut_off",
    )
    assert read("Yes.", finish=None).answer == "Yes."


def test_a_label_named_before_the_end_was_cut_off_counts():
    assert read("Refund, since", finish="length", labels=("refund", "hours")).answer == "refund"
    thinking = read("<think>refund or", finish="length", labels=("refund", "hours"))
    assert (thinking.answer, thinking.error) == (None, "cut_off")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60))
def test_reading_adds_nothing_and_loses_only_space(said):
    if "think>" not in said:
        assert (read(said).answer or "") == said.strip()


def test_a_recorded_answer_may_hold_any_character_that_looks_like_a_line_break(tmp_path):
    header = {"sazon_recording": 1, "model": "m", "prompt_digest": "p", "labels": []}
    text = "one\u2028two\x85three"
    rows = [header, {"key": "k", "answer": text}]
    path = tmp_path / "r.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    assert read_recording(path).answers["k"].answer == text
