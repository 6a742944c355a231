"""Fine-tuning: adapters, budgets, early stopping, divergence, comparison with the probe."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from sazon import models
from sazon.adapt import looks, lora, tuning
from sazon.adapt.averaging import MovingAverage
from sazon.adapt.defaults import TARGETS, resolve
from sazon.adapt.finetune import FinetuneConfig, compare
from sazon.adapt.head import Fitted, Rows
from sazon.adapt.softmax_regression import Head
from sazon.adapt.training import Plan, Trainee, layer_of, shuffled_batches, train
from sazon.adapt.training import Rows as TokenRows
from sazon.core.errors import DataError, IntegrityError, RecipeError
from sazon.models.transformer import Encoder

PLAN = Plan(
    rate=1e-2,
    head_rate=1e-2,
    layer_decay=1.0,
    weight_decay=0.0,
    warmup=0.1,
    batch_size=3,
    label_smoothing=0.0,
    steps=6,
    stop=6,
)
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


@pytest.mark.parametrize("method", lora.ADAPTERS)
def test_every_adapter_starts_at_the_base_moves_and_merges(method, base, data):
    encoder = Encoder.load(base.path)
    texts = data.fit.inputs[:6]
    before = encoder.encode(texts)
    lora.attach(encoder, rank=4, alpha=8, targets=TARGETS, name="it", method=method)
    assert encoder.encode(texts) == pytest.approx(before, abs=1e-5)
    trainee = Trainee(encoder, Head(weight=np.eye(3, encoder.width), bias=np.zeros(3)))
    rows = TokenRows(ids=encoder.tokenise(texts), truth=np.array([0, 1, 2, 0, 1, 2]))
    train(trainee, rows, replace(PLAN, rate=3e-2), rng=np.random.default_rng(0), name="it")
    encoder.backbone.eval()
    trained = encoder.encode(texts)
    assert np.abs(trained - before).max() > 1e-3

    lora.merge(encoder, texts)

    assert encoder.encode(texts) == pytest.approx(trained, abs=1e-5)
    # Nothing of peft is left: the model on disk loads without it.
    names = {name for name, _ in encoder.backbone.named_parameters()}
    assert names == {name for name, _ in Encoder.load(base.path).backbone.named_parameters()}


def test_an_adapter_that_peft_refuses_is_a_readable_error(base):
    encoder = Encoder.load(base.path)
    with pytest.raises(RecipeError, match=r"it\.method: peft refuses hra"):
        lora.attach(encoder, rank=-1, alpha=8, targets=["query"], name="it", method="hra")


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
    monkeypatch.setattr(looks, "quality", lambda *_: (next(seen), 1.0))

    stopped = make("finetune", epochs=20, patience=2)

    assert stopped.facts["epochs"] == 2
    assert next(seen) == 0.1  # the fifth look was never taken


def test_noise_does_not_choose_an_unfinished_epoch(make, monkeypatch):
    # With 45 rows half a standard error of 0.9 is 0.022.
    seen = iter([0.90, 0.89, 0.85])
    monkeypatch.setattr(looks, "quality", lambda *_: (next(seen), 1.0))

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


# ------------------------------------------------------------------------------ seeds


def test_the_best_of_several_seeds_is_kept_and_their_spread_is_said(make, monkeypatch):
    alone = make("finetune", epochs=2, refit=False, cache="alone")
    seen = iter([(0.4, 1.0), (0.5, 1.0), (0.6, 1.0), (0.8, 0.5), (0.6, 1.0), (0.7, 1.0)])
    monkeypatch.setattr(looks, "quality", lambda *_: next(seen))

    made = make("finetune", epochs=2, refit=False, seeds=3)

    assert made.facts["seeds"] == 3
    assert made.facts["seed_accuracy_mean"] == pytest.approx(np.mean([0.5, 0.8, 0.7]))
    assert made.facts["seed_accuracy_sd"] == pytest.approx(np.std([0.5, 0.8, 0.7], ddof=1))
    assert made.facts["seed"] != alone.facts["seed"]  # the second was kept
    assert made.training.tokens == pytest.approx(3 * alone.training.tokens, abs=3)


def test_the_first_of_several_seeds_is_the_only_one_of_one(make, monkeypatch):
    alone = make("finetune", epochs=2, cache="alone")
    seen = iter([(0.5, 1.0), (0.9, 1.0), (0.1, 1.0), (0.2, 1.0)])
    monkeypatch.setattr(looks, "quality", lambda *_: next(seen))

    assert make("finetune", epochs=2, seeds=2).artifact.digest == alone.artifact.digest


# ------------------------------------------------------------- interpolation, average


@pytest.mark.parametrize("refit", [False, True])
def test_interpolation_ends_are_the_tuned_model_and_the_base(make, base, data, refit):
    options = FAST | {"epochs": 3, "refit": refit}
    tuned = make("finetune", cache="a", **options)
    whole = make("finetune", cache="b", interpolate=1.0, **options)
    none = make("finetune", cache="c", interpolate=0.0, **options)
    half = make("finetune", cache="d", interpolate=0.5, **options)

    assert whole.artifact.digest == tuned.artifact.digest
    held = {
        name: _weights(models.load(made).encoder) for name, made in (("0", none), (".5", half), ("1", tuned))
    }
    frozen = _weights(Encoder.load(base.path))
    for name, value in frozen.items():
        assert np.array_equal(held["0"][name], value)
        assert held[".5"][name] == pytest.approx((value + held["1"][name]) / 2, abs=1e-6)
    # The head is fitted where the weights are, so what validation says is true of the model.
    if not refit:
        answers = models.load(half).predict(data.validation.inputs).labels
        right = np.mean(np.array(answers) == np.array(data.validation.targets))
        assert half.validation["accuracy"].value == pytest.approx(right)


def test_interpolation_chosen_on_validation_has_the_least_loss(make):
    options = FAST | {"epochs": 2, "refit": False}
    fixed = {a: make("finetune", interpolate=a, **options) for a in (0.5, 0.75, 1.0)}

    chosen = make("finetune", interpolate="auto", **options)

    losses = {a: made.validation["log_loss"].value for a, made in fixed.items()}
    best = min(losses, key=losses.__getitem__)
    assert chosen.facts["interpolation"] == best
    assert chosen.artifact.digest == fixed[best].artifact.digest


def test_adapters_are_not_interpolated():
    with pytest.raises(ValidationError, match="not interpolated"):
        FinetuneConfig(base="tiny", method="dora", interpolate="auto")


def test_no_interpolation_is_not_an_interpolation_of_nothing():
    # Python takes 0.0 and False for equal: one asks for the base, the other for no interpolation.
    for given, kept in ((0.0, 0.0), (0, 0.0), (1, 1.0), (False, False), ("auto", "auto")):
        read = FinetuneConfig(base="tiny", interpolate=given).interpolate
        assert (read, type(read)) == (kept, type(kept))


def _weights(encoder: Encoder) -> dict[str, np.ndarray]:
    return {name: p.detach().numpy() for name, p in encoder.backbone.named_parameters()}


def test_the_average_is_the_recursion_and_what_training_ends_with(base, data):
    def run(average, told):
        encoder = Encoder.load(base.path)
        encoder.backbone.requires_grad_(True)
        trainee = Trainee(encoder, Head(weight=np.eye(3, encoder.width), bias=np.zeros(3)))
        rows = TokenRows(ids=encoder.tokenise(data.fit.inputs[:9]), truth=np.arange(9) % 3)
        plan = replace(PLAN, average=average)
        train(trainee, rows, plan, rng=np.random.default_rng(0), told=lambda s: told(s, trainee), name="it")
        return trainee

    expected = None

    def follow(step, trainee):
        nonlocal expected
        now = {k: v.numpy().astype(float) for k, v in trainee.snapshot().items()}
        if expected is None:
            expected = {k: v.detach().numpy().astype(float) for k, v in start.items()}
        beta = min(0.5, (1 + step) / (10 + step))
        expected = {k: beta * expected[k] + (1 - beta) * v for k, v in now.items()}

    encoder = Encoder.load(base.path)
    encoder.backbone.requires_grad_(True)
    start = Trainee(encoder, Head(weight=np.eye(3, encoder.width), bias=np.zeros(3))).snapshot()
    raw = run(None, follow).snapshot()
    averaged = run(0.5, lambda *_: None).snapshot()

    for name, value in averaged.items():
        assert value.numpy() == pytest.approx(expected[name], abs=1e-6)
    assert any(not np.array_equal(raw[name].numpy(), averaged[name].numpy()) for name in raw)


def test_looking_at_the_average_leaves_the_weights(base):
    encoder = Encoder.load(base.path)
    encoder.backbone.requires_grad_(True)
    trainee = Trainee(encoder, Head(weight=np.eye(3, encoder.width), bias=np.zeros(3)))
    average = MovingAverage(trainee, 0.9)
    trainee.weight.data.add_(1.0)
    own = trainee.snapshot()

    with average.in_place():
        assert not np.array_equal(trainee.head().weight, own["head.weight"].numpy())

    assert all(np.array_equal(trainee.snapshot()[k].numpy(), own[k].numpy()) for k in own)


# --------------------------------------------------------------------------- defaults


def test_what_is_left_open_depends_on_the_rows():
    def found(rows, **given):
        config = resolve(FinetuneConfig(base="tiny", **given), rows=rows)
        return config.epochs, config.rate, config.layer_decay, config.freeze_embeddings

    assert found(2) == found(1500) == (4, 3e-4, 1.0, False)
    assert found(5000) == found(10**6) == (6, 1e-4, 0.9, True)
    assert 1e-4 < found(3000)[1] < 3e-4
    assert found(100, epochs=9, rate=1e-5, layer_decay=0.5, freeze_embeddings=True) == (9, 1e-5, 0.5, True)
    assert found(100, method="lora", layer_decay=0.5)[1:3] == (1e-3, 1.0)
    assert found(100, method="ia3")[1] == 1e-2


def test_resolved_options_are_said(make):
    facts = make("finetune").facts

    assert (facts["method"], facts["epochs_planned"], facts["rate"]) == ("full", 4, 3e-4)
    assert (facts["layer_decay"], facts["freeze_embeddings"]) == (1.0, False)


# -------------------------------------------------------------------------- bad input


def test_cut_texts_are_counted_before_training_starts(make, data, events):
    longer = replace(data.fit.examples[0], input="card " * 50)
    cut = replace(data, fit=replace(data.fit, examples=(longer, *data.fit.examples[1:])))

    made = make("finetune", data=cut, epochs=1, max_length=32)

    told = [e.message for e in events]
    [at] = [i for i, message in enumerate(told) if "longer than 32 tokens" in message]
    assert told[at].startswith("1 training texts (0.7%)")
    assert at < told.index("tuning")
    assert any(n.key == "note.cut" for n in made.notes)


def test_a_base_without_tokenizer_is_refused(make, base, tmp_path):
    folder = tmp_path / "bare"
    shutil.copytree(base.path, folder)
    for file in folder.glob("tokenizer*"):
        file.unlink()

    with pytest.raises(DataError, match=r"(?i)tokeni[sz]er"):
        make("finetune", base=replace(base, path=folder), epochs=1)


def test_one_row_and_rows_all_alike_are_refused(make, data):
    first = data.fit.examples[0]
    twins = tuple(replace(first, id=f"twin{i}") for i in range(20))

    with pytest.raises(DataError, match="1 rows to learn from"):
        make("finetune", data=replace(data, fit=data.fit.select([0])))
    with pytest.raises(DataError, match="same label"):
        make("finetune", data=replace(data, fit=replace(data.fit, examples=twins)))
