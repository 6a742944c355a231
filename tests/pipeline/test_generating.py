"""A recipe whose task is free text, from its rows to the evaluation of what was learnt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sazon import pipeline, recipe
from sazon.core.errors import RecipeError
from sazon.core.types import Dataset, Example
from sazon.pipeline.options import INSTRUCTION_CHARACTERS, with_tokens
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


@pytest.mark.parametrize(("task", "listed"), [("generate", 0), ("classify", 3 * (10 + 3))])
def test_tokens_of_a_request_count_the_answers_wanted_and_no_list_of_them(task, listed):
    rows = tuple(Example(id=str(i), input="x" * 50, target=f"{i}" * 10) for i in range(3))
    dataset = Dataset(name="toy", split="test", examples=rows)
    config = with_tokens(recipe.parse(RECIPE).config.economics, dataset, task=task)
    assert config.tokens_in.p90 == pytest.approx((INSTRUCTION_CHARACTERS + 50 + listed) / 3)
    assert config.tokens_out.p90 == pytest.approx(10 / 3)
    assert ("label list" in config.tokens_in.source) == (task == "classify")


def test_what_cannot_write_is_refused_before_any_work():
    with pytest.raises(RecipeError) as caught:
        recipe.parse(RECIPE.replace("evaluate:", "  floor: {technique: majority}\nevaluate:"))
    [problem] = caught.value.problems
    assert "'floor' cannot be made" in str(problem)
