"""Suspects: planted errors are found, right labels mostly left alone, and nothing is dropped in secret."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sazon import pipeline
from sazon.adapt import suspects
from sazon.adapt.suspects import confident_class, expected_errors, normalised_margin
from sazon.core.types import Dataset, Example
from sazon.data.duplicates import equal_rows
from sazon.stats.clusters import Clustering
from sazon.testing.tiny import toy_task


def spoiled(*, rows: int = 180, wrong: int = 9) -> tuple[Dataset, set[str]]:
    """The toy task with the labels of the first rows moved on by one."""
    data = toy_task(rows=rows, split=rows)
    after = {label: data.labels[(i + 1) % 3] for i, label in enumerate(data.labels)}
    examples = [
        replace(e, target=after[e.target]) if i < wrong else e for i, e in enumerate(data.fit.examples)
    ]
    return replace(data.fit, examples=tuple(examples)), {e.id for e in examples[:wrong]}


def look(data: Dataset, tmp_path: Path, **more):
    return suspects.find(data, base=None, cache=tmp_path, rng=np.random.default_rng(0), **more)


def test_planted_errors_are_found_with_the_label_they_had(tmp_path):
    data, planted = spoiled()
    truth = {e.id: e.target for e in toy_task(rows=180, split=180).fit.examples}

    found = look(data, tmp_path)

    caught = [s for s in found.suspects if s.example in planted]
    assert len(caught) >= len(planted) - 1
    assert len(found.suspects) <= len(planted) + 5
    assert all(s.likelier == truth[s.example] for s in caught)
    margins = [s.margin for s in found.suspects]
    assert margins == sorted(margins)
    assert found.expected.low <= len(planted) <= found.expected.high


def test_the_interval_of_a_clean_task_reaches_down_to_nearly_nothing(tmp_path):
    found = look(spoiled(wrong=0)[0], tmp_path)

    assert len(found.suspects) <= 4
    assert found.expected.low <= 1
    assert found.accuracy.value > 0.95


def test_embeddings_of_a_base_stand_beside_the_words(base, tmp_path):
    data, planted = spoiled()

    found = suspects.find(data, base=base, cache=tmp_path, rng=np.random.default_rng(0))

    assert found.features == "tiny + TF-IDF"
    assert len(planted & {s.example for s in found.suspects}) >= len(planted) - 1


def test_the_same_seed_finds_the_same(tmp_path):
    data, _ = spoiled()
    assert look(data, tmp_path) == look(data, tmp_path)


def test_copies_of_a_text_do_not_vouch_for_each_other_across_folds(tmp_path):
    # Six copies of one wrongly labelled text, all in one group: no fold may learn them from another.
    data, _ = spoiled(wrong=0)
    text = next(e for e in data.examples if e.target == "card")
    wrong = [replace(text, id=f"copy{i}", target="refund", group="same") for i in range(6)]

    found = look(replace(data, examples=(*data.examples, *wrong)), tmp_path)

    assert {s.example for s in found.suspects} >= {e.id for e in wrong}
    assert found.copies == 5
    assert len(found.conflicting) == 1


def test_confident_class_against_a_table_counted_by_hand():
    # Thresholds: class 0: (0.9 + 0.3) / 2 = 0.6; class 1: (0.7 + 0.5) / 2 = 0.6.
    p = np.array([[0.9, 0.1], [0.3, 0.7], [0.3, 0.7], [0.5, 0.5]])
    given = np.array([0, 0, 1, 1])

    assert confident_class(p, given).tolist() == [0, 1, 1, -1]
    assert normalised_margin(p, given) == pytest.approx([0.8, -0.4, 0.4, 0.0])


def test_expected_errors_are_calibrated_to_the_label_counts():
    # Class 0: of 2 confident rows 1 belongs elsewhere, and it has 4 rows: 4 · ½ = 2 errors expected.
    p = np.array([[0.9, 0.1], [0.1, 0.9], [0.4, 0.6], [0.4, 0.6], [0.1, 0.9], [0.0, 1.0], [0.2, 0.8]])
    given = np.array([0, 0, 0, 0, 1, 1, 1])
    belongs = confident_class(p, given)
    assert belongs.tolist() == [0, 1, -1, -1, 1, 1, -1]

    found = expected_errors(p, given, Clustering.of([str(i) for i in range(7)]), rng=np.random.default_rng(0))

    assert found.value == pytest.approx(2.0)
    assert 0 <= found.low < found.value < found.high <= len(given)


def test_a_class_that_cannot_be_cross_validated_is_left_out_and_counted(tmp_path):
    data, planted = spoiled()
    lone = [Example(id=f"lone{i}", input="quite another thing", target="lone", group="g") for i in range(3)]

    found = look(replace(data, examples=(*data.examples, *lone)), tmp_path)

    assert (found.rows, found.left_out) == (len(data), 3)
    assert len({s.example for s in found.suspects} & planted) >= len(planted) - 1
    assert not {s.given for s in found.suspects} & {"lone"}


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([Example(id=f"r{i}", input="a b c", target="ab"[i % 2]) for i in range(6)], "too_few"),
        ([Example(id=f"r{i}", input="one two", target="ab"[i % 2], group="g") for i in range(40)], "too_few"),
        ([Example(id=f"r{i}", input="…", target="ab"[i % 2]) for i in range(40)], "no_words"),
    ],
)
def test_what_cannot_be_looked_at_says_why(rows, why, tmp_path):
    found = look(Dataset(name="x", split="fit", examples=tuple(rows)), tmp_path)

    assert found.skipped.key == f"note.suspects_{why}"
    assert found.suspects == ()
    assert found.expected.value is None
    assert len(found.conflicting) == 1


def test_dropping_leaves_every_class_a_row(tmp_path):
    data, _ = spoiled()
    found = look(data, tmp_path)
    everything = replace(
        found,
        suspects=tuple(replace(found.suspects[0], example=e.id, given=e.target) for e in data.examples),
    )

    gone = {e.id for e in data.examples} - {e.id for e in suspects.without(data, found).examples}
    assert gone == {s.example for s in found.suspects}
    assert suspects.without(data, everything).labels == data.labels


def test_equal_rows_ignore_case_spacing_and_unicode_form():
    assert equal_rows(["Hola  ﬁn", "otro", "hola fin", "HOLA FIN "]) == [[0, 2, 3]]


# -------------------------------------------------------------------------------- a run


@pytest.fixture
def recipe(tmp_path):
    """A recipe over spoiled rows; the planted ids are those whose text ends in `planted`."""
    data, _planted = spoiled(rows=240, wrong=12)
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((e.input, e.target) for e in data.examples)
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "name: toy\ndata: {train: {path: rows.csv}}\n"
        "candidates: {floor: {technique: majority}, linear: {technique: linear}}\n"
    )
    return path


def made(recipe: Path, name: str, *overrides: str) -> tuple[Path, dict]:
    out = recipe.parent / name
    pipeline.run(recipe, out=out, until="adapt", overrides=list(overrides))
    return out, json.loads((out / "suspects" / "suspects.json").read_text("utf-8"))


def test_a_run_writes_suspects_without_texts_and_trains_on_all_rows(recipe):
    out, found = made(recipe, "kept")
    splits = json.loads((out / "data" / "splits.json").read_text("utf-8"))
    candidate = json.loads((out / "adapt" / "linear" / "candidate.json").read_text("utf-8"))

    assert found["suspects"]
    assert {s["example"] for s in found["suspects"]} <= set(splits["fit"])
    assert "help" not in (out / "suspects" / "suspects.json").read_text("utf-8")
    assert candidate["training"]["rows"] == len(splits["fit"]) + len(splits["validation"])


def test_dropped_suspects_leave_the_fit_rows_alone_and_are_counted(recipe):
    out, found = made(recipe, "dropped", "adapt.drop_suspects=true")
    splits = json.loads((out / "data" / "splits.json").read_text("utf-8"))
    candidate = json.loads((out / "adapt" / "linear" / "candidate.json").read_text("utf-8"))

    assert found["dropped"] == len(found["suspects"]) > 0
    rows = len(splits["fit"]) + len(splits["validation"]) - found["dropped"]
    assert candidate["training"]["rows"] == rows


def test_the_report_says_how_many_were_dropped(recipe):
    out = recipe.parent / "reported"
    pipeline.run(recipe, out=out, overrides=["adapt.drop_suspects=true", "economics.worlds=200"])
    found = json.loads((out / "suspects" / "suspects.json").read_text("utf-8"))

    told = (out / "report" / "report.md").read_text("utf-8")

    assert "Labels worth a second look" in told
    assert f"{found['dropped']} of them were left out of training" in told
    # The data are not declared public: ids, never texts.
    assert found["suspects"][0]["example"][:12] in told


def test_without_scikit_learn_labels_are_not_looked_at_and_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("sazon.adapt.suspects.installed", lambda package: package != "sklearn")
    assert look(spoiled()[0], tmp_path).skipped.key == "note.suspects_uninstalled"
