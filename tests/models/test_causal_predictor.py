"""The causal predictor: likelihoods against a plain count, batches, folders, inputs that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from sazon import models
from sazon.core import digest
from sazon.core.errors import DataError
from sazon.core.seams import Base
from sazon.models.causal import CausalPredictor, label_ids
from sazon.models.language_model import LanguageModel, is_causal
from sazon.testing.tiny import tiny_encoder
from sazon.testing.tiny_causal import CAPITALS, tiny_causal

TEXTS = ["say apple", "please say me the letter of a mango now", "kiwi", "so then hello for lemon well"]
CLASSES = ("A", "A apple", "B banana here", "C")


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def base(tmp_path_factory, request) -> Base:
    """Padding on the left is felt by absolute positions alone, so both kinds are asked."""
    return tiny_causal(tmp_path_factory.mktemp("causal") / "base", kind=request.param)


@pytest.fixture(scope="module")
def model(base) -> LanguageModel:
    return LanguageModel.load(base.path)


def plain_log_likelihood(model: LanguageModel, prompt: list[int], answer: list[int]) -> float:
    """One unpadded row, one forward pass."""
    import torch

    with torch.no_grad():
        logits = model.network(input_ids=torch.tensor([prompt + answer])).logits[0].double()
    told = torch.log_softmax(logits, dim=-1)
    return sum(float(told[len(prompt) - 1 + i, token]) for i, token in enumerate(answer))


def test_labels_are_scored_by_their_likelihood_whatever_the_batch(model, monkeypatch):
    monkeypatch.setattr("sazon.models.language_model.LABELS", 3)
    prompts, labels = model.prompt_ids(TEXTS), label_ids(model, CLASSES)
    expected = [[plain_log_likelihood(model, p, a) for a in labels] for p in prompts]

    assert model.label_scores(prompts, labels) == pytest.approx(np.array(expected), abs=1e-3)
    pairs = [(p, a) for p in prompts for a in labels]
    found = model.log_likelihoods([p for p, _ in pairs], [a for _, a in pairs])
    assert found == pytest.approx(np.ravel(expected), abs=1e-3)


def test_probabilities_are_the_likelihoods_among_the_labels(model):
    predictor = CausalPredictor(model=model, classes=CLASSES, temperature=2.0, new_tokens=0)
    answers = predictor.predict(TEXTS)

    scores = predictor.scores(TEXTS) / 2.0
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert answers.probabilities == pytest.approx(expected)
    assert answers.labels == tuple(CLASSES[i] for i in expected.argmax(axis=1))
    assert predictor.can.probabilities


def test_generation_is_greedy_and_does_not_depend_on_the_batch(model):
    """Against a loop without padding, without a cache and without a batch."""
    import torch

    prompts = model.prompt_ids(TEXTS)
    found = model.generate(prompts, new_tokens=5)
    for prompt, told in zip(prompts, found, strict=True):
        ids, total = list(prompt), 0.0
        for _ in range(5):
            with torch.no_grad():
                last = model.network(input_ids=torch.tensor([ids])).logits[0, -1]
            value, token = torch.log_softmax(last, dim=-1).max(dim=-1)
            ids, total = [*ids, int(token)], total + float(value)
            if int(token) == model.end:
                break
        written = ids[len(prompt) :]
        assert told.text == model.tokenizer.decode(written, skip_special_tokens=True).strip()
        assert told.mean_log_probability == pytest.approx(total / len(written), abs=1e-3)


@pytest.mark.parametrize("classes", [(), CLASSES])
def test_a_folder_comes_back_bit_equal(model, tmp_path, classes):
    before = CausalPredictor(model=model, classes=classes, temperature=1.5, new_tokens=4)
    before.save(tmp_path / "a")
    after = models.load_folder(tmp_path / "a")
    after.save(tmp_path / "b")

    first, second = before.predict(TEXTS), after.predict(TEXTS)
    assert first.labels == second.labels
    assert np.array_equal(first.confidence, second.confidence)
    assert (tmp_path / "a" / "chat_template.jinja").read_text("utf-8") == model.tokenizer.chat_template
    assert digest.of_folder(tmp_path / "a") == digest.of_folder(tmp_path / "b")
    assert not list((tmp_path / "a").glob("*.bin"))


@pytest.mark.parametrize("classes", [(), CLASSES])
def test_an_input_that_does_not_fit_gets_an_error_and_no_cut(model, classes):
    predictor = CausalPredictor(model=model, classes=classes, temperature=1.0, new_tokens=4)
    answers = predictor.predict(["say apple", "kiwi " * 100, "say mango"])

    assert [e is None for e in answers.errors] == [True, False, True]
    assert "tokens" in answers.errors[1]
    assert len(answers.labels) == len(answers.confidence) == 3
    alone = predictor.predict(["say apple", "say mango"])
    assert (answers.labels[0], answers.labels[2]) == alone.labels
    nothing = predictor.predict([])
    assert nothing.labels == ()


def test_labels_that_the_tokenizer_cannot_tell_apart_are_refused(model):
    with pytest.raises(DataError, match="'xyzzy' and 'plugh' apart"):
        CausalPredictor(model=model, classes=("xyzzy", "plugh"), temperature=1.0, new_tokens=0)


def test_the_answer_ends_where_the_template_ends_it(tmp_path, model):
    assert model.end == model.tokenizer.convert_tokens_to_ids("<end>")
    # A template may end a turn with another token than the tokenizer's own end.
    chat = "{% for m in messages %}{{ m['content'] }} <user> {% endfor %}"
    other = LanguageModel.load(tiny_causal(tmp_path / "other", template=chat).path)
    assert other.end == other.tokenizer.convert_tokens_to_ids("<user>")
    other.save(tmp_path / "saved")
    assert LanguageModel.load(tmp_path / "saved").network.generation_config.eos_token_id == [2, other.end]


def test_a_base_without_an_end_token_is_refused(tmp_path, base):
    import shutil

    from transformers import AutoTokenizer

    folder = tmp_path / "endless"
    shutil.copytree(base.path, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.eos_token, tokenizer.chat_template = None, None
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").unlink()

    with pytest.raises(DataError, match="no token that ends an answer"):
        LanguageModel.load(folder)


def test_a_template_that_asks_for_the_date_says_the_same_every_day(tmp_path):
    date = "{{ date_string if date_string is defined else strftime_now('%f') }}"
    dated = date + " {{ messages[0]['content'] }} <end>"
    model = LanguageModel.load(tiny_causal(tmp_path / "dated", template=dated).path)
    assert model.prompt("A") == "26 Jul 2024 A <end>"


def test_what_counts_as_causal(tmp_path, base):
    assert is_causal(base.path)
    assert not is_causal(tiny_encoder(tmp_path / "encoder").path)
    assert not is_causal(tmp_path)


def test_half_an_emoji_is_answered(model):
    predictor = CausalPredictor(model=model, classes=tuple(CAPITALS), temperature=1.0, new_tokens=0)
    assert len(predictor.predict(["apple \ud83d"]).labels) == 1
