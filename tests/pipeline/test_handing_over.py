"""Export of a run's candidate: the same answers elsewhere, and a card with the figures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from sazon import models, pipeline
from sazon.core import files
from sazon.core.errors import IntegrityError, RecipeError, SazonError
from sazon.core.types import Evaluation
from sazon.testing.tiny import tiny_encoder, toy_task

pytest.importorskip("torch")

RECIPE = """
name: toy
data: {train: {path: rows.csv}, input: text, target: label, public: true, licence: CC0-1.0}
models: {tiny: {source: "path:base"}}
candidates:
  linear: {technique: linear}
  tuned: {technique: finetune, base: tiny, epochs: 1}
  small: {technique: distill, teacher: linear}
  large: {technique: host, model: llama-3.3-70b, assumed: {accuracy: {p10: 0.7, p90: 0.9}}}
evaluate: {draws: 200}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("handing")
    with (place / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((e.input, e.target) for e in toy_task(rows=240, split=240).fit.examples)
    tiny_encoder(place / "base")
    (place / "recipe.yaml").write_text(RECIPE, "utf-8")
    pipeline.run(place / "recipe.yaml", out=place / "run", offline=True, until="evaluate")
    return place / "run"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["linear", "tuned", "small"])
def test_it_answers_elsewhere_as_it_did_here(run: Path, tmp_path: Path, name: str) -> None:
    out = pipeline.export(run, name, out=tmp_path / "there")
    texts = ["refund please", "my card", "close it"]
    here = models.load(files.read_candidate(run / "adapt" / name)).predict(texts)
    there = models.load_folder(out).predict(texts)
    np.testing.assert_array_equal(here.probabilities, there.probabilities)
    assert "`card`, `close_account`, `refund`" in (out / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_the_card_has_the_figures_in_both_languages(run: Path, tmp_path: Path) -> None:
    out = pipeline.export(run, "tuned", out=tmp_path / "there")
    path = run / "evaluate" / "estimates.json"
    accuracy = files.from_json(Evaluation, path.read_text("utf-8"), where="x").estimates["tuned"]["accuracy"]
    english, spanish = (out / name for name in ("README.md", "README.es.md"))
    assert f"{accuracy.value:.1%}".replace("%", "") in english.read_text("utf-8")
    candidate = files.read_candidate(run / "adapt" / "tuned")
    for card in (english, spanish):
        text = card.read_text("utf-8")
        assert candidate.artifact.digest in text
        assert candidate.base in text
        assert "CC0-1.0" in text
        assert "Wh (" in text
        assert "{" not in text.split("```")[0]
    assert "Calidad" in spanish.read_text("utf-8")
    labels = json.loads((out / "config.json").read_text("utf-8"))["id2label"]
    assert list(labels.values()) == sorted({"card", "close_account", "refund"})


@pytest.mark.slow
def test_what_cannot_be_handed_over_is_refused_with_words(run: Path, tmp_path: Path) -> None:
    with pytest.raises(SazonError, match="tuned"):
        pipeline.export(run, "tunde", out=tmp_path / "a")
    with pytest.raises(RecipeError, match="nothing of this candidate runs here"):
        pipeline.export(run, "large", out=tmp_path / "b")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep", "utf-8")
    with pytest.raises(RecipeError, match="holds something already"):
        pipeline.export(run, "linear", out=tmp_path / "full")
    with pytest.raises(SazonError):
        pipeline.export(tmp_path, "linear", out=tmp_path / "c")
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_a_changed_artifact_is_not_handed_over(run: Path, tmp_path: Path) -> None:
    facts = run / "adapt" / "linear" / "artifact" / "predictor.json"
    kept = facts.read_bytes()
    facts.write_bytes(kept + b" ")
    try:
        with pytest.raises(IntegrityError, match="was changed"):
            pipeline.export(run, "linear", out=tmp_path / "there")
    finally:
        facts.write_bytes(kept)
