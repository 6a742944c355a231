"""The transformer student: which layers it keeps, what its loss is, and that its teacher stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon import models
from sazon.adapt.distill import DistillConfig
from sazon.adapt.distill.encoder import distillation_loss, evenly_spread
from sazon.adapt.distill.lesson import Lesson
from sazon.core import digest
from sazon.core.errors import RecipeError

FAST = {"student": "transformer", "layers": 1, "epochs": 3, "rate": 3e-3, "variants": 0}


def test_every_other_layer_and_the_last():
    assert evenly_spread(6, 3) == [1, 3, 5]
    assert evenly_spread(12, 4) == [2, 5, 8, 11]
    assert evenly_spread(5, 5) == [0, 1, 2, 3, 4]


@given(st.integers(1, 48).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))))
def test_layers_are_distinct_in_order_and_end_with_the_last(layers_kept):
    layers, kept = layers_kept
    chosen = evenly_spread(layers, kept)

    assert len(chosen) == kept
    assert chosen == sorted(set(chosen))
    assert chosen[-1] == layers - 1


@pytest.fixture
def probe(make):
    return make("transfer", C=[1000.0])


def test_student_of_a_base_has_fewer_layers_and_learns(make, data):
    linear = make("linear")
    student = make("distill", parents={"t": linear}, teacher="t", with_base=True, refit=False, **FAST)

    loaded = models.load(student)
    answers = loaded.predict(data.validation.inputs)

    assert loaded.encoder.backbone.config.num_hidden_layers == 1
    assert len(loaded.encoder.backbone.encoder.layer) == 1
    assert student.facts["layers"] == 1
    assert student.base.startswith("tiny@")
    right = np.mean(np.array(answers.labels) == np.array(data.validation.targets))
    assert right >= 0.7
    assert student.validation["accuracy"].value == pytest.approx(right)


def test_student_may_start_from_its_teachers_layers_which_stay_as_they_were(make, probe):
    before = digest.of_folder(probe.artifact.path)

    student = make("distill", parents={"t": probe}, teacher="t", vectors=0.5, **FAST)

    assert digest.of_folder(probe.artifact.path) == before
    assert models.load(student).encoder.backbone.config.num_hidden_layers == 1
    assert models.load(probe).encoder.backbone.config.num_hidden_layers == 2


def test_same_seed_same_student(make):
    linear = make("linear")
    made = [
        make("distill", parents={"t": linear}, teacher="t", with_base=True, **(FAST | {"epochs": 1}))
        for _ in range(2)
    ]

    assert made[0].artifact.digest == made[1].artifact.digest


def test_more_layers_than_there_are_and_teachers_without_layers_are_refused(make):
    linear = make("linear")

    with pytest.raises(RecipeError, match="2 layers"):
        make("distill", parents={"t": linear}, teacher="t", with_base=True, **(FAST | {"layers": 3}))
    with pytest.raises(RecipeError, match="no teacher has layers"):
        make("distill", parents={"t": linear}, teacher="t", **FAST)


def test_the_loss_is_the_formula():
    import torch

    rng = np.random.default_rng(0)
    n, classes, T, gold, weight = 4, 3, 2.5, 0.3, 0.7
    scores = rng.normal(size=(n, classes))
    teacher = rng.dirichlet(np.ones(classes), size=n)
    found, wanted = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in rng.normal(size=(2, n, 5)))
    follow, truth = np.array([1.0, 0.5, 0.0, 1.0]), np.array([0, -1, 2, 1])
    lesson = Lesson(
        texts=["x"] * n, soft=teacher, follow=follow, truth=truth, validation=np.zeros(n, dtype=bool)
    )
    config = DistillConfig(
        teacher="t", student="transformer", temperature=T, gold=gold, vectors=weight, base="b"
    )
    rows = np.array([3, 1, 2, 0])

    loss = distillation_loss(config, lesson, wanted)(
        torch.tensor(found[rows]), torch.tensor(scores[rows]), torch.tensor(rows)
    )

    def shares(logits):
        raised = np.exp(logits)
        return raised / raised.sum()

    expected = 0.0
    for i in range(n):
        if truth[i] >= 0:
            expected -= gold * np.log(shares(scores[i])[truth[i]])
        p, q = shares(np.log(teacher[i]) / T), shares(scores[i] / T)
        expected += (1 - gold) * T**2 * follow[i] * float((p * np.log(p / q)).sum())
        expected += weight * follow[i] * (1 - float(found[i] @ wanted[i]))
    assert float(loss) == pytest.approx(expected / n, rel=1e-5)
