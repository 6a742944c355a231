"""Students through the whole pipeline: logs and further texts never bring the test set into training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sazon import pipeline, recipe
from sazon.core.errors import RecipeError

WORDS = ("cats", "dogs")
RECIPE = """
name: t
data:
  train: {path: rows.csv}
  test: {path: test.csv}
  unlabelled: {path: more.csv}
  input: text
  target: label
candidates:
  linear: {technique: linear}
  floor: {technique: majority}
  small: {technique: distill, teacher: [linear, floor], variants: 0}
  logged: {technique: distill, recorded: logs.jsonl, allowed_by: own model}
"""


def _parsed(folder: Path, text: str = RECIPE) -> recipe.Recipe:
    rows = {
        part: [(f"{part} message {i} about {w}", w) for i in range(30) for w in WORDS]
        for part in ("train", "test")
    }
    for name, part in (("rows", "train"), ("test", "test")):
        lines = [f"{t},{w}" for t, w in rows[part]]
        (folder / f"{name}.csv").write_text("\n".join(["text,label", *lines]))
    more = [rows["test"][0][0].upper(), "cats and cats", "dogs and dogs"]
    (folder / "more.csv").write_text("\n".join(["text,label", *(f"{t}," for t in more)]))
    asked = [*rows["test"][:5], ("cats again", "cats"), ("dogs again", "dogs"), ("neither", "fish")]
    (folder / "logs.jsonl").write_text("\n".join(json.dumps(_line(*pair)) for pair in asked))
    return recipe.parse(text, root=folder)


def _line(text: str, said: str) -> dict[str, object]:
    return {
        "request": {"messages": [{"role": "user", "content": text}]},
        "response": {"choices": [{"message": {"content": said}}]},
    }


def test_students_learn_from_logs_and_further_texts_but_not_from_the_test(tmp_path: Path) -> None:
    done = pipeline.run(_parsed(tmp_path), out=tmp_path / "run")
    made = {c.name: c for c in done.candidates}

    assert made["logged"].facts["left_out"] == 5
    assert made["logged"].facts["recorded_texts"] == 2
    assert made["logged"].facts["unreadable"] == 1
    assert made["small"].facts["further_texts"] == 2
    assert any("1 of the further texts" in n.words("en") for n in made["small"].notes)
    assert done.evaluation is not None
    kept = done.evaluation.estimates["small"]["kept_of_teacher"]
    assert kept.value == 1.0
    assert "linear" in kept.method
    assert "kept_of_teacher" not in done.evaluation.estimates["logged"]
    report = (tmp_path / "run" / "report" / "report.html").read_text("utf-8")
    assert "own model" in report


def test_another_test_set_makes_the_student_of_a_log_anew(tmp_path: Path) -> None:
    before = {c.name: c for c in pipeline.run(_parsed(tmp_path), out=tmp_path / "run").candidates}
    wanted = _parsed(tmp_path)
    (tmp_path / "test.csv").write_text("text,label\nan other cats,cats\nan other dogs,dogs\n" * 1)

    after = {c.name: c for c in pipeline.run(wanted, out=tmp_path / "run", until="adapt").candidates}

    assert before["logged"].facts["left_out"] == 5
    assert after["logged"].facts["left_out"] == 0


def test_an_unknown_member_of_a_panel_is_shown_where_it_stands(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as error:
        _parsed(tmp_path, RECIPE.replace("[linear, floor]", "[linear, flor]"))

    assert "candidates.small.teacher" in str(error.value.problems[0])
