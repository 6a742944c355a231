"""Distillation: the student follows its teacher, and says what its figures are worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sazon import models
from sazon.adapt.lesson import make_lesson, vary
from sazon.core.errors import RecipeError


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
        make_lesson(
            teacher, other, variants=0, rng=np.random.default_rng(0), told=lambda *_: None, name="student"
        )


def test_fit_part_of_a_lesson_holds_nothing_of_validation(make, data):
    teacher = models.load(make("linear"))
    lesson = make_lesson(
        teacher, data, variants=2, rng=np.random.default_rng(0), told=lambda *_: None, name="student"
    )

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
