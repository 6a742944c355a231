"""Causal language models: what is learnt, masks, refusals, adapters, merging, distillation."""

from __future__ import annotations

import json
import random
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from sazon import models
from sazon.adapt.causal import Options, adapters, distil_loss, tune_on
from sazon.adapt.causal.distil import require_shared_vocabulary
from sazon.adapt.causal.rows import IGNORED, Pair, make_rows, pairs_of
from sazon.adapt.distill import Distill
from sazon.adapt.distill.config import DistillConfig
from sazon.adapt.finetune import Finetune, FinetuneConfig
from sazon.core.errors import DataError, EnvironmentLacks, IntegrityError, RecipeError
from sazon.core.seams import Base, Job
from sazon.core.types import Candidate, Dataset, TrainingData
from sazon.models.causal import CausalPredictor
from sazon.models.language_model import PLAIN_TEMPLATE, LanguageModel, is_causal
from sazon.testing.tiny_causal import letters_task, tiny_causal

FAST = {"method": "full", "epochs": 14, "rate": 3e-3, "batch_size": 16, "refit": False}


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Base:
    return tiny_causal(tmp_path_factory.mktemp("causal") / "base")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return letters_task()


@pytest.fixture(scope="module")
def few() -> TrainingData:
    return letters_task(rows=48, split=32, twice=False)


def make(
    folder: Path, base: Base, data: TrainingData, *, seed: int = 0, name: str = "it", **options
) -> Candidate:
    directory = folder / name
    directory.mkdir(parents=True)
    job = Job(name=name, directory=directory, cache=folder / "cache", rng=np.random.default_rng(seed))
    config = FinetuneConfig(base="tiny", **options)
    return Finetune().adapt(config, base=base, data=data, parents={}, job=job)


@pytest.fixture(scope="module")
def writer(base, data, tmp_path_factory) -> Candidate:
    """Made by full fine-tuning; the other tests look at it."""
    return make(tmp_path_factory.mktemp("writer"), base, data, **FAST)


def exact(predictor: CausalPredictor, data: TrainingData) -> float:
    told = predictor.predict(data.validation.inputs).labels
    return float(np.mean([a == b for a, b in zip(told, data.validation.targets, strict=True)]))


# ------------------------------------------------------------------------ learning


def test_a_base_that_knows_nothing_learns_to_answer_in_free_text(base, data, writer):
    assert is_causal(base.path)
    untrained = CausalPredictor(
        model=LanguageModel.load(base.path), classes=(), temperature=1.0, new_tokens=6
    )
    assert exact(untrained, data) < 0.05

    tuned = models.load(writer)

    assert exact(tuned, data) > 0.9
    assert writer.validation["accuracy"].value == exact(tuned, data)
    assert writer.facts["loss_after"] < 0.2 < 5 < writer.facts["loss_before"]
    assert writer.facts["task"] == "generate"


def test_confidence_is_the_mean_probability_of_the_tokens(data, writer):
    tuned = models.load(writer)
    texts = data.validation.inputs[:10]
    answers = tuned.predict(texts)

    losses = -tuned.model.log_likelihoods(
        tuned.model.prompt_ids(texts), tuned.model.answer_ids(answers.labels)
    )

    lengths = [len(ids) for ids in tuned.model.answer_ids(answers.labels)]
    assert answers.confidence == pytest.approx(np.exp(-losses / lengths), abs=1e-4)


def test_adapters_learn_to_choose_a_label(tmp_path, base):
    task = letters_task(rows=200, split=140, twice=False)
    options = FAST | {"method": "lora", "rank": 16, "rate": 1e-2, "epochs": 10}
    chosen = make(tmp_path, base, task, **options)

    predictor = models.load(chosen)
    answers = predictor.predict(task.validation.inputs)

    assert np.mean(np.array(answers.labels) == np.array(task.validation.targets)) > 0.9
    assert answers.probabilities.sum(axis=1) == pytest.approx(1)
    assert answers.classes == task.labels
    # What was measured before the folder was written is what the folder does.
    held = answers.probabilities[
        np.arange(len(task.validation)), [task.labels.index(t) for t in task.validation.targets]
    ]
    assert chosen.validation["log_loss"].value == pytest.approx(-np.log(held).mean(), rel=1e-3)
    assert not any("lora" in name for name, _ in predictor.model.network.named_parameters())


def test_a_rerun_is_bit_equal_and_leaves_the_callers_generators(tmp_path, base, few):
    import torch

    options = {"epochs": 2, "batch_size": 16, "rate": 1e-3}
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002 - what is looked after here is the old generator
    torch.manual_seed(3)
    before = random.getstate(), np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002

    first = make(tmp_path, base, few, name="a", **options)
    again = make(tmp_path, base, few, name="b", **options)
    other = make(tmp_path, base, few, name="c", seed=1, **options)

    assert first.artifact.digest == again.artifact.digest != other.artifact.digest
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), before[2])
    assert first.facts["refit"] is True
    assert first.training.rows == 48


def test_pairs_that_were_recorded_elsewhere_can_be_learnt_from(base):
    model = LanguageModel.load(base.path)
    pairs = [Pair(prompt="say apple", answer="A"), Pair(prompt="say mango", answer="M")]
    options = Options(method="full", epochs=15, rate=3e-3, batch_size=2)

    tune_on(model, pairs, options, seed=0)

    told = model.generate(model.prompt_ids(["say apple", "say mango"]), new_tokens=4)
    assert [g.text for g in told] == ["A", "M"]


# ----------------------------------------------------------------------------- rows


def test_the_loss_is_on_the_answer_alone(base):
    model = LanguageModel.load(base.path)
    [row] = make_rows(model, [Pair(prompt="say apple", answer="A apple")], max_length=64, name="it")
    vocabulary = model.tokenizer.get_vocab()

    words = ["<user>", "say", "apple", "<end>", "<assistant>", "A", "apple", "<end>"]
    assert row.ids == [vocabulary[w] for w in words]
    assert row.labels == [IGNORED] * 5 + [vocabulary[w] for w in ("A", "apple", "<end>")]


def test_the_loss_of_training_is_the_likelihood_of_the_answers(base, data):
    """What SFTTrainer minimises against a sum over the answer's tokens counted here."""
    import torch

    from sazon.adapt.causal.training import Schedule, train

    model = LanguageModel.load(base.path)
    pairs = pairs_of(data.fit)[:5]
    rows = make_rows(model, pairs, max_length=64, name="it")
    answers = model.answer_ids([p.answer for p in pairs])
    expected = -model.log_likelihoods(model.prompt_ids([p.prompt for p in pairs]), answers).sum()
    seen = []

    def loss(logits, ids, mask, labels):
        kept = labels[:, 1:] != IGNORED
        value = torch.nn.functional.cross_entropy(logits[:, :-1][kept], labels[:, 1:][kept])
        seen.append((float(value.detach()), int(kept.sum())))
        return value

    model.network.requires_grad_(True)
    options = Options(method="full", rate=1e-9, batch_size=5)
    train(model, rows, options, Schedule(steps=1, seed=0, name="it", loss=loss))

    assert seen[0][1] == sum(len(a) for a in answers)
    assert seen[0][0] == pytest.approx(expected / seen[0][1], rel=1e-4)


def test_truncation_that_masks_whole_answers_is_refused_with_the_count(tmp_path, base, data):
    with pytest.raises(DataError, match=r"\d+ of 320 rows would lose their whole answer at 8 tokens"):
        make(tmp_path, base, data, max_length=8, epochs=1)

    model = LanguageModel.load(base.path)
    pairs = pairs_of(data.fit)
    lengths = [len(p) for p in model.prompt_ids([p.prompt for p in pairs])]
    with pytest.raises(DataError, match=f"{sum(n >= 9 for n in lengths)} of {len(pairs)} rows"):
        make_rows(model, pairs, max_length=9, name="it")


def test_an_answer_that_loses_its_end_is_told_of(tmp_path, base, data):
    cut = make(tmp_path, base, data, max_length=12, epochs=1, batch_size=64, refit=False)

    assert any(note.key == "note.cut" and note.values["texts"] > 0 for note in cut.notes)


# ------------------------------------------------------------------------- templates


def test_the_bases_own_template_is_stored_beside_the_model(base, writer):
    stored = LanguageModel.load(writer.artifact.path)

    assert stored.prompt("hello") == LanguageModel.load(base.path).prompt("hello")
    assert stored.prompt("hello") == "<user> hello <end> <assistant> "
    assert writer.facts["template"] == "own"
    assert stored.network.config.use_cache is True


def test_without_a_template_the_plain_one_is_used_and_stored(tmp_path, few):
    bare = tiny_causal(tmp_path / "bare", template=None)
    tuned = make(tmp_path, bare, few, epochs=1, refit=False)

    stored = LanguageModel.load(tuned.artifact.path)
    assert stored.tokenizer.chat_template == PLAIN_TEMPLATE
    assert stored.prompt("hello") == "### Input\nhello\n\n### Answer\n"
    assert tuned.facts["template"] == "plain"


# -------------------------------------------------------------------------- adapters


def test_merging_keeps_what_the_model_says_and_its_folder_is_bit_equal(tmp_path, base, few):
    import torch

    tuned = make(tmp_path, base, few, epochs=2, rate=1e-2, refit=False)
    merged, beside = models.load(tuned).model, LanguageModel.load(base.path)
    rows = merged.prompt_ids(few.validation.inputs[:5])
    plain, _ = beside.logits(rows)

    adapters.load_adapter(beside, tuned.artifact.path, base)

    assert torch.allclose(beside.logits(rows)[0], merged.logits(rows)[0], atol=1e-4)
    assert not torch.allclose(plain, merged.logits(rows)[0], atol=1e-2)


def test_adapters_also_fit_a_base_whose_layers_are_transposed_and_whose_words_are_tied(tmp_path, few):
    old = tiny_causal(tmp_path / "gpt2", kind="gpt2")
    tuned = make(tmp_path, old, few, epochs=6, rate=1e-2, batch_size=8, refit=False)

    assert tuned.facts["loss_after"] < tuned.facts["loss_before"] / 2
    assert models.load(tuned).predict(["say apple"]).labels[0] in few.labels


def test_a_merge_that_changes_the_model_is_refused(base, monkeypatch):
    model, other = LanguageModel.load(base.path), LanguageModel.load(base.path)
    adapters.attach(model, Options(), name="it")
    for parameter in other.network.parameters():
        parameter.data.mul_(1.5)
    monkeypatch.setattr(model.network, "merge_and_unload", lambda: other.network)

    with pytest.raises(IntegrityError, match="merging"):
        adapters.merge(model, model.prompt_ids(["say apple"]))


def test_adapters_of_another_base_are_refused(tmp_path, base, few):
    tuned = make(tmp_path, base, few, epochs=1, refit=False)
    other = tiny_causal(tmp_path / "other", seed=9)

    with pytest.raises(IntegrityError, match="trained on tiny@"):
        adapters.load_adapter(LanguageModel.load(other.path), tuned.artifact.path, other)
    # What is stored says which base it was, not where it lay.
    stored = "".join(p.read_text("utf-8") for p in (tuned.artifact.path / "adapter").glob("*.json"))
    assert base.revision in stored
    assert str(base.path) not in stored


def test_unknown_adapter_target_names_those_that_exist(tmp_path, base, few):
    with pytest.raises(RecipeError, match=r"q_porj.*q_proj"):
        make(tmp_path, base, few, targets=["q_porj"], epochs=1)


def test_fewer_bits_need_bitsandbytes_and_adapters(tmp_path, base, few, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(EnvironmentLacks, match="pip install bitsandbytes"):
        make(tmp_path, base, few, load_in="4bit", name="a")
    with pytest.raises(RecipeError, match="method: lora"):
        make(tmp_path, base, few, load_in="4bit", method="full", name="b")


def test_four_bits_are_refused_where_their_layers_pass_no_gradient(tmp_path, base, few, monkeypatch):
    import torch

    monkeypatch.setitem(sys.modules, "bitsandbytes", types.ModuleType("bitsandbytes"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EnvironmentLacks, match="needs an NVIDIA GPU"):
        make(tmp_path, base, few, load_in="4bit")


def test_adapters_learn_beside_weights_in_eight_bits(tmp_path, base):
    pytest.importorskip("bitsandbytes")
    task = letters_task(rows=200, split=140, twice=False)
    chosen = make(tmp_path, base, task, epochs=10, rate=1e-2, batch_size=16, refit=False, load_in="8bit")

    # The adapters were merged into weights of full precision, and those were measured.
    assert models.load(chosen).model.network.dtype.is_floating_point
    assert chosen.validation["accuracy"].value > 0.9


# -------------------------------------------------------------------------- refusals


def test_options_of_an_encoder_are_refused(tmp_path, base, few):
    with pytest.raises(RecipeError, match="no layer_decay"):
        make(tmp_path, base, few, layer_decay=0.7, name="a")
    with pytest.raises(RecipeError, match="no method: dora"):
        make(tmp_path, base, few, method="dora", name="b")


def test_an_encoder_cannot_write_and_takes_no_fewer_bits(tmp_path, few):
    from sazon.testing.tiny import tiny_encoder

    encoder = tiny_encoder(tmp_path / "encoder")
    with pytest.raises(RecipeError, match="cannot write text"):
        make(tmp_path, encoder, replace(few, task="generate"), name="a")
    with pytest.raises(RecipeError, match="only a causal base"):
        make(tmp_path, encoder, few, load_in="8bit", name="b")


def test_divergence_is_an_error_with_a_rate_to_try(tmp_path, base, few):
    with pytest.raises(RecipeError, match=r"diverged.*Try rate"):
        make(tmp_path, _with_a_hole(base, tmp_path / "hole"), few, method="full", epochs=1)


def _with_a_hole(base: Base, folder: Path) -> Base:
    """A base with a weight that is not a number."""
    model = LanguageModel.load(base.path)
    next(model.network.parameters()).data[5:] = float("nan")
    model.save(folder)
    return replace(base, path=folder)


def test_a_budget_becomes_steps_once_and_is_replayed(tmp_path, base, few, monkeypatch):
    options = {"budget": {"minutes": 0.005}, "epochs": 200, "batch_size": 16, "refit": False}
    first = make(tmp_path, base, few, name="it", **options)
    assert 1 <= first.facts["steps_planned"] < 200 * 2
    [kept] = (tmp_path / "cache" / "budget").iterdir()
    kept.write_text(json.dumps({"steps": 3}))
    (tmp_path / "it").rename(tmp_path / "before")

    again = make(tmp_path, base, few, name="it", **options)

    assert again.facts["steps_planned"] == 3


# ------------------------------------------------------------------------ distilling


def test_the_distillation_loss_against_a_computation_by_hand():
    import torch

    rng = np.random.default_rng(0)
    student, teacher = rng.normal(size=(1, 3, 4)), rng.normal(size=(1, 3, 3))
    labels = np.array([[IGNORED, 2, 0]])
    gold, heat = 0.3, 2.0

    def shares(z: np.ndarray) -> np.ndarray:
        return np.exp(z) / np.exp(z).sum()

    expected = 0.0
    for place, wanted in ((0, 2), (1, 0)):
        entropy = -np.log(shares(student[0, place])[wanted])
        p, q = shares(teacher[0, place] / heat), shares(student[0, place, :3] / heat)
        expected += gold * entropy + (1 - gold) * heat**2 * (p * np.log(p / q)).sum()

    found = distil_loss(
        torch.tensor(student), torch.tensor(teacher), torch.tensor(labels), gold=gold, temperature=heat
    )

    assert float(found) == pytest.approx(expected / 2, rel=1e-5)


def test_a_smaller_student_learns_from_the_teacher_alone(tmp_path, base, data, writer):
    """With gold 0 and wrong labels, all that is right comes from the teacher."""
    small = tiny_causal(tmp_path / "small", width=32, seed=2)
    rows = tuple(replace(e, target="B") if i % 3 == 0 else e for i, e in enumerate(data.fit.examples))
    fit = Dataset(name="wrong", split="fit", examples=rows)
    wrong = replace(data, fit=fit, labels=(*data.labels, "B"))
    (tmp_path / "student").mkdir()
    job = Job(name="student", directory=tmp_path / "student", cache=tmp_path, rng=np.random.default_rng(0))
    config = DistillConfig(
        teacher="it",
        student="causal",
        base="small",
        gold=0.0,
        temperature=2.0,
        epochs=16,
        rate=6e-3,
        batch_size=16,
        refit=False,
    )

    made = Distill().adapt(config, base=small, data=wrong, parents={"it": writer}, job=job)

    assert made.technique == "distill"
    assert made.parents == ("it",)
    assert exact(models.load(made), data) > 0.8


def test_a_static_student_does_not_write(tmp_path, data, writer):
    job = Job(name="student", directory=tmp_path, cache=tmp_path, rng=np.random.default_rng(0))
    with pytest.raises(RecipeError, match="cannot write text"):
        Distill().adapt(DistillConfig(teacher="it"), base=None, data=data, parents={"it": writer}, job=job)


def test_a_causal_student_names_its_base_and_one_teacher():
    with pytest.raises(ValidationError, match="follows one causal teacher"):
        DistillConfig(teacher="it", student="causal")
    with pytest.raises(ValidationError, match="follows one causal teacher"):
        DistillConfig(teacher=["it", "that"], student="causal", base="small")


def test_a_student_of_another_vocabulary_is_refused(tmp_path, base):
    teacher = LanguageModel.load(base.path)
    student = LanguageModel.load(tiny_causal(tmp_path / "other", extra="more").path)

    with pytest.raises(RecipeError, match="different vocabularies \\(1 tokens"):
        require_shared_vocabulary(teacher, student, name="it")
    require_shared_vocabulary(teacher, LanguageModel.load(base.path), name="it")
