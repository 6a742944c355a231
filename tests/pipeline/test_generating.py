"""A recipe whose task is free text, from its rows to the evaluation of what was learnt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sazon import pipeline, recipe
from sazon.core.errors import RecipeError
from sazon.testing.tiny_causal import letters_task, tiny_causal

RECIPE = """
name: letters
data:
  task: generate
  train: {path: rows.jsonl}
  input: text
  target: answer
  public: true
models:
  tiny: {source: "path:base"}
candidates:
  tuned: {technique: finetune, base: tiny, method: full, epochs: 14, rate: 0.003, batch_size: 16}
evaluate: {draws: 200, scorers: [token_f1]}
economics: {worlds: 200}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Rows, a base and a recipe."""
    data = letters_task(rows=500, split=500)
    rows = [{"text": e.input, "answer": e.target} for e in data.fit.examples]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    tiny_causal(tmp_path / "base")
    (tmp_path / "recipe.yaml").write_text(RECIPE, "utf-8")
    return tmp_path


def test_free_text_is_learnt_and_scored_to_the_letter(place):
    outcome = pipeline.run(place / "recipe.yaml", out=place / "run", offline=True, until="evaluate")

    [tuned] = outcome.candidates
    assert tuned.facts["task"] == "generate"
    accuracy = outcome.evaluation.estimates["tuned"]["accuracy"]
    assert accuracy.value > 0.9
    assert accuracy.n == outcome.evaluation.n
    assert accuracy.value <= outcome.evaluation.estimates["tuned"]["token_f1"].value <= 1


def test_what_cannot_write_is_refused_before_any_work():
    with pytest.raises(RecipeError) as caught:
        recipe.parse(RECIPE.replace("evaluate:", "  floor: {technique: majority}\nevaluate:"))
    [problem] = caught.value.problems
    assert "'floor' cannot be made" in str(problem)
