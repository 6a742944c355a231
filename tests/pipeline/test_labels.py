"""Labels that the recipe describes: they reach the techniques, also those no row has."""

from __future__ import annotations

from pathlib import Path

import pytest

from sazon import models, pipeline
from sazon.core.errors import DataError
from sazon.testing.tiny import tiny_encoder


def recipe(folder: Path, candidates: str, labels: str = "{cats: about cats, birds: about a bird}") -> Path:
    lines = [f"message {i} about {w},{w}" for i in range(30) for w in ("cats", "dogs")]
    (folder / "rows.csv").write_text("\n".join(["text,label", *lines]))
    base = tiny_encoder(folder / "base")
    path = folder / "recipe.yaml"
    path.write_text(
        f"name: t\ndata: {{train: {{path: rows.csv}}, labels: {labels}}}\n"
        f"models: {{tiny: {{source: 'path:{base.path}'}}}}\ncandidates: {candidates}\n"
    )
    return path


def test_a_described_label_without_rows_is_learnt_from_its_words(tmp_path):
    path = recipe(tmp_path, "{probe: {technique: transfer, base: tiny, C: [100.0], label_names: true}}")

    done = pipeline.run(path, out=tmp_path / "run", until="adapt")

    predictor = models.load(done.candidates[0])
    assert predictor.classes == ("birds", "cats", "dogs")
    assert predictor.predict(["about a bird"]).labels == ("birds",)


@pytest.mark.parametrize(
    ("candidates", "mend"),
    [
        ("{linear: {technique: linear}}", "Add rows of these classes"),
        ("{probe: {technique: transfer, base: tiny, label_names: false}}", "label_names: true"),
    ],
)
def test_without_its_name_a_label_without_rows_is_refused(candidates, mend, tmp_path):
    with pytest.raises(DataError, match="1 classes have no row to learn from: 'birds'") as refused:
        pipeline.run(recipe(tmp_path, candidates), out=tmp_path / "run", until="adapt")
    assert mend in refused.value.mend


def test_new_words_make_the_candidates_anew(tmp_path):
    chosen = "{probe: {technique: transfer, base: tiny, C: [10.0], label_names: true}}"
    first = pipeline.run(recipe(tmp_path, chosen), out=tmp_path / "run", until="adapt")
    path = recipe(tmp_path, chosen, "{cats: about a cat or two, birds: about a bird}")

    second = pipeline.run(path, out=tmp_path / "run", until="adapt")

    assert first.candidates[0].digest != second.candidates[0].digest
