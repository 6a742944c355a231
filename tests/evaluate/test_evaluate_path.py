"""From answers to estimates, claims and draws, on predictors whose answers are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sazon import evaluate, models
from sazon.core import digest, files
from sazon.core.errors import DataError, IntegrityError, PluginError, RecipeError
from sazon.core.seams import Capabilities
from sazon.core.types import Answers, Artifact, Candidate, Dataset, Evaluation, Example
from sazon.evaluate.config import EvaluateConfig, LatencyConfig
from sazon.evaluate.scores import SCHEMA
from sazon.models.majority import MajorityPredictor
from sazon.models.recorded import recording_key

CONFIG = EvaluateConfig(draws=500)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def dataset(n: int, *, each: int = 1, labels: str = "abc") -> Dataset:
    rows = tuple(
        Example(
            id=f"r{i}",
            input=f"text {i}",
            target=labels[i % len(labels)],
            group=f"g{i // each}" if each > 1 else None,
            language=("es", "en")[i % 2],
        )
        for i in range(n)
    )
    return Dataset(name="toy", split="test", examples=rows)


def recorded(folder: Path, name: str, test: Dataset, answers: Sequence[str | None]) -> Candidate:
    """A candidate that answers just this."""
    folder = folder / name
    folder.mkdir()
    head = {"sazon_recording": 1, "model": name, "prompt_digest": "p", "labels": list(test.labels)}
    lines = [head] + [
        {
            "key": recording_key(text, "p", name),
            "model": name,
            "answer": answer,
            "seconds": 0.1 + i / 1000,
            "money": 0.001,
            "tokens_in": 10,
            "tokens_out": 1,
            "error": None if answer else "unreadable",
        }
        for i, (text, answer) in enumerate(zip(test.inputs, answers, strict=True))
    ]
    (folder / "recording.jsonl").write_text("\n".join(json.dumps(entry) for entry in lines), "utf-8")
    (folder / "predictor.json").write_text('{"predictor": "recorded"}', "utf-8")
    return Candidate(
        name=name, technique="api", artifact=Artifact(path=folder, digest=digest.of_folder(folder))
    )


def wrong(test: Dataset, *indices: int) -> list[str]:
    """Right answers but for some."""
    labels = test.labels
    return [
        labels[(labels.index(t) + 1) % len(labels)] if i in indices else t for i, t in enumerate(test.targets)
    ]


def judged(
    candidates: Sequence[Candidate], test: Dataset, folder: Path, config: EvaluateConfig = CONFIG
) -> tuple[Evaluation, dict[str, evaluate.AnswerSheet]]:
    sheets = {}
    for c in candidates:
        (folder / f"sheet-{c.name}").mkdir()
        evaluate.answer(c, test, directory=folder / f"sheet-{c.name}")
        sheets[c.name] = evaluate.AnswerSheet.read(folder / f"sheet-{c.name}")
    return evaluate.compare(config, candidates, sheets, evaluate.score(sheets, test), test, rng=rng()), sheets


ASSUMED = Candidate(
    name="guess", technique="host", kind="assumed", facts={"accuracy_p10": 0.8, "accuracy_p90": 0.9}
)
PAPER = Candidate(
    name="paper",
    technique="api",
    kind="published",
    placement="cloud",
    facts={"k": 93, "n": 100, "source": "a paper"},
)


# ------------------------------------------------------------------ sheets, scores


def test_a_sheet_comes_back_as_it_was_written_and_holds_no_input(tmp_path):
    test = dataset(30)
    one = recorded(tmp_path, "one", test, [None, *wrong(test, 4)[1:]])
    written = evaluate.answer(one, test, directory=tmp_path)
    read = evaluate.AnswerSheet.read(tmp_path)
    for field in ("examples", "labels", "errors", "classes", "timings"):
        assert getattr(written, field) == getattr(read, field)
    for field in ("confidence", "tokens", "seconds", "money"):
        assert np.array_equal(getattr(written, field), getattr(read, field), equal_nan=True)
    assert read.labels[0] is None
    assert read.errors[0] == "unreadable"
    stored = (tmp_path / "answers.parquet").read_bytes() + (tmp_path / "timings.json").read_bytes()
    assert b"text 7" not in stored


def test_times_are_measured_here_on_an_even_sample(tmp_path):
    MajorityPredictor(("a", "b", "c"), np.array([0.5, 0.3, 0.2])).save(tmp_path / "m")
    here = Candidate(
        name="m",
        technique="majority",
        artifact=Artifact(path=tmp_path / "m", digest=digest.of_folder(tmp_path / "m")),
    )
    sheet = evaluate.answer(here, dataset(50), directory=tmp_path, latency=LatencyConfig(texts=10))
    assert np.isfinite(sheet.seconds).sum() == 10
    assert sheet.timings.throughput_per_s > 0
    assert sheet.probabilities.shape == (50, 3)
    again = evaluate.AnswerSheet.read(tmp_path)
    assert np.array_equal(again.probabilities, sheet.probabilities)


def test_recorded_times_are_the_recordings(tmp_path):
    test = dataset(200)
    evaluation, sheets = judged([recorded(tmp_path, "one", test, test.targets)], test, tmp_path)
    times = evaluation.estimates["one"]
    assert times["latency_p50_s"].value == pytest.approx(0.1995)
    assert times["throughput_per_s"].value is None
    assert sheets["one"].seconds[3] == pytest.approx(0.103)


def test_scores_have_one_row_per_example_candidate_and_metric(tmp_path):
    test = dataset(20)
    one, two = recorded(tmp_path, "one", test, wrong(test, 3)), recorded(tmp_path, "two", test, [None] * 20)
    _, sheets = judged([one, two, ASSUMED], test, tmp_path)
    scores = evaluate.score(sheets, test)
    assert dict(scores.table.schema) == {name: kind() for name, kind in SCHEMA.items()}
    right = scores.table.filter(pl.col("metric") == "accuracy")
    assert right.height == 40
    mine = right.filter(pl.col("candidate") == "one")
    assert mine["value"].to_list() == [0.0 if i == 3 else 1.0 for i in range(20)]
    theirs = right.filter(pl.col("candidate") == "two")
    assert theirs["value"].null_count() == 20
    assert set(theirs["error"]) == {"unreadable"}
    evaluate.write_scores(scores, tmp_path)
    assert evaluate.read_scores(tmp_path).table.equals(scores.table)


def test_answers_to_other_rows_are_refused(tmp_path):
    test = dataset(20)
    _, sheets = judged([recorded(tmp_path, "one", test, test.targets)], test, tmp_path)
    with pytest.raises(IntegrityError, match="other test rows"):
        evaluate.score(sheets, dataset(21))
    with pytest.raises(IntegrityError):
        evaluate.AnswerSheet.read(tmp_path / "nowhere")
    with pytest.raises(IntegrityError):
        evaluate.read_scores(tmp_path / "nowhere")


class Broken:
    """A predictor that breaks its contract."""

    classes = ("a",)
    can = Capabilities()

    def __init__(self, sure: float, *, extra: int = 0) -> None:
        self.sure, self.extra = sure, extra

    def predict(self, inputs: Sequence[str]) -> Answers:
        n = len(inputs) + self.extra
        return Answers(labels=("a",) * n, confidence=np.full(n, self.sure))


@pytest.mark.parametrize("broken", [Broken(1.5), Broken(-0.1), Broken(np.inf), Broken(0.5, extra=1)])
def test_a_predictor_that_breaks_its_contract_is_named(tmp_path, monkeypatch, broken):
    test = dataset(5)
    one = recorded(tmp_path, "one", test, test.targets)
    monkeypatch.setattr(models, "load", lambda candidate: broken)
    with pytest.raises(PluginError, match="'one'"):
        evaluate.answer(one, test, directory=tmp_path)


@pytest.mark.parametrize("file", ["timings.json", "answers.parquet"])
def test_a_damaged_sheet_is_refused(tmp_path, file):
    test = dataset(5)
    evaluate.answer(recorded(tmp_path, "one", test, test.targets), test, directory=tmp_path)
    (tmp_path / file).write_bytes(b"{}")
    with pytest.raises(IntegrityError):
        evaluate.AnswerSheet.read(tmp_path)


class Elsewhere(Broken):
    """Runs here, and partly at a provider that took `waited` seconds."""

    waited = 2.0

    def predict(self, inputs: Sequence[str]) -> Answers:
        return replace(super().predict(inputs), seconds=np.full(len(inputs), self.waited))


@pytest.mark.parametrize(("waited", "known"), [(2.0, True), (np.nan, False)])
def test_time_spent_elsewhere_is_added_or_unknown(tmp_path, monkeypatch, waited, known):
    test = dataset(5)
    predictor = Elsewhere(0.5)
    predictor.waited = waited
    one = recorded(tmp_path, "one", test, test.targets)
    monkeypatch.setattr(models, "load", lambda candidate: predictor)
    evaluation, sheets = judged([one], test, tmp_path)
    p50 = evaluation.estimates["one"]["latency_p50_s"]
    assert (p50.value is not None) == known
    if known:
        assert 2.0 < p50.value < 3.0
    assert sheets["one"].timings.throughput_per_s is None


# ------------------------------------------------------------------------- compare


def test_measured_published_and_assumed_stand_side_by_side(tmp_path):
    test = dataset(200)
    good = recorded(tmp_path, "good", test, wrong(test, *range(10)))
    fair = recorded(tmp_path, "fair", test, wrong(test, *range(40)))
    config = EvaluateConfig(reference="good", draws=500)
    evaluation, sheets = judged([good, fair, PAPER, ASSUMED], test, tmp_path, config)
    kinds = {name: e["accuracy"].kind for name, e in evaluation.estimates.items()}
    assert kinds == {"good": "measured", "fair": "measured", "paper": "published", "guess": "assumed"}
    assert evaluation.estimates["good"]["accuracy"].value == 0.95
    assert evaluation.estimates["good"]["accuracy"].method == "Wilson score"
    gap = evaluation.differences
    assert set(gap) == {"fair", "paper", "guess"}
    assert gap["fair"].estimate.value == pytest.approx(-0.15)
    assert gap["fair"].p_corrected < 0.001
    assert gap["paper"].estimate.kind == "published"
    assert gap["guess"].estimate.kind == "assumed"
    assert gap["guess"].p_raw is None
    assert all(c.declared for c in evaluation.claims)
    assert all(c.p_corrected >= c.p_raw for c in evaluation.claims if c.p_raw is not None)
    assert len(evaluation.claims) == 4
    text = files.to_json(evaluation)
    assert files.from_json(Evaluation, text, where="x") == evaluation
    quality = evaluate.draw(config, [good, fair, PAPER, ASSUMED], sheets, test, draws=4000, rng=rng())
    assert quality.values.shape == (4000, 4, 2)
    assert quality.of("accuracy").mean(axis=0) == pytest.approx([0.95, 0.8, 0.93, 0.853], abs=0.01)
    assert np.isfinite(quality.values).all()
    assert quality.kinds["guess"] == "assumed"


def test_not_worse_is_claimed_only_with_enough_rows(tmp_path):
    test = dataset(600)
    good = recorded(tmp_path, "good", test, wrong(test, *range(30)))
    same = recorded(tmp_path, "same", test, wrong(test, 0, *range(2, 31)))
    bad = recorded(tmp_path, "bad", test, wrong(test, *range(60)))
    evaluation, _ = judged([good, same, bad], test, tmp_path)
    margins = {
        c.hypothesis.split(")")[0].removeprefix("accuracy("): c.p_corrected
        for c in evaluation.claims
        if c.margin is not None
    }
    assert evaluation.reference == "good"
    assert margins["same"] < 0.01
    assert margins["bad"] > 0.5
    assert not evaluation.claims[0].declared


def test_identical_candidates_cannot_be_told_apart(tmp_path):
    test = dataset(100)
    pair = [recorded(tmp_path, name, test, wrong(test, 1, 2)) for name in ("one", "two")]
    evaluation, _ = judged(pair, test, tmp_path)
    found = evaluation.differences["two"]
    assert found.estimate.value == 0.0
    assert found.estimate.low < 0 < found.estimate.high
    assert found.p_raw == 1.0


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("right", [True, False])
def test_hardly_any_rows_give_honest_estimates(tmp_path, n, right):
    test = dataset(n)
    answers = test.targets if right else ["elsewhere"] * n
    pair = [recorded(tmp_path, name, test, answers) for name in ("one", "two")]
    evaluation, sheets = judged(pair, test, tmp_path)
    found = evaluation.estimates["one"]
    assert found["accuracy"].value == float(right)
    assert found["accuracy"].high - found["accuracy"].low > 0.5
    assert 0 <= found["macro_f1"].low <= found["macro_f1"].value <= found["macro_f1"].high <= 1
    assert (evaluation.differences["two"].estimate.value is None) == (n < 2)
    assert np.isfinite(evaluate.draw(CONFIG, pair, sheets, test, draws=50, rng=rng()).values).all()


def test_no_rows_are_refused(tmp_path):
    with pytest.raises(DataError, match="empty"):
        judged([], dataset(0), tmp_path)
    with pytest.raises(DataError, match="empty"):
        evaluate.draw(CONFIG, [], {}, dataset(0), draws=5, rng=rng())


def test_one_cluster_is_undefined_with_a_reason(tmp_path):
    test = dataset(12, each=12)
    evaluation, _ = judged([recorded(tmp_path, "one", test, test.targets)], test, tmp_path)
    assert "one cluster" in evaluation.estimates["one"]["accuracy"].undefined
    assert evaluation.clusters == 1


def test_clusters_widen_and_few_of_them_are_noted(tmp_path):
    test = dataset(200, each=10)
    errors = [i for i in range(200) if (i // 10) % 5 == 0]
    evaluation, _ = judged([recorded(tmp_path, "one", test, wrong(test, *errors))], test, tmp_path)
    found = evaluation.estimates["one"]["accuracy"]
    assert found.clusters == 20
    assert "CR1" in found.method
    assert found.high - found.low > 0.3
    assert any("20 groups" in note.words("en") for note in evaluation.notes)


def test_notes_speak_both_languages(tmp_path):
    test = dataset(40, each=2)
    one = recorded(tmp_path, "one", test, [None, *test.targets[1:]])
    _, sheets = judged([one], test, tmp_path)
    scores = evaluate.score(sheets, test)
    notes = evaluate.compare(CONFIG, [one], sheets, scores, test, rng=rng()).notes
    assert len(notes) == 3
    assert any("20 grupos" in note.words("es") for note in notes)
    assert any("Only 20 groups" in note.words("en") for note in notes)


def test_missing_answers_are_counted_not_scored(tmp_path):
    test = dataset(100)
    answers = [None if i < 20 else a for i, a in enumerate(wrong(test, 50))]
    one, two = recorded(tmp_path, "one", test, answers), recorded(tmp_path, "two", test, test.targets)
    evaluation, sheets = judged([one, two], test, tmp_path)
    found = evaluation.estimates["one"]
    assert found["accuracy"].value == pytest.approx(79 / 80)
    assert found["accuracy"].n == 80
    assert found["answered"].value == 0.8
    assert evaluation.differences["two"].n == 80
    assert any(note.words("en").startswith("one: 20 of 100") for note in evaluation.notes)
    quality = evaluate.draw(CONFIG, [one, two], sheets, test, draws=4000, rng=rng())
    assert quality.of("accuracy").mean(axis=0)[0] == pytest.approx(0.79, abs=0.01)


def test_a_candidate_without_any_answer_is_undefined(tmp_path):
    test = dataset(10)
    mute, good = recorded(tmp_path, "mute", test, [None] * 10), recorded(tmp_path, "good", test, test.targets)
    evaluation, sheets = judged([good, mute, ASSUMED], test, tmp_path)
    assert evaluation.estimates["mute"]["accuracy"].value is None
    assert evaluation.differences["mute"].estimate.value is None
    assert evaluation.estimates["mute"]["calibration_error"].value is None
    assert evaluate.draw(CONFIG, [mute], sheets, test, draws=500, rng=rng()).of("accuracy").mean() < 0.1


def test_slices_recall_and_worst(tmp_path):
    test = dataset(60)
    one = recorded(tmp_path, "one", test, wrong(test, 0, 2, 4, 6))
    two = recorded(tmp_path, "two", test, wrong(test, 2))
    evaluation, _ = judged([one, two], test, tmp_path)
    slices = {(s.value, s.candidate): s.estimate for s in evaluation.slices}
    assert {s.column for s in evaluation.slices} == {"language"}
    assert slices["en", "one"].value == 1.0
    assert slices["es", "one"].value == pytest.approx(26 / 30)
    assert slices["es", "one"].n == 30
    assert evaluation.worst[0].example == "r2"
    assert set(evaluation.worst[0].answers) == {"one", "two"}
    assert len(evaluation.worst) == 4
    assert evaluation.recall["one"]["a"].value == pytest.approx(18 / 20)
    assert evaluation.recall["one"]["a"].n == 20


def test_the_reference_is_chosen_and_checked(tmp_path):
    test = dataset(10)
    linear = Candidate(
        name="words", technique="linear", artifact=recorded(tmp_path, "words", test, test.targets).artifact
    )
    rented = recorded(tmp_path, "rented", test, test.targets)
    from sazon.evaluate.comparison import choose_reference

    def by_name(*candidates):
        return {c.name: c for c in candidates}

    assert choose_reference(CONFIG, by_name(linear, rented, PAPER)) == "rented"
    assert choose_reference(CONFIG, by_name(PAPER, linear)) == "words"
    assert choose_reference(CONFIG, by_name(PAPER)) == "paper"
    with pytest.raises(RecipeError, match="unknown candidate"):
        choose_reference(EvaluateConfig(reference="x"), by_name(linear))
    with pytest.raises(RecipeError):
        choose_reference(CONFIG, {})


def test_only_assumed_candidates_can_be_compared_too(tmp_path):
    evaluation, _ = judged([ASSUMED, PAPER], dataset(10), tmp_path)
    assert evaluation.reference == "guess"
    assert evaluation.differences["paper"].estimate.kind == "assumed"


def test_the_same_stream_gives_the_same_numbers(tmp_path):
    test = dataset(60, each=2)
    pair = [recorded(tmp_path, n, test, wrong(test, *e)) for n, e in (("one", (1,)), ("two", (1, 2, 3)))]
    first, sheets = judged(pair, test, tmp_path)
    scores = evaluate.score(sheets, test)
    assert evaluate.compare(CONFIG, pair, sheets, scores, test, rng=rng()) == first


def test_costs_per_class_reach_the_draws(tmp_path):
    test = dataset(90)
    one = recorded(tmp_path, "one", test, wrong(test, 0, 3, 6))
    _, sheets = judged([one], test, tmp_path)
    quality = evaluate.draw(
        CONFIG, [one, PAPER], sheets, test, draws=4000, rng=rng(), error_weights={"a": 10.0}
    )
    assert quality.metrics == ("accuracy", "macro_f1", "weighted_error")
    assert quality.of("weighted_error").mean(axis=0) == pytest.approx([30 / 90, 0.07 * 4], abs=0.05)
