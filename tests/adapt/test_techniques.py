"""What every technique of `adapt` promises, shown on a tiny base and a separable toy task."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sazon import models
from sazon.core.errors import DataError, RecipeError
from sazon.core.types import Candidate, TrainingData

OPTIONS: dict[str, dict[str, object]] = {
    "majority": {},
    "linear": {},
    "transfer": {"C": [10.0, 1000.0]},
    "finetune": {
        "epochs": 10,
        "rate": 3e-3,
        "head_rate": 1e-2,
        "layer_decay": 1.0,
        "freeze_embeddings": False,
    },
    "distill": {"teacher": "linear"},
}
LEARNT = {"linear": 0.95, "transfer": 0.7, "finetune": 0.9, "distill": 0.9}


def _make(make, technique: str, **more) -> Candidate:
    parents = {"linear": make("linear")} if technique == "distill" else {}
    return make(technique, parents=parents, **(OPTIONS[technique] | more))


def _accuracy(candidate: Candidate, data: TrainingData) -> float:
    answers = models.load(candidate).predict(data.validation.inputs)
    return float(np.mean(np.array(answers.labels) == np.array(data.validation.targets)))


@pytest.mark.parametrize("technique", LEARNT)
def test_learns_what_is_there(technique, make, data):
    fit_only = _make(make, technique, refit=False)

    assert _accuracy(fit_only, data) >= LEARNT[technique]
    # The candidate reports what its predictor, loaded from disk, does.
    assert fit_only.validation["accuracy"].value == pytest.approx(_accuracy(fit_only, data), abs=1e-9)


@pytest.mark.parametrize("technique", OPTIONS)
def test_loaded_predictor_gives_a_distribution_over_the_task_classes(technique, make, data):
    predictor = models.load(_make(make, technique))

    answers = predictor.predict([*data.validation.inputs, "", "🙂", "x" * 5000, "\ud800"])

    assert predictor.classes == answers.classes == data.labels
    assert answers.probabilities is not None
    assert np.allclose(answers.probabilities.sum(axis=1), 1)
    best = answers.probabilities.max(axis=1)
    assert np.array_equal(answers.confidence, best)
    assert predictor.predict([]).labels == ()


@pytest.mark.parametrize("technique", OPTIONS)
def test_same_seed_same_bits(technique, make, data):
    first = _make(make, technique, seed=3, cache="one")
    second = _make(make, technique, seed=3, cache="two")

    assert first.artifact is not None
    assert second.artifact is not None
    assert first.artifact.digest == second.artifact.digest
    assert first.validation == second.validation
    assert first.facts == second.facts


@pytest.mark.parametrize("technique", OPTIONS)
def test_answers_do_not_depend_on_order_or_company(technique, make, data):
    predictor = models.load(_make(make, technique))
    inputs = data.validation.inputs
    order = np.random.default_rng(1).permutation(len(inputs))

    together = predictor.predict(inputs).probabilities
    shuffled = predictor.predict([inputs[i] for i in order]).probabilities
    alone = predictor.predict(inputs[:1]).probabilities

    assert np.allclose(together[order], shuffled, atol=1e-5)
    assert np.allclose(together[0], alone[0], atol=1e-5)


@pytest.mark.parametrize("technique", OPTIONS)
def test_nothing_is_pickled_and_costs_are_said(technique, make):
    candidate = _make(make, technique)

    suffixes = {p.suffix for p in candidate.artifact.path.rglob("*") if p.is_file()}
    assert suffixes <= {".json", ".npz", ".safetensors"}
    assert candidate.training.seconds > 0
    assert candidate.training.energy_kwh.kind == "assumed"


@pytest.mark.parametrize("technique", ["linear", "transfer", "finetune"])
def test_progress_reaches_its_end(technique, make, events):
    _make(make, technique)

    last = [e for e in events if e.total][-1]
    assert last.done == last.total


@pytest.mark.parametrize("technique", OPTIONS)
def test_refuses_what_teaches_nothing(technique, make, data):
    one_row = replace(data, fit=data.fit.select([0]))
    alike = replace(data, fit=data.fit.select(range(0, 135, 3)))
    unknown = replace(data, labels=data.labels[:2])

    parents = {"linear": make("linear")} if technique == "distill" else {}
    for broken in (one_row, alike, unknown):
        with pytest.raises(DataError, match=r"rows|label"):
            make(technique, data=broken, parents=parents, **OPTIONS[technique])


@pytest.mark.parametrize("technique", ["linear", "transfer", "finetune", "distill"])
def test_a_class_without_rows_is_named(technique, make, data):
    keep = [i for i, t in enumerate(data.fit.targets) if t != "refund"]
    broken = replace(data, fit=data.fit.select(keep))
    options = OPTIONS[technique] | ({"label_names": False} if technique in ("transfer", "finetune") else {})

    with pytest.raises(DataError, match="refund"):
        make(technique, data=broken, parents={}, **options)


def test_without_validation_rows_metrics_are_undefined(make, data):
    alone = replace(data, validation=data.validation.select([]))

    for technique in ("majority", "linear", "transfer", "finetune"):
        made = make(
            technique, data=alone, **(OPTIONS[technique] | ({"epochs": 1} if technique == "finetune" else {}))
        )
        assert made.validation["accuracy"].value is None
        assert made.validation["accuracy"].undefined


def test_a_base_must_be_named(make):
    for technique in ("transfer", "finetune"):
        with pytest.raises(RecipeError, match="base"):
            make(technique, base=None)
