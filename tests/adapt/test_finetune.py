"""Fine-tuning: adapters, budgets, early stopping, divergence, comparison with the probe."""

from __future__ import annotations

import numpy as np
import pytest

from sazon import models
from sazon.adapt import lora, tuning
from sazon.adapt.finetune import compare
from sazon.adapt.head import Fitted, Rows
from sazon.adapt.softmax_regression import Head
from sazon.adapt.training import layer_of, shuffled_batches
from sazon.core.errors import IntegrityError, RecipeError
from sazon.models.transformer import Encoder

FAST = {"epochs": 8, "rate": 1e-2, "head_rate": 1e-2}


def test_adapters_learn_and_are_merged(make, data):
    tuned = make("finetune", method="lora", rank=8, refit=False, **FAST)

    predictor = models.load(tuned)
    labels = predictor.predict(data.validation.inputs).labels
    assert np.mean(np.array(labels) == np.array(data.validation.targets)) >= 0.9
    # What was measured before the merge is what the merged model on disk does.
    assert tuned.validation["accuracy"].value == pytest.approx(
        np.mean(np.array(labels) == np.array(data.validation.targets))
    )
    assert not any("lora" in name for name, _ in predictor.encoder.backbone.named_parameters())


def test_unknown_adapter_target_names_those_that_exist(make):
    with pytest.raises(RecipeError, match=r"qurey.*query"):
        make("finetune", method="lora", targets=["qurey"], epochs=1)


def test_a_merge_that_changes_the_model_is_refused(base, monkeypatch):
    encoder = Encoder.load(base.path)
    lora.attach(encoder, rank=4, alpha=8, targets=["query"], name="it")
    other = Encoder.load(base.path)
    for parameter in other.backbone.parameters():
        parameter.data.mul_(1.5)
    monkeypatch.setattr(encoder.backbone, "merge_and_unload", lambda: other.backbone)

    with pytest.raises(IntegrityError, match="merging"):
        lora.merge(encoder, ["the card", "close my account"])


def test_a_budget_becomes_steps_once_and_is_replayed(make, monkeypatch):
    first = make("finetune", budget={"minutes": 0.01}, epochs=200, cache="same")
    assert 1 <= first.facts["steps_planned"] < 200 * 5

    def never(*_, **__):
        raise AssertionError("measured again")

    monkeypatch.setattr(tuning, "seconds_per_step", never)
    again = make("finetune", budget={"minutes": 0.01}, epochs=200, cache="same")

    assert again.artifact.digest == first.artifact.digest


def test_measuring_the_budget_leaves_no_trace(make):
    free = make("finetune", epochs=2, cache="a")
    ample = make("finetune", epochs=2, budget={"minutes": 60}, cache="b")

    assert free.artifact.digest == ample.artifact.digest


def test_divergence_is_an_error_with_a_rate_to_try(make, monkeypatch):
    import torch

    monkeypatch.setattr(
        torch.nn.functional, "cross_entropy", lambda *a, **k: torch.tensor(float("nan"), requires_grad=True)
    )
    with pytest.raises(RecipeError, match=r"diverged.*Try rate"):
        make("finetune", epochs=1)


def test_stops_when_validation_gets_no_better(make, monkeypatch):
    seen = iter([0.5, 0.9, 0.7, 0.6, *[0.1] * 20])
    monkeypatch.setattr(tuning, "_quality", lambda *_: (next(seen), 1.0))

    stopped = make("finetune", epochs=20, patience=2)

    assert stopped.facts["epochs"] == 2
    assert next(seen) == 0.1  # the fifth look was never taken


def test_noise_does_not_choose_an_unfinished_epoch(make, monkeypatch):
    # With 45 rows half a standard error of 0.9 is 0.022.
    seen = iter([0.90, 0.89, 0.85])
    monkeypatch.setattr(tuning, "_quality", lambda *_: (next(seen), 1.0))

    assert make("finetune", epochs=3).facts["epochs"] == 2


def test_the_callers_random_state_stays(make):
    import torch

    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    make("finetune", epochs=1)

    assert torch.equal(torch.random.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


def test_comparison_counts_both_directions():
    truth = np.array([0, 1, 1, 0])
    rows = Rows(X=np.eye(4, dtype=np.float32), truth=truth)
    # The probe is right on rows 0, 1, 3; the tuned model on rows 0, 2.
    probe = Fitted(
        head=Head(weight=np.array([[1.0, 0, 1, 1], [0, 1, 0, 0]]), bias=np.zeros(2)),
        C=1.0,
        temperature=1.0,
        fit=rows,
        validation=rows,
        names=rows,
        classes=2,
        cv_accuracy=None,
    )
    scores = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])

    facts = compare(probe, scores)

    assert facts["probe_accuracy"] == 0.75
    assert facts["tuned_accuracy"] == 0.5
    assert (facts["only_tuned_right"], facts["only_probe_right"]) == (1, 2)
    assert facts["beats_probe"] is False


def test_training_batches_hold_every_row_once():
    lengths = [int(n) for n in np.random.default_rng(0).integers(1, 60, 301)]
    drawn = list(shuffled_batches(lengths, rows=16, rng=np.random.default_rng(1)))

    assert sorted(r for rows, _ in drawn for r in rows) == list(range(301))
    assert all(max(lengths[r] for r in rows) <= length for rows, length in drawn)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("embeddings.word_embeddings.weight", -1),
        ("encoder.layer.0.attention.self.query.weight", 0),
        ("encoder.layer.11.output.dense.bias", 11),
        ("final_norm.weight", 11),
    ],
)
def test_layer_of(name, layer):
    assert layer_of(name, 12) == layer
