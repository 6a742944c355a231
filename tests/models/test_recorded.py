"""Recordings: joined by digest, never by row; what is missing is counted, what is strange refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sazon.core.errors import DataError
from sazon.models import load_folder
from sazon.models.recorded import (
    NOT_RECORDED,
    RecordedPredictor,
    read_recording,
    recording_key,
    refuse_stranger,
)

HEADER = {
    "sazon_recording": 1,
    "model": "big-1",
    "prompt_digest": "p",
    "labels": ["a", "b"],
    "made_at": "2026-11-01",
    "provider": "frontier",
    "data_public": True,
}


def line(text: str, answer: str | None, **more: object) -> dict[str, object]:
    return {
        "key": recording_key(text, "p", "big-1"),
        "model": "big-1",
        "answer": answer,
        "tokens_in": 30,
        "tokens_out": 2,
        "seconds": 0.5,
        "money": 0.001,
        "at": "2026-11-01",
        "error": None,
        **more,
    }


def write(path: Path, *lines: object, header: object = HEADER) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in (header, *lines)), "utf-8")
    return path


def test_answers_are_found_by_text_in_any_order(tmp_path):
    source = write(tmp_path / "r.jsonl", line("uno", "a"), line("dos", "b"))
    RecordedPredictor.save(source, tmp_path / "made")
    predictor = load_folder(tmp_path / "made")
    found = predictor.predict(["dos", "tres", "uno"])
    assert found.labels == ("b", "", "a")
    assert found.errors == (None, NOT_RECORDED, None)
    assert found.tokens.tolist()[::2] == [32.0, 32.0]
    assert np.isnan(found.tokens[1])
    assert np.isnan(found.confidence).all()
    assert found.seconds[0] == 0.5
    assert not predictor.can.runs_here


def test_another_prompt_or_model_does_not_join(tmp_path):
    recording = read_recording(
        write(tmp_path / "r.jsonl", line("uno", "a"), header=HEADER | {"prompt_digest": "q"})
    )
    assert recording.joined(["uno"]) == 0
    assert isinstance(refuse_stranger(recording, ["uno"], where="r"), DataError)
    assert refuse_stranger(recording, [], where="r") is None


def test_an_error_line_is_an_error_and_asking_again_mends_it(tmp_path):
    failed = line("uno", None, error="http_429")
    once = read_recording(write(tmp_path / "once.jsonl", failed, line("dos", None)))
    assert once.answers[once.key("uno")].error == "http_429"
    assert once.answers[once.key("dos")].error == "no answer"
    twice = read_recording(write(tmp_path / "twice.jsonl", failed, line("uno", "a")))
    assert twice.answers[twice.key("uno")].error is None


def test_an_answer_cut_by_a_kill_is_missing(tmp_path):
    path = write(tmp_path / "r.jsonl", line("uno", "a"), line("dos", "b"))
    path.write_text(path.read_text("utf-8")[:-20], "utf-8")
    assert read_recording(path).joined(["uno", "dos"]) == 1


def test_an_answer_beside_an_error_does_not_count(tmp_path):
    recording = read_recording(write(tmp_path / "r.jsonl", line("uno", "a", error="cut")))
    assert recording.answers[recording.key("uno")].answer is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json\n",
        "[]\n",
        '{"sazon_recording": 2}\n',
        '{"text": "hola", "label": "a"}\n',
        '{"sazon_recording": 1, "model": "m"}\n',
        json.dumps(HEADER) + "\n{broken\n",
        json.dumps(HEADER) + '\n{"answer": "a"}\n',
        json.dumps(HEADER) + "\n" + json.dumps(line("uno", "a", model="other")) + "\n",
        json.dumps(HEADER) + "\n" + json.dumps(line("uno", 3)) + "\n",
        json.dumps(HEADER) + "\n" + json.dumps(line("uno", "a", tokens_in=-1)) + "\n",
        json.dumps(HEADER) + "\n" + json.dumps(line("uno", "a", seconds=float("nan"))) + "\n",
    ],
)
def test_what_is_not_a_recording_is_refused(tmp_path, text):
    path = tmp_path / "r.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError) as caught:
        read_recording(path)
    assert "r.jsonl" in caught.value.where


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError):
        read_recording(tmp_path / "none.jsonl")
