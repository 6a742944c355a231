"""Recorded answers of a provider as a lesson: what is read, counted and kept apart."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon import models
from sazon.adapt.distill import Distill
from sazon.adapt.distill.config import DistillConfig
from sazon.adapt.distill.recorded import asked_text, read_answers, read_response, read_rows
from sazon.adapt.distill.tokens import label_shares
from sazon.core import digest
from sazon.core.errors import DataError
from sazon.core.seams import Job
from sazon.data.plain import plain
from sazon.models.recorded import recording_key
from sazon.testing.tiny_causal import letters_task, tiny_causal

LABELS = ("card", "close_account", "refund")


def _line(text, said, **more):
    return {
        "request": {"model": "m", "messages": [{"role": "system", "content": "…"}, _user(text)]},
        "response": {"choices": [{"message": {"role": "assistant", "content": said}}]},
    } | more


def _user(text):
    return {"role": "user", "content": text}


def _write(path, lines):
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n", encoding="utf-8")
    return path


def _token(token, share, **others):
    top = [{"token": t, "logprob": math.log(p)} for t, p in ({token: share} | others).items()]
    return {"token": token, "logprob": math.log(share), "top_logprobs": top}


def test_reads_labels_counts_the_unreadable_and_keeps_the_test_apart(tmp_path, data):
    apart = replace(data, held_out=frozenset({digest.of_text(plain("lost it"))}))
    path = _write(
        tmp_path / "log.jsonl",
        [
            _line("where is it", "Card.", timestamp=1, client_id="c", workload_id="w"),
            _line("where is it", "refund", workload_id="w"),
            _line("no idea", "I cannot tell", workload_id="w"),
            _line("Lost  IT", "card", workload_id="w"),
            _line("other task", "refund", workload_id="v"),
        ],
    )

    read = read_answers(path, apart, workload="w")

    assert read.texts == ["where is it"]
    assert np.allclose(read.shares, [[0.5, 0, 0.5]])
    assert (read.soft, read.unreadable, read.excluded) == (0, 1, 1)
    assert "other task" in read_answers(path, apart).texts


def test_rows_of_a_log_are_labels_or_whatever_was_written(tmp_path, data):
    apart = replace(data, held_out=frozenset({digest.of_text(plain("lost it"))}))
    lines = [
        _line("where is it", "Card.", workload_id="w"),
        _line("where is it", "In the post.", workload_id="w"),
        _line("no idea", " ", workload_id="w"),
        _line("Lost  IT", "card", workload_id="w"),
        _line("other task", "refund", workload_id="v"),
    ]
    path = _write(tmp_path / "log.jsonl", lines)

    labels = read_rows(path, apart, workload="w")
    texts = read_rows(path, replace(apart, task="generate"), workload="w")

    assert [(r.input, r.target) for r in labels.rows] == [("where is it", "card")]
    assert (labels.unreadable, labels.excluded) == (2, 1)
    assert [r.target for r in texts.rows] == ["Card.", "In the post."]
    assert (texts.unreadable, texts.excluded) == (1, 1)
    with pytest.raises(DataError, match="not one answer"):
        read_rows(path, replace(apart, task="generate"), workload="another")


def test_a_student_of_a_log_learns_what_the_log_knows(make, data, tmp_path):
    # The rows' labels count nothing here (gold 0): all is learnt from the log, relative to the recipe.
    rng = np.random.default_rng(0)
    lines = [
        _line(f"{text} {rng.integers(9)}", label)
        for text, label in zip(data.fit.inputs, data.fit.targets, strict=True)
    ]
    _write(tmp_path / "log.jsonl", [*lines, _line("what", "dunno")])

    student = make("distill", recorded=str(tmp_path / "log.jsonl"), allowed_by="contract §4", gold=0.0)

    answers = models.load(student).predict(data.validation.inputs)
    assert np.mean(np.array(answers.labels) == np.array(data.validation.targets)) >= 0.9
    assert student.parents == ()
    assert student.facts["recorded_texts"] == 135
    assert student.facts["unreadable"] == 1
    words = student.notes[0].words("en")
    assert "1 recorded answers named no label" in words
    assert "contract §4" in words


def test_a_recording_is_joined_by_its_keys(data, tmp_path):
    header = {"sazon_recording": 1, "model": "m", "prompt_digest": "p", "labels": list(data.labels)}
    key = recording_key(data.fit.inputs[0], "p", "m")
    other = recording_key("unknown text", "p", "m")
    lines = [{"key": k, "model": "m", "answer": "refund"} for k in (key, other)]

    read = read_answers(_write(tmp_path / "r.jsonl", [header, *lines]), data)

    assert read.texts == [data.fit.inputs[0]]
    assert np.allclose(read.shares, [[0, 0, 1]])


@pytest.mark.parametrize("content", ["[1, 2]", "{", '{"request": {}}'])
def test_what_is_no_log_is_said_with_its_line(content, data, tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(_line("a", "card")) + "\n" + content, encoding="utf-8")

    with pytest.raises(DataError) as error:
        read_answers(path, data)

    assert f"{path}:2" in str(error.value.where)


def test_a_log_of_another_task_or_none_at_all_is_refused(data, tmp_path):
    with pytest.raises(DataError, match="not one answer"):
        read_answers(_write(tmp_path / "log.jsonl", [_line("a", "b")]), data)
    with pytest.raises(DataError, match="cannot read"):
        read_answers(tmp_path / "missing.jsonl", data)


def test_the_text_is_the_users_last_message():
    parts = [{"type": "text", "text": "one"}, {"type": "image_url"}, {"type": "text", "text": "two"}]
    assert asked_text({"messages": [_user("first"), _user("last"), {"role": "assistant"}]}) == "last"
    assert asked_text({"messages": [_user(parts)]}) == "one\ntwo"
    assert asked_text({"messages": "odd"}) == asked_text({}) == ""


def test_token_probabilities_become_label_probabilities():
    # "c" leads to card and close_account; "ard" decides. 0.2 went to refund at the first token.
    content = [_token("c", 0.8, ref=0.2), _token("ard", 0.75, lose=0.25)]

    shares = label_shares({"content": content}, "card", LABELS)

    assert np.allclose(shares, [0.8 * 0.75, 0.8 * 0.25, 0.2])


def test_probability_that_leads_nowhere_is_left_out_and_shared_openings_are_halved():
    content = [_token("refund", 0.5, c=0.2, zebra=0.3)]

    shares = label_shares({"content": content}, "refund", LABELS)

    assert np.allclose(shares, np.array([0.1, 0.1, 0.5]) / 0.7)


def test_tokens_that_do_not_spell_the_label_give_no_probabilities():
    assert label_shares({"content": [_token("The", 0.9, A=0.1)]}, "card", LABELS) is None
    assert label_shares({"content": [_token("c", 0.9, r=0.1)]}, "card", LABELS) is None  # broke off
    assert label_shares({"content": [{"token": "card", "logprob": -0.1}]}, "card", LABELS) is None
    assert label_shares(None, "card", LABELS) is None


def test_response_with_log_probabilities_is_soft_and_without_is_sure():
    choice = {"message": {"content": "refund"}, "logprobs": {"content": [_token("ref", 0.9, card=0.1)]}}

    shares, soft = read_response({"choices": [choice]}, LABELS)
    sure, hard = read_response({"choices": [{"message": {"content": "refund"}}]}, LABELS)

    assert soft
    assert np.allclose(shares, [0.1, 0, 0.9])
    assert not hard
    assert np.allclose(sure, [0, 0, 1])


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "logprobs", "token", "logprob", "top_logprobs", "messages"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["choices", "messages", "logprobs"]), JSON), JSON)
def test_any_json_is_read_or_counted_never_a_crash(odd, logprobs):
    shares, _ = read_response(odd, LABELS)
    asked_text(odd)
    more = label_shares(logprobs, "card", LABELS)

    for found in (shares, more):
        assert found is None or found.sum() == pytest.approx(1)


def test_a_causal_student_learns_the_answers_of_a_log_alone(tmp_path):
    """With gold 0 and rows that are all wrong, what is right comes from the log."""
    base, task = tiny_causal(tmp_path / "base"), letters_task()
    _write(tmp_path / "log.jsonl", [_line(row.input, row.target) for row in task.fit.examples])
    wrong = tuple(replace(row, target="B") for row in task.fit.examples)
    directory = tmp_path / "it"
    directory.mkdir()
    job = Job(name="it", directory=directory, cache=tmp_path, rng=np.random.default_rng(0), root=tmp_path)
    config = DistillConfig(
        recorded="log.jsonl",
        allowed_by="contract §4",
        student="causal",
        base="tiny",
        gold=0.0,
        epochs=14,
        rate=3e-3,
        batch_size=16,
    )
    data = replace(task, fit=replace(task.fit, examples=wrong))

    made = Distill().adapt(config, base=base, data=data, parents={}, job=job)

    assert made.technique == "distill"
    assert made.facts["recorded_texts"] == len({(e.input, e.target) for e in task.fit.examples})
    assert made.facts["refit"] is False
    assert "contract §4" in " ".join(n.words("en") for n in made.notes)
    answers = models.load(made).predict(task.validation.inputs).labels
    assert np.mean([a == b for a, b in zip(answers, task.validation.targets, strict=True)]) > 0.9
