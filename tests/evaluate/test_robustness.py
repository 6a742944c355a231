"""Changed texts: what changes, what does not, and what it does to a candidate."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon import models, pipeline, recipe
from sazon.core.errors import RecipeError
from sazon.core.seams import Capabilities
from sazon.core.types import Answers, Dataset, Example
from sazon.evaluate.perturb import PERTURBATIONS, SWAPPED_LANGUAGE, perturb
from sazon.evaluate.robustness import try_changes
from sazon.stats.clusters import Clustering
from sazon.stats.paired import Pair


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


# ------------------------------------------------------------------ the other language


class KnowsOnlySpanish(ByCase):
    """Right where a text says `hola`."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def predict(self, inputs: Sequence[str]) -> Answers:
        self.asked += inputs
        labels = tuple("a" if "hola" in text else "b" for text in inputs)
        return Answers(labels=labels, confidence=np.full(len(inputs), np.nan))


def bilingual(spanish: int, english: int, *, without: int = 0) -> Dataset:
    """Rows of both languages, each with its text in the other, and some without."""
    texts = [("es", f"hola {i}", f"hello {i}") for i in range(spanish)]
    texts += [("en", f"hello {spanish + i}", f"hola {spanish + i}") for i in range(english)]
    texts += [("es", f"hola {1000 + i}", "") for i in range(without)]
    examples = tuple(
        Example(id=text, input=text, target="a", language=language, translation=other or None)
        for language, text, other in texts
    )
    return Dataset(name="toy", split="test", examples=examples)


def swapped(test: Dataset, *, rows: int = 200, learnt: Sequence[str] = (), seed: int = 0):
    rng = np.random.default_rng(seed)
    return try_changes(
        {"it": KnowsOnlySpanish()}, test, [SWAPPED_LANGUAGE], rows=rows, level=0.95, rng=rng, learnt=learnt
    )


def test_what_is_lost_one_way_does_not_hide_behind_what_is_gained_the_other():
    both, english, spanish = swapped(bilingual(40, 40, without=20))
    assert [r.language for r in (both, english, spanish)] == ["", "en", "es"]
    assert (both.drop.value, both.drop.n, both.changed.value) == (0.0, 80, 1.0)
    assert (spanish.drop.value, spanish.drop.n) == (1.0, 40)
    assert (english.drop.value, english.drop.n) == (-1.0, 40)
    each = Clustering.of([str(i) for i in range(40)])
    wanted = Pair.of(np.ones(40, bool), np.zeros(40, bool), each).difference(level=0.95)
    assert (spanish.drop.low, spanish.drop.high) == (wanted.low, wanted.high)


def test_rows_of_one_language_are_shown_once():
    [only] = swapped(bilingual(30, 0, without=10))
    assert (only.language, only.drop.value, only.drop.n) == ("", 1.0, 30)


def test_as_many_rows_as_asked_for_are_drawn_from_those_with_a_translation():
    found = swapped(bilingual(30, 0, without=970), rows=25)
    assert [r.drop.n for r in found] == [25]


@pytest.mark.parametrize(
    ("test", "learnt", "reason"),
    [
        (bilingual(0, 0, without=30), (), "no row has a translation"),
        (bilingual(5, 0), [f"HELLO  {i}" for i in range(5)], "every translation stands among"),
        (rows(["same"] * 3), (), "the change leaves every row as it is"),
    ],
)
def test_where_nothing_can_be_said_it_says_why(test, learnt, reason):
    if reason.startswith("the change"):
        test = replace(test, examples=tuple(replace(e, translation=e.input) for e in test.examples))
    [found] = swapped(test, learnt=learnt)
    assert reason in found.drop.undefined
    assert found.drop.undefined == found.changed.undefined


@given(
    given=st.lists(st.sampled_from(["", "fresh", "learnt"]), min_size=1, max_size=40),
    count=st.integers(1, 50),
    seed=st.integers(0, 5),
)
def test_only_fresh_translations_are_asked_and_each_text_once(given, count, seed):
    examples = tuple(
        Example(id=f"{i}", input=f"hola {i}", target="a", translation=f"{kind} {i}" if kind else None)
        for i, kind in enumerate(given)
    )
    test = Dataset(name="toy", split="test", examples=examples)
    learnt = [e.translation for e in examples if e.translation and "learnt" in e.translation]
    predictor = KnowsOnlySpanish()
    rng = np.random.default_rng(seed)
    [found] = try_changes(
        {"it": predictor}, test, [SWAPPED_LANGUAGE], rows=count, level=0.9, rng=rng, learnt=learnt
    )
    asked = sorted(text for text in predictor.asked if not text.startswith("hola"))
    assert len(set(asked)) == len(asked) == min(count, given.count("fresh")) == (found.drop.n or 0)
    assert all(text.startswith("fresh") for text in asked)
    assert len(predictor.asked) == 2 * len(asked)


def test_the_other_changes_are_the_same_beside_it():
    test = bilingual(30, 30)

    def typos(changes):
        found = try_changes(
            {"it": ByCase()}, test, changes, rows=40, level=0.95, rng=np.random.default_rng(3)
        )
        return [r for r in found if r.perturbation == "typos"]

    assert typos(["typos"]) == typos([SWAPPED_LANGUAGE, "typos"])


# ------------------------------------------------------------------------ in a recipe

SAID = {
    "hours": ("a qué hora abren", "please tell me when do doors open"),
    "refund": ("devuelvan el dinero", "a harsh query about a bad fee"),
}


def write(folder: Path, *, translation: str = "translation: other,", filled: int = 20) -> Path:
    """A recipe that learns from Spanish rows, tested on forty of which some are translated."""
    for name, n in (("train", 40), ("test", 40)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            out.writerow(["text", "intent", "language", "other"])
            for i in range(n):
                label = ("hours", "refund")[i % 2]
                texts = [f"{text} {name} {i // 2}" for text in SAID[label]]
                language = "es" if name == "train" or i % 4 < 2 else "en"
                text, other = texts if language == "es" else texts[::-1]
                out.writerow([text, label, language, other if name == "test" and i < filled else ""])
    path = folder / "recipe.yaml"
    path.write_text(
        f"""name: swapped
data:
  {{train: {{path: train.csv}}, test: {{path: test.csv}}, input: text, target: intent, language: language,
    {translation} public: true}}
candidates: {{linear: {{technique: linear}}}}
evaluate: {{robustness: {{changes: [upper_case, swapped_language], rows: 30}}}}
economics: {{worlds: 200}}
report: {{language: es}}
""",
        "utf-8",
    )
    return path


def test_a_recipe_asks_in_the_other_language_and_the_report_shows_it(tmp_path):
    outcome = pipeline.run(write(tmp_path), out=tmp_path / "run", offline=True)
    found = {(r.perturbation, r.language): r for r in outcome.evaluation.robustness}
    assert list(found) == [("upper_case", "")] + [("swapped_language", x) for x in ("", "en", "es")]
    assert [found["swapped_language", x].drop.n for x in ("", "en", "es")] == [20, 10, 10]
    with (tmp_path / "test.csv").open(encoding="utf-8") as file:
        told = [row for row in csv.DictReader(file) if row["other"] and row["language"] == "es"]
    linear = models.load(outcome.candidates[0])
    before, after = (linear.predict([row[column] for row in told]).labels for column in ("text", "other"))
    lost = sum(b == row["intent"] for b, row in zip(before, told, strict=True))
    lost -= sum(a == row["intent"] for a, row in zip(after, told, strict=True))
    assert found["swapped_language", "es"].drop.value == pytest.approx(lost / 10)
    moved = sum(b != a for b, a in zip(before, after, strict=True))
    assert found["swapped_language", "es"].changed.value == pytest.approx(moved / 10)
    assert moved
    report = (tmp_path / "run" / "report" / "report.html").read_text("utf-8")
    assert "en otro idioma, desde el español" in report
    assert "del que ninguna opción aprendió" in report


def test_other_translations_are_another_evaluation_but_no_other_candidate(tmp_path):
    first = pipeline.run(write(tmp_path), out=tmp_path / "run", offline=True, until="evaluate")
    again = pipeline.run(write(tmp_path, filled=0), out=tmp_path / "run", offline=True, until="evaluate")
    assert [c.digest for c in first.candidates] == [c.digest for c in again.candidates]
    [nothing] = [r for r in again.evaluation.robustness if r.perturbation == "swapped_language"]
    assert nothing.drop.undefined == "no row has a translation"
    seen = [f.says.words("en") for f in pipeline.check(recipe.read(tmp_path / "recipe.yaml"), offline=True)]
    assert any("no row has a translation" in words for words in seen)


def test_asking_in_the_other_language_without_texts_is_refused_at_once(tmp_path):
    with pytest.raises(RecipeError) as caught:
        recipe.read(write(tmp_path, translation=""))
    [problem] = caught.value.problems
    assert problem.where == "recipe.yaml:6:47 evaluate.robustness.changes[1]"
    assert "data.translation" in problem.mend
