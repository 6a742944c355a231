"""Before a run: forecasts grow with what they count, memory warns, and advice follows the page's rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sazon
from sazon import pipeline
from sazon.adapt import forecast
from sazon.adapt.advice import ENOUGH_PER_CLASS, FEW_PER_CLASS, Situation, advise
from sazon.adapt.finetune import FinetuneConfig
from sazon.adapt.forecast import Load, Machine, foresee, peak_memory, shape_of
from sazon.adapt.head import FEW_ROWS_PER_CLASS
from sazon.adapt.linear import LinearConfig
from sazon.adapt.transfer import TransferConfig
from sazon.core import registry

LOAD = Load(rows=1000, classes=10, characters=80.0, longest=200)
MACHINE = Machine(rate=1e11, memory=8e9, device="cpu", threads=2)
TUNED = FinetuneConfig(base="tiny")


def seconds(technique, config, base, *, load=LOAD, machine=MACHINE):
    found = foresee(technique, config, base=base, load=load, machine=machine).seconds
    assert found.low <= found.value <= found.high
    return found.value


# -------------------------------------------------------------------------------- time


def test_the_shape_is_what_the_weights_hold(base):
    from transformers import AutoModel

    model = AutoModel.from_pretrained(base.path)
    shape = shape_of(base.path)

    assert shape.parameters == sum(p.numel() for p in model.parameters())
    assert shape.table == model.embeddings.word_embeddings.weight.numel()
    assert (shape.layers, shape.width, shape.longest, shape.causal) == (2, 32, 64, False)


def test_operations_are_those_torch_counts(base):
    """One pass forwards over texts of 20 tokens, against torch's own counter."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoModel

    model = AutoModel.from_pretrained(base.path, attn_implementation="eager").eval()
    model.pooler = None
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(input_ids=torch.ones((4, 20), dtype=torch.long))
    shape = replace(shape_of(base.path), parameters=sum(p.numel() for p in model.parameters()))
    one = Load(rows=4, classes=0, characters=18 * 4.0, longest=100)

    counted = forecast._operations("transfer", TransferConfig(base="tiny"), shape, one, 4.0)

    # The word table and positions are not multiplied; biases and norms hardly count.
    assert counted == pytest.approx(counter.get_total_flops(), rel=0.35)


def test_more_of_anything_takes_longer(base):
    usual = seconds("finetune", TUNED, base)

    assert seconds("finetune", FinetuneConfig(base="tiny", epochs=8), base) > usual
    assert seconds("finetune", FinetuneConfig(base="tiny", refit=False), base) < usual
    assert seconds("finetune", TUNED, base, load=replace(LOAD, rows=4000)) > usual
    assert seconds("finetune", TUNED, base, load=replace(LOAD, characters=160.0)) > usual
    assert seconds("finetune", TUNED, base, machine=replace(MACHINE, rate=1e10)) > usual
    assert seconds("transfer", TransferConfig(base="tiny"), base) < usual
    assert seconds("linear", LinearConfig(), None) < usual


def test_the_linear_time_is_the_measured_one():
    banking = Load(rows=10_003, classes=77, characters=60.0, longest=200)
    found = foresee("linear", LinearConfig(), base=None, load=banking, machine=MACHINE).seconds
    assert found.low < 31 < found.high


def test_what_is_not_trained_here_has_no_forecast(base):
    assert foresee("federate", None, base=base, load=LOAD, machine=MACHINE) is None


def test_this_machine_does_something():
    machine = forecast.this_machine()
    assert machine.rate > 1e8
    assert machine.memory is None or machine.memory > 1e7


# ------------------------------------------------------------------------------ memory


def test_memory_that_suffices_asks_for_nothing(base):
    found = foresee("finetune", TUNED, base=base, load=LOAD, machine=MACHINE)
    assert (found.batch_size, found.fitting) == (32, None)


def test_too_little_memory_names_the_largest_halving_that_fits(base):
    shape = shape_of(base.path)
    least, most = (peak_memory(shape, TUNED, LOAD, b) for b in (8, 16))
    tight = replace(MACHINE, memory=(least + most) / 2)

    found = foresee("finetune", TUNED, base=base, load=LOAD, machine=tight)

    assert found.memory > tight.memory
    assert found.fitting == 8
    none = foresee("finetune", TUNED, base=base, load=LOAD, machine=replace(MACHINE, memory=1e8))
    assert none.fitting == 0


def test_adapters_need_less_memory_than_all_weights(base):
    big = replace(shape_of(base.path), parameters=10**9)
    lora = FinetuneConfig(base="tiny", method="lora")
    assert peak_memory(big, lora, LOAD, 8) < 0.5 * peak_memory(big, TUNED, LOAD, 8)


# ------------------------------------------------------------------------------ advice

FULL = frozenset({"majority", "linear", "transfer", "contrastive", "finetune", "distill"})
NOW = Situation(task="classify", techniques=FULL, median_per_class=30, bases=1, unlabelled=50)


def keys(**changes) -> list[str]:
    return [f.says.key.removeprefix("advice.") for f in advise(replace(NOW, **changes))]


def test_a_recipe_with_everything_needs_no_advice():
    assert keys() == []
    assert keys(median_per_class=3, latency_s=0.001) == []


@pytest.mark.parametrize(
    ("missing", "changes", "advice"),
    [
        ("linear", {}, "linear"),
        ("transfer", {}, "transfer"),
        ("contrastive", {"median_per_class": FEW_PER_CLASS}, "contrastive"),
        ("finetune", {"median_per_class": ENOUGH_PER_CLASS}, "finetune"),
    ],
)
def test_what_fits_and_is_missing_is_advised(missing, changes, advice):
    assert keys(techniques=FULL - {missing}, **changes) == [advice]


def test_what_does_not_fit_is_not_advised():
    assert keys(techniques=FULL - {"contrastive"}, median_per_class=FEW_PER_CLASS + 1) == []
    assert keys(techniques=FULL - {"finetune"}, median_per_class=ENOUGH_PER_CLASS - 1) == []
    assert keys(techniques=frozenset({"linear"}), bases=0, unlabelled=0) == []


def test_unlabelled_texts_and_a_short_latency_ask_for_a_student():
    alone = frozenset({"linear", "transfer", "finetune"})
    assert keys(techniques=alone) == ["unlabelled"]
    slow = frozenset({"transfer", "finetune"})
    assert keys(techniques=slow, unlabelled=0, latency_s=0.01) == ["linear", "latency"]


def test_writing_asks_for_a_causal_base():
    assert keys(task="generate", techniques=frozenset({"api"})) == ["causal"]
    assert keys(task="generate", techniques=frozenset({"finetune"})) == []


def test_advice_agrees_with_the_techniques_and_the_page():
    assert FEW_PER_CLASS == FEW_ROWS_PER_CLASS
    page = Path(sazon.__file__).parents[2] / "docs" / "which-technique.md"
    told = page.read_text("utf-8")
    assert f"up to {FEW_PER_CLASS}" in told
    assert f"from {ENOUGH_PER_CLASS}" in told
    for technique in ("majority", "linear", "transfer", "contrastive", "finetune", "distill", "export"):
        assert technique in registry.names("technique")
        assert f"`{technique}`" in told


# ------------------------------------------------------------------------------- check


@pytest.fixture
def recipe(tmp_path, base):
    rng = np.random.default_rng(0)
    lines = [f"about {w} {rng.integers(9999)},{w}" for _ in range(60) for w in ("cats", "dogs")]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *lines]))
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"name: t\ndata: {{train: {{path: rows.csv}}}}\nmodels: {{tiny: {{source: 'path:{base.path}'}}}}\n"
        "candidates: {linear: {technique: linear}, tuned: {technique: finetune, base: tiny}}\n"
    )
    return path


def test_check_says_time_memory_and_money_in_both_languages(recipe):
    found = pipeline.check(pipeline.recipe_of(recipe))
    for language, units in (("en", ("seconds", "GiB", "EUR")), ("es", ("segundos", "GiB", "EUR"))):
        told = [f.says.words(language) for f in found]
        for name in ("linear", "tuned"):
            [line] = [t for t in told if t.startswith(f"{name}:")]
            assert all(unit in line for unit in units)
        assert any("GFLOP/s" in t for t in told)
        assert any(f.says.key == "advice.transfer" for f in found)


def test_check_warns_of_memory_before_any_work(recipe, monkeypatch):
    monkeypatch.setattr(forecast, "RUNTIME_BYTES", 0.0)
    monkeypatch.setattr(forecast, "available_memory", lambda: 1.2e6)
    monkeypatch.setattr(forecast, "installed", lambda package: False)  # so that no GPU is assumed
    found = pipeline.check(pipeline.recipe_of(recipe))
    [warning] = [f for f in found if f.where == "candidates.tuned"]
    assert warning.level == "warning"
    assert "batch_size:" in warning.mend
