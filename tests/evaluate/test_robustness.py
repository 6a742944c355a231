"""Changed texts: what changes, what does not, and what it does to a candidate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.core.seams import Capabilities
from sazon.core.types import Answers, Dataset, Example
from sazon.evaluate.perturb import PERTURBATIONS, perturb
from sazon.evaluate.robustness import try_changes


@given(st.text(max_size=60), st.sampled_from(PERTURBATIONS), st.integers(0, 5))
def test_a_change_is_text_seeded_and_never_empties(text, how, seed):
    one, same = (perturb(text, how, np.random.default_rng(seed)) for _ in range(2))
    assert one == same
    assert bool(one.strip()) >= bool(text.strip())


def test_each_change_does_what_it_says():
    rng = np.random.default_rng(0)
    text = "Mañana llegará el señor Gómez a las 10"
    assert perturb(text, "no_accents", rng) == "Manana llegara el senor Gomez a las 10"
    assert perturb(text, "upper_case", rng) == text.upper()
    assert perturb(text, "lower_case", rng) == text.lower()
    assert text in perturb(text, "noise", rng)


def test_typos_touch_about_every_twelfth_letter_and_no_digit():
    rng = np.random.default_rng(1)
    assert perturb("0123456789 " * 50, "typos", rng) == "0123456789 " * 50
    changed = sum(perturb("reembolso", "typos", rng) != "reembolso" for _ in range(1000)) / 1000
    assert changed == pytest.approx(1 - (11 / 12) ** 9, abs=0.06)


class ByCase:
    """Right while a text is in lower case."""

    can = Capabilities()
    classes = ("a", "b")

    def predict(self, inputs):
        labels = tuple("a" if text == text.lower() else "b" for text in inputs)
        return Answers(labels=labels, confidence=np.full(len(inputs), np.nan))


def rows(texts):
    examples = tuple(Example(id=f"r{i}", input=text, target="a") for i, text in enumerate(texts))
    return Dataset(name="toy", split="test", examples=examples)


def test_the_drop_is_before_less_after_on_rows_that_change():
    test = rows([f"message {chr(97 + i % 26)}" for i in range(50)] + ["123"] * 10)
    found = try_changes(
        {"it": ByCase()},
        test,
        ["upper_case", "no_accents"],
        rows=200,
        level=0.95,
        rng=np.random.default_rng(0),
    )
    upper, plain = found
    assert (upper.drop.value, upper.drop.n, upper.changed.value) == (1.0, 50, 1.0)
    assert upper.drop.low < 1.0
    assert plain.drop.undefined
    assert (plain.candidate, plain.perturbation) == ("it", "no_accents")


def test_all_candidates_see_the_same_texts():
    seen = {"one": [], "other": []}

    class Keeps(ByCase):
        def __init__(self, name):
            self.name = name

        def predict(self, inputs):
            seen[self.name].append(tuple(inputs))
            return super().predict(inputs)

    test = rows([f"message number {i}" for i in range(100)])
    predictors = {name: Keeps(name) for name in seen}
    try_changes(predictors, test, ["typos", "noise"], rows=30, level=0.95, rng=np.random.default_rng(0))
    assert seen["one"] == seen["other"]
    assert len(seen["one"][0]) == 30


@pytest.mark.parametrize("changes", [[], ["typos"]])
def test_nothing_to_ask_is_no_row(changes):
    found = try_changes({}, rows(["a"]), changes, rows=20, level=0.95, rng=np.random.default_rng(0))
    assert found == ()
