"""Distillation: the student follows its teacher, and says what its figures are worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from sazon import models
from sazon.adapt.distill import DistillConfig
from sazon.adapt.distill.lesson import Lesson, make_lesson, vary
from sazon.adapt.distill.mixture import MOST, Mixture, choose
from sazon.adapt.distill.table import fit_table, prepare, weighted_rows
from sazon.adapt.further import further_texts
from sazon.core import digest
from sazon.core.errors import RecipeError
from sazon.core.types import Answers, Dataset, Example
from sazon.data.plain import plain


def _unlabelled(*texts: str) -> Dataset:
    rows = tuple(Example(id=f"u{i}", input=text, target="") for i, text in enumerate(texts))
    return Dataset(name="more", split="all", examples=rows)


def _lesson(teachers, data, *, variants=0):
    rng = np.random.default_rng(0)
    return make_lesson(teachers, data, variants=variants, rng=rng, told=lambda *_: None, name="student")


def test_follows_a_teacher_that_knows_better_than_the_labels(make, data):
    rng = np.random.default_rng(0)
    wrong = [
        replace(e, target=str(rng.choice(data.labels))) if rng.random() < 0.4 else e
        for e in data.fit.examples
    ]
    noisy = replace(data, fit=replace(data.fit, examples=tuple(wrong)))
    teacher = {"teacher": make("linear")}

    alone = make("distill", data=noisy, parents=teacher, teacher="teacher", gold=1.0, variants=0, refit=False)
    taught = make("distill", data=noisy, parents=teacher, teacher="teacher", gold=0.0, refit=False)

    assert taught.validation["accuracy"].value > alone.validation["accuracy"].value
    assert taught.facts["kept"] == pytest.approx(
        taught.validation["accuracy"].value / teacher["teacher"].validation["accuracy"].value
    )


def test_says_when_its_teacher_saw_the_validation_rows(make):
    refitted, honest = {"t": make("linear")}, {"t": make("linear", refit=False)}

    assert any("flatter" in n.words("en") for n in make("distill", parents=refitted, teacher="t").notes)
    assert not make("distill", parents=honest, teacher="t").notes


def test_student_loads_without_torch_or_scikit_learn(make, tmp_path):
    import subprocess
    import sys

    student = make("distill", parents={"t": make("linear")}, teacher="t")
    code = (
        "import sys; from pathlib import Path; from sazon import models;"
        f"models.load_folder(Path({str(student.artifact.path)!r})).predict(['the card']);"
        "assert not {'torch', 'sklearn', 'scipy', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_teacher_of_other_classes_is_refused(make, data):
    other = replace(data, labels=(*data.labels, "zzz"))
    teacher = models.load(make("linear"))

    with pytest.raises(RecipeError, match="no probabilities"):
        _lesson([teacher], other)


def test_fit_part_of_a_lesson_holds_nothing_of_validation(make, data):
    lesson = _lesson([models.load(make("linear"))], data, variants=2)

    fit = lesson.only_fit()

    assert len(lesson.texts) == 3 * 180
    assert len(fit.texts) == 3 * 135
    assert fit.texts[:135] == data.fit.inputs
    assert (fit.truth >= 0).sum() == 135


def test_variants_keep_order_and_at_least_one_word():
    texts = ["one two three four five", "alone", ""]
    for seed in range(20):
        varied = vary(texts, np.random.default_rng(seed))
        words = varied[0].split()
        assert words
        assert words == [w for w in texts[0].split() if w in words]
        assert varied[1:] == ["alone", ""]


class _Fixed:
    """A teacher that always gives the same probabilities."""

    def __init__(self, classes, shares):
        self.classes, self.shares = classes, np.array(shares)
        self.can = type("Can", (), {"probabilities": True})()

    def predict(self, inputs):
        shares = np.tile(self.shares, (len(inputs), 1))
        return Answers(labels=("",) * len(inputs), confidence=shares.max(axis=1), probabilities=shares)


def test_a_panel_teaches_the_mean_of_its_members(data):
    one, other = _Fixed(data.labels, [1.0, 0.0, 0.0]), _Fixed(data.labels, [0.0, 0.5, 0.5])

    lesson = _lesson([one, other], data)

    assert np.allclose(lesson.soft, [0.5, 0.25, 0.25])


def test_a_panel_is_the_parents_of_its_student(make):
    panel = {"a": make("linear"), "b": make("majority")}

    student = make("distill", parents=panel, teacher=["a", "b"])

    assert student.parents == ("a", "b")
    assert student.facts["teacher"] == "a, b"


def test_unlabelled_texts_teach_what_the_labels_do_not_hold(make, data):
    # "ticket" stands in no labelled row; the teacher's answer to it can only come from the pool.
    teacher = _Fixed(data.labels, [0.0, 0.0, 1.0])
    pool = replace(data, unlabelled=_unlabelled("ticket", "ticket", "the ticket"))

    lesson = _lesson([teacher], pool)

    assert lesson.texts[180:] == ["ticket", "the ticket"]  # each text once
    assert (lesson.truth[180:] == -1).all()
    assert not lesson.validation[180:].any()


def test_texts_kept_for_the_test_are_never_learnt_from(data):
    pool = _unlabelled("A  Test text", "fine")
    apart = replace(data, unlabelled=pool, held_out=frozenset({digest.of_text(plain("a test TEXT"))}))

    further = further_texts(apart)

    assert further.texts == ["fine"]
    assert further.excluded == 1


def test_a_copy_of_a_validation_text_is_not_learnt_from_before_it_measures(data):
    copied = replace(data, unlabelled=_unlabelled(data.validation.inputs[0].upper(), "fine"))

    lesson = _lesson([_Fixed(data.labels, [1.0, 0.0, 0.0])], copied)

    assert lesson.only_fit().texts == [*data.fit.inputs, "fine"]


def test_words_of_like_meaning_share_what_is_learnt_of_one_of_them(data):
    # "reembolso" is known, but never with an answer; its vector is that of "refund".
    texts = ["refund", "refund it", "card", "card it", "reembolso", "reembolso"]
    truth = np.array([2, 2, 0, 0, -1, -1])
    lesson = Lesson(
        texts=texts,
        soft=np.full((6, 3), 1 / 3),
        follow=np.zeros(6),
        truth=truth,
        validation=np.zeros(6, dtype=bool),
    )
    mixture = Mixture(gold=1.0)
    like = {"refund": [1.0, 0.0], "reembolso": [1.0, 0.0], "card": [0.0, 1.0], "it": [0.7, 0.7]}

    def encode(words):
        return np.array([like[w] for w in words])

    alone = fit_table(prepare(lesson, rarest=1), mixture, data.labels)
    taught = fit_table(prepare(lesson, encode, rarest=1), mixture, data.labels)

    for student, least, most in ((alone, 0.0, 0.6), (taught, 0.8, 1.0)):
        shares = student.predict(["reembolso"]).probabilities
        assert least <= shares[0, 2] <= most
    assert alone.table.shape == taught.table.shape


def test_the_table_scores_what_training_saw(make, data):
    lesson = _lesson([models.load(make("linear"))], data)
    student = fit_table(prepare(lesson), Mixture(), data.labels)

    X, _ = weighted_rows(student.vocabulary, lesson.texts)

    assert np.allclose(student.scores(lesson.texts), X @ student.table + student.bias, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "exactly one"),
        ({"teacher": "t", "recorded": "log.jsonl", "allowed_by": "x"}, "exactly one"),
        ({"recorded": "log.jsonl"}, "forbid training"),
        ({"teacher": "t", "workload": "w"}, "recorded log"),
        ({"teacher": ["t", "t"]}, "each teacher once"),
        ({"teacher": []}, "each teacher once"),
        ({"teacher": "t", "base": "b"}, "no base model"),
        ({"teacher": "t", "vectors": 1.0}, "vectors"),
        ({"recorded": "l", "allowed_by": "x", "student": "transformer"}, "no layers"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, match):
    with pytest.raises(ValidationError, match=match):
        DistillConfig(**options)


def _losses(best):
    """A loss that is least at `best`, the further the higher."""

    def loss(mixture):
        seen.append(mixture)
        return float(
            abs(np.log(mixture.C / best.C))
            + abs(mixture.gold - best.gold)
            + abs(mixture.temperature - best.temperature)
            + (mixture.word_vectors != best.word_vectors)
        )

    seen = []
    return loss, seen


@pytest.mark.parametrize(
    "best",
    [
        Mixture(),
        Mixture(gold=0.9, temperature=1.0, C=5.0, word_vectors=False),
        Mixture(C=100.0, temperature=2.0),
    ],
)
def test_validation_finds_the_mixture(best):
    loss, seen = _losses(best)
    assert choose(DistillConfig(teacher="t"), loss, has_vectors=True) == (best, len(seen))
    assert len(seen) <= MOST
    assert len(set(seen)) == len(seen)


def test_what_the_recipe_says_is_not_chosen():
    loss, seen = _losses(Mixture(gold=0.9, C=5.0))
    config = DistillConfig(teacher="t", gold=0.5, word_vectors=True, C=30.0)
    best, _ = choose(config, loss, has_vectors=True)
    assert best == Mixture()
    assert {(m.gold, m.C, m.word_vectors) for m in seen} == {(0.5, 30.0, True)}


def test_nothing_is_tried_where_nothing_is_open():
    loss, seen = _losses(Mixture())
    config = DistillConfig(teacher="t", gold=0.2, temperature=3.0, C=7.0)
    best, tried = choose(config, loss, has_vectors=False)
    assert (best, tried, seen) == (Mixture(gold=0.2, temperature=3.0, C=7.0, word_vectors=False), 0, [])
