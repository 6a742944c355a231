"""The answer `unknown`: what is promised of the answered holds, and what cannot be promised is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats as distributions

from sazon import evaluate, models
from sazon.adapt import unknown
from sazon.adapt.unknown import UnknownConfig
from sazon.core import registry
from sazon.core.errors import DataError, IntegrityError, RecipeError
from sazon.core.seams import Job
from sazon.core.types import Candidate, TrainingData
from sazon.evaluate.config import EvaluateConfig
from sazon.models.folder import read_facts
from sazon.models.unknown import BELOW, UNKNOWN
from sazon.stats.selective import by_accuracy, by_coverage
from sazon.testing.tiny import toy_task

# ------------------------------------------------------------------------- the threshold


def test_the_promise_is_broken_no_more_often_than_agreed():
    """Confidence tells nothing and accuracy is just below what is wanted: the worst case for δ."""
    rng, wanted, runs = np.random.default_rng(1), 0.9, 600
    broken = 0
    for _ in range(runs):
        right = rng.random(300) < wanted - 1e-9
        broken += by_accuracy(rng.random(300), right, accuracy=wanted, delta=0.1).threshold is not None

    # At most δ, within what 600 trials can tell (one-sided 99.9 %).
    assert broken <= distributions.binom.ppf(0.999, runs, 0.1)


def test_a_calibrated_confidence_answers_as_many_as_it_may():
    rng = np.random.default_rng(2)
    confidence = rng.uniform(0.3, 1, 5000)
    right = rng.random(5000) < confidence

    chosen = by_accuracy(confidence, right, accuracy=0.9, delta=0.05)

    # Uniform on [τ, 1], calibrated: accuracy (τ + 1) / 2 = 0.9 at τ = 0.8.
    assert 0.79 < chosen.threshold < 0.85
    assert chosen.accuracy.low >= 0.9 - 1e-9
    assert chosen.answered == (confidence >= chosen.threshold).sum()


def test_all_right_answers_everything_and_too_few_rows_cannot_promise():
    confidence = np.linspace(0.5, 0.99, 100)

    assert by_accuracy(confidence, np.ones(100, bool), accuracy=0.95, delta=0.05).threshold == 0.0
    # ln 0.05 / ln 0.95 = 58.4: fifty-eight right answers prove nothing yet.
    few = by_accuracy(confidence[:58], np.ones(58, bool), accuracy=0.95, delta=0.05)
    assert few.threshold is None
    assert by_accuracy(confidence[:59], np.ones(59, bool), accuracy=0.95, delta=0.05).threshold == 0.0
    assert by_accuracy(np.zeros(0), np.zeros(0, bool), accuracy=0.95, delta=0.05).threshold is None


def test_ties_stand_or_fall_together():
    confidence = np.repeat([0.9, 0.6], 100)
    right = np.r_[np.ones(100, bool), np.zeros(100, bool)]

    chosen = by_accuracy(confidence, right, accuracy=0.9, delta=0.05)

    assert (chosen.threshold, chosen.answered) == (0.9, 100)


def test_coverage_takes_the_surest_share():
    confidence, right = np.linspace(0, 0.99, 100), np.arange(100) >= 50

    chosen = by_coverage(confidence, right, coverage=0.3, delta=0.05)

    assert chosen.answered == 30
    assert chosen.accuracy.value == 1.0
    assert by_coverage(confidence, right, coverage=1.0, delta=0.05).threshold == 0.0


@pytest.mark.parametrize("wish", [{}, {"accuracy": 0.9, "coverage": 0.5}])
def test_exactly_one_wish(wish):
    with pytest.raises(ValidationError, match="exactly one"):
        UnknownConfig(**wish)


# ------------------------------------------------------------------------ the candidate


def hard_task(rows: int = 600) -> TrainingData:
    """The toy task without the telling word wherever `help` stands: nobody can be sure of those."""
    data = toy_task(rows=rows, split=rows // 2)

    def untold(text: str) -> str:
        return " ".join(w for w in text.split() if w not in ("card", "close", "refund"))

    def vague(dataset):
        rows = (replace(e, input=untold(e.input)) if "help" in e.input else e for e in dataset.examples)
        return replace(dataset, examples=tuple(rows))

    return replace(data, fit=vague(data.fit), validation=vague(data.validation))


def make(tmp_path: Path, data: TrainingData, technique: str = "linear", **options) -> Candidate:
    kind = registry.load("technique", technique)()
    directory = tmp_path / f"{technique}-{len(list(tmp_path.iterdir()))}"
    directory.mkdir()
    job = Job(name="it", directory=directory, cache=tmp_path / "cache", rng=np.random.default_rng(0))
    return unknown.make(kind, kind.Config(**options), base=None, data=data, parents={}, job=job)


def test_answers_below_the_threshold_become_unknown_and_nothing_else_changes(tmp_path):
    data = hard_task()
    candidate = make(tmp_path, data, unknown=UnknownConfig(accuracy=0.9))

    cautious, bare = models.load(candidate), models.load_bare(candidate)
    given, plain = cautious.predict(data.validation.inputs), bare.predict(data.validation.inputs)

    threshold = read_facts(candidate.artifact.path)[BELOW]
    assert candidate.facts[BELOW] == threshold
    held = plain.confidence < threshold
    assert held.any()
    assert not held.all()
    wanted = [UNKNOWN if h else label for h, label in zip(held, plain.labels, strict=True)]
    assert list(given.labels) == wanted
    assert np.array_equal(given.probabilities, plain.probabilities)
    right = np.array(given.labels) == np.array(data.validation.targets)
    assert right[~held].mean() >= 0.9
    assert [n.key for n in candidate.notes] == ["note.unknown_below"]


def test_the_threshold_is_part_of_what_the_digest_holds(tmp_path):
    candidate = make(tmp_path, hard_task(), unknown=UnknownConfig(coverage=0.5))
    facts = candidate.artifact.path / "predictor.json"
    facts.write_text(facts.read_text("utf-8").replace(f'"{BELOW}": 0', f'"{BELOW}": 1'), "utf-8")

    with pytest.raises(IntegrityError):
        models.load(candidate)


def test_validation_is_kept_out_of_training(tmp_path):
    data = hard_task()
    candidate = make(tmp_path, data, unknown=UnknownConfig(coverage=0.5))
    assert candidate.training.rows == len(data.fit)


def test_what_cannot_be_promised_is_said_and_everything_is_answered(tmp_path):
    data = hard_task(rows=120)
    candidate = make(tmp_path, data, unknown=UnknownConfig(accuracy=0.99))

    assert [n.key for n in candidate.notes] == ["note.unknown_cannot"]
    assert BELOW not in candidate.facts
    assert UNKNOWN not in models.load(candidate).predict(data.validation.inputs).labels
    for language in ("es", "en"):
        assert "299" in candidate.notes[0].words(language)  # ln 0.05 / ln 0.99, rounded up


def test_an_easy_task_needs_no_unknown(tmp_path):
    data = toy_task(rows=400, split=200)
    candidate = make(tmp_path, data, unknown=UnknownConfig(accuracy=0.9))
    assert [n.key for n in candidate.notes] == ["note.unknown_everything"]


def test_only_one_row_of_a_group_counts(tmp_path):
    data = hard_task()
    grouped = tuple(replace(e, group=f"g{i // 10}") for i, e in enumerate(data.validation.examples))
    data = replace(data, validation=replace(data.validation, examples=grouped))

    candidate = make(tmp_path, data, unknown=UnknownConfig(accuracy=0.95))

    # 300 rows in 30 groups: too few to promise 95 %.
    assert candidate.notes[0].key == "note.unknown_cannot"
    assert candidate.notes[0].values["rows"] == 30


def test_a_class_called_unknown_and_free_text_are_refused(tmp_path):
    data = toy_task()
    with pytest.raises(DataError, match="unknown"):
        make(tmp_path, replace(data, labels=(*data.labels, UNKNOWN)), unknown=UnknownConfig(coverage=0.5))
    with pytest.raises(RecipeError, match="classifiers"):
        make(tmp_path, replace(data, task="generate"), unknown=UnknownConfig(coverage=0.5))


# ----------------------------------------------------------------------- the evaluation


def test_unknown_is_not_right_and_is_counted_apart(tmp_path):
    data = hard_task(rows=900)
    test = replace(data.validation, split="test")
    candidate = make(tmp_path, data, unknown=UnknownConfig(accuracy=0.9))
    sheet = evaluate.answer(candidate, test, directory=tmp_path)
    sheets = {"it": sheet}

    found = evaluate.compare(
        EvaluateConfig(reference="it"), [candidate], sheets, evaluate.score(sheets, test), test,
        rng=np.random.default_rng(0),
    ).estimates["it"]  # fmt: skip

    held = np.array([label == UNKNOWN for label in sheet.labels])
    right = np.array(sheet.labels) == np.array(test.targets)
    assert found["answered"].value == pytest.approx(1 - held.mean())
    assert found["accuracy"].value == pytest.approx(right.mean())
    assert found["accuracy_answered"].value == pytest.approx(right[~held].mean())
    assert found["accuracy_answered"].low < found["accuracy_answered"].value
    assert found["calibration_error"].n == (~held).sum()
