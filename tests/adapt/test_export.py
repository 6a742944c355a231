"""Export to ONNX: the same answers, the gate, and serving without torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon import models
from sazon.adapt.export import ExportConfig, require_parity
from sazon.core.errors import DataError, IntegrityError, RecipeError
from sazon.core.types import Candidate, TrainingData
from sazon.models.onnx import GRAPH

from .conftest import Make

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

ODD = ["", "x", "lost " * 300, "half an emoji \ud83d", "¿dónde está?", "a\nb\tc"]


@pytest.fixture
def tuned(make: Make) -> Candidate:
    return make("finetune", epochs=3, rate=3e-3, refit=False)


@pytest.mark.slow
@pytest.mark.parametrize("technique", ["finetune", "transfer", "contrastive"])
def test_fp32_gives_the_same_probabilities(make: Make, data: TrainingData, technique: str) -> None:
    options = {"transfer": {}, "finetune": {"epochs": 1}, "contrastive": {"epochs": 1}}[technique]
    parent = make(technique, **options)
    exported = make("export", parents={"it": parent}, of="it", to="onnx")
    original = models.load(parent)
    original.encoder.precision = "fp32"
    texts = data.validation.inputs + ODD
    before, after = original.predict(texts), models.load(exported).predict(texts)
    np.testing.assert_allclose(after.probabilities, before.probabilities, atol=1e-4)
    assert exported.base == parent.base
    assert exported.facts["agreement"] == 1.0


@pytest.mark.slow
def test_int8_is_smaller_passes_the_gate_and_loads_again_bit_equal(make: Make, tuned: Candidate) -> None:
    exact = make("export", parents={"it": tuned}, of="it", to="onnx")
    rounded = make("export", parents={"it": tuned}, of="it", to="onnx-int8", agreement=0.9, drop=0.1)
    assert rounded.facts["agreement"] >= 0.9
    sizes = [(c.artifact.path / GRAPH).stat().st_size for c in (exact, rounded) if c.artifact]
    assert sizes[1] < sizes[0]
    first, second = (models.load(rounded).predict(["lost card", "refund"]) for _ in range(2))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)


@pytest.mark.slow
def test_what_the_original_learnt_from_measures_nothing(make: Make) -> None:
    refitted = make("finetune", epochs=1, refit=True)
    exported = make("export", parents={"it": refitted}, of="it", to="onnx")
    assert exported.validation["accuracy"].value is None
    assert [n.key for n in exported.notes] == ["note.parity_in_sample"]


@pytest.mark.slow
def test_a_fresh_measurement_where_it_had_not(make: Make, tuned: Candidate) -> None:
    exported = make("export", parents={"it": tuned}, of="it", to="onnx")
    assert exported.validation["accuracy"].value == tuned.validation["accuracy"].value
    assert exported.notes == ()


def _shares(answers: list[int]) -> np.ndarray:
    return np.eye(3)[answers] * 0.8 + 0.2 / 3


@given(
    n=st.integers(20, 300),
    flips=st.integers(0, 40),
    agreement=st.sampled_from([0.8, 0.9, 0.99]),
)
def test_the_gate_opens_exactly_where_enough_answers_agree(n: int, flips: int, agreement: float) -> None:
    flips = min(flips, n)
    truth = np.zeros(n, dtype=np.intp)
    before = _shares([1] * n)
    after = _shares([2] * flips + [1] * (n - flips))  # wrong before and after: accuracy does not move
    config = ExportConfig(of="it", agreement=agreement, drop=0.01)
    if (n - flips) >= agreement * n - 0.5:
        assert require_parity(before, after, truth, config, name="x")["agreement"] == (n - flips) / n
    else:
        with pytest.raises(IntegrityError, match=f"of {n} validation rows"):
            require_parity(before, after, truth, config, name="x")


def test_a_fall_in_accuracy_is_refused_with_the_numbers() -> None:
    truth = np.zeros(100, dtype=np.intp)
    config = ExportConfig(of="it", agreement=0.5, drop=0.02)
    with pytest.raises(IntegrityError, match=r"right on 95\.0% instead of 100\.0%"):
        require_parity(_shares([0] * 100), _shares([1] * 5 + [0] * 95), truth, config, name="x")
    better = require_parity(_shares([1] * 5 + [0] * 95), _shares([0] * 100), truth, config, name="x")
    assert better["accuracy_after"] == 1.0


@pytest.mark.slow
def test_a_broken_graph_does_not_load(make: Make, tuned: Candidate) -> None:
    exported = make("export", parents={"it": tuned}, of="it", to="onnx")
    assert exported.artifact is not None
    graph = exported.artifact.path / GRAPH
    graph.write_bytes(graph.read_bytes()[:500])
    with pytest.raises(IntegrityError, match="cannot read the exported model"):
        models.load_folder(exported.artifact.path)
    with pytest.raises(IntegrityError, match="was changed"):
        models.load(exported)


@pytest.mark.slow
def test_a_label_map_of_another_size_is_refused(make: Make, tuned: Candidate) -> None:
    exported = make("export", parents={"it": tuned}, of="it", to="onnx")
    assert exported.artifact is not None
    facts = exported.artifact.path / "predictor.json"
    facts.write_text(facts.read_text("utf-8").replace('"refund"', '"refund", "more"'), "utf-8")
    with pytest.raises(IntegrityError, match="3 classes, its label map has 4"):
        models.load_folder(exported.artifact.path)


def test_only_encoders_are_exported(make: Make) -> None:
    linear = make("linear")
    with pytest.raises(RecipeError, match="only encoders"):
        make("export", parents={"it": linear}, of="it")


def test_without_validation_rows_it_refuses(make: Make, data: TrainingData) -> None:
    bare = replace(data, validation=replace(data.validation, examples=()))
    with pytest.raises(DataError, match="no validation rows"):
        make("export", data=bare, parents={"it": make("linear")}, of="it")


@pytest.mark.slow
def test_serving_needs_neither_torch_nor_transformers(make: Make, tuned: Candidate) -> None:
    exported = make("export", parents={"it": tuned}, of="it", to="onnx")
    assert exported.artifact is not None
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from sazon import models\n"
        f"there = Path({str(exported.artifact.path)!r})\n"
        "print(models.load_folder(there).predict(['refund please']).labels)\n"
        "print([m for m in ('torch', 'transformers', 'sklearn', 'onnx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    label, loaded = done.stdout.splitlines()
    assert label in {"('card',)", "('refund',)", "('close_account',)"}
    assert loaded == "[]"


def test_the_graph_stands_in_its_folder_alone(make: Make, tuned: Candidate, tmp_path: Path) -> None:
    exported = make("export", parents={"it": tuned}, of="it", to="onnx-int8", agreement=0.5, drop=1 - 1e-9)
    assert exported.artifact is not None
    names = sorted(p.name for p in exported.artifact.path.iterdir())
    assert names == [GRAPH, "predictor.json", "tokenizer.json"]
