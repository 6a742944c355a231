"""The technique as the pipeline calls it: what it makes, tells and refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from sazon.core import digest, files
from sazon.core.errors import DataError, PluginError, RecipeError
from sazon.core.words import catalogue
from sazon.federate.config import FederateConfig
from sazon.federate.technique import Federate, FederateOptions
from sazon.models import load


def test_makes_a_candidate_that_answers_and_is_compared(adapt, training_data):
    data_sites = ("centro", "marina", "valle")
    candidate = adapt(training_data(dict(zip(data_sites, (18, 9, 6), strict=True))), rounds=8)
    assert (candidate.technique, candidate.parents, candidate.base) == ("federate", ("probe",), "tiny@1")
    assert candidate.placement == "local"
    assert candidate.artifact.digest == digest.of_folder(candidate.artifact.path)
    assert load(candidate).predict(["invoice money card"]).labels == ("pay",)
    accuracy = candidate.validation["accuracy"]
    assert accuracy.n == 18
    assert accuracy.low < accuracy.value <= accuracy.high
    found = candidate.validation
    everywhere = ["accuracy", "pooled", *(f"alone.{s}" for s in data_sites)]
    assert all(found[name].n == 18 for name in everywhere)
    assert found["difference_to_pooled"].value == pytest.approx(
        found["accuracy"].value - found["pooled"].value
    )
    for name in ("own", "pooled_own", "alone_own"):
        assert found[f"{name}.valle"].n == 6
    facts = candidate.facts
    assert (facts["rows.centro"], facts["validation_rows.centro"], facts["labels.centro"]) == (18, 6, 3)
    assert (facts["rounds"], facts["rounds_in_all"], facts["sites"], facts["protected"]) == (
        8,
        16,
        3,
        False,
    )
    assert facts["communicated_bytes"] > 0
    assert "not protected" in candidate.notes[0].words("en")
    assert "only weights" in candidate.notes[1].words("en")


def test_full_batch_federation_ties_with_pooled_training(adapt, training_data):
    """One gradient step a round is pooled gradient descent, so the paired difference is nil."""
    candidate = adapt(training_data({"a": 15, "b": 3}), rounds=5)
    gap = candidate.validation["difference_to_pooled"]
    assert gap.value == 0.0
    assert gap.low < 0 < gap.high
    record = json.loads((candidate.artifact.path / "federation.json").read_text())
    assert record["estimates"]["difference_to_pooled"]["n"] == 12
    assert record["estimates"]["own.b"]["n"] == 6


def test_a_row_is_only_seen_at_its_own_site(adapt, training_data, seen):
    candidate = adapt(training_data({"a": 6, "b": 6}), rounds=2, compare=False)
    assert len(seen()) == 8  # two sites, two rounds, measured and refitted
    assert all(len(sites) == 1 for sites in seen())
    assert set(candidate.validation) == {"accuracy", "own.a", "own.b"}


def test_records_every_round_and_keeps_the_last(adapt, training_data):
    data = training_data({"a": 12, "b": 9})
    candidate = adapt(data, rounds=4, refit=False)
    record = json.loads((candidate.artifact.path / "federation.json").read_text())
    assert [r["round"] for r in record["rounds"]] == [0, 1, 2, 3, 4]
    assert record["rounds"][-1]["validation_accuracy"] == candidate.validation["accuracy"].value
    assert record["sites"][0] == {"name": "a", "rows": 12, "validation_rows": 6, "labels": 3}
    answers = load(candidate).predict(data.validation.inputs).labels
    right = np.mean([a == t for a, t in zip(answers, data.validation.targets, strict=True)])
    assert right == candidate.validation["accuracy"].value
    assert candidate.training.rows == 21


def test_refit_adds_validation_rows_after_measuring(adapt, training_data):
    data = training_data({"a": 6, "b": 6})
    without = adapt(data, folder="without", refit=False)
    refitted = adapt(data, folder="refitted")
    assert refitted.training.rows == 24
    assert refitted.validation == without.validation
    merged = replace(data, fit=replace(data.fit, examples=data.fit.examples + data.validation.examples))
    at_once = adapt(merged, folder="at_once", refit=False)
    assert weights(refitted) == weights(at_once) != weights(without)
    assert refitted.facts["communicated_bytes"] == 2 * without.facts["communicated_bytes"]


def weights(candidate):
    with np.load(candidate.artifact.path / "toy.npz") as stored:
        return stored["weight"].tolist()


def test_same_seed_same_digest(adapt, training_data):
    data = training_data({"a": 6, "b": 4})
    noisy = '{"noise": 0.1}'
    one, two, other = (
        adapt(data, folder=f"f{i}", seed=seed, parent_options=noisy, rounds=2)
        for i, seed in enumerate((0, 0, 1))
    )
    assert one.artifact.digest == two.artifact.digest != other.artifact.digest


def test_measures_by_saving_where_a_technique_cannot_answer_from_a_state(adapt, training_data, tmp_path):
    data = training_data({"a": 6, "b": 4})
    saved = adapt(data, technique="toy", folder="saved", rounds=2)
    direct = adapt(data, folder="direct", rounds=2)
    assert saved.validation == direct.validation
    assert weights(saved) == weights(direct)
    (last,) = json.loads((saved.artifact.path / "federation.json").read_text())["rounds"]
    assert last == json.loads((direct.artifact.path / "federation.json").read_text())["rounds"][-1]
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_the_candidate_survives_being_written_and_read(adapt, training_data, tmp_path):
    candidate = adapt(training_data({"a": 6, "b.ñ": 4}, {"a": 2}), folder="artifact", rounds=1)
    files.write_candidate(candidate, tmp_path)
    assert files.read_candidate(tmp_path) == candidate


def test_progress_adds_up(adapt, training_data):
    events = []
    adapt(training_data({"a": 6, "b": 4}), rounds=3, emit=events.append)
    steps = [e.done for e in events]
    assert steps == list(range(1, len(steps) + 1))
    assert {e.total for e in events} == {len(steps)}
    assert {e.stage for e in events} == {"federate.together"}


# ------------------------------------------------------------------------ odd sites


def test_odd_names_a_single_row_and_a_label_at_one_site_only(adapt, training_data):
    odd = "../Ñandú .\n{x}"
    data = training_data({odd: 1, "b.c": 9}, {odd: 0, "b.c": 6})
    candidate = adapt(data, rounds=2)
    assert candidate.facts[f"rows.{odd}"] == 1
    assert candidate.facts[f"labels.{odd}"] == 1
    assert candidate.validation[f"own.{odd}"].value is None
    assert candidate.validation[f"alone.{odd}"].n == 6
    record = json.loads((candidate.artifact.path / "federation.json").read_text())
    assert record["sites"][0]["name"] == odd
    assert record["estimates"][f"own.{odd}"]["value"] is None
    assert record["estimates"]["own.b.c"]["n"] == 6


def test_validation_rows_of_a_site_without_training_rows_are_told(adapt, training_data):
    candidate = adapt(training_data({"a": 6, "b": 6}, {"a": 3, "c": 4}), rounds=1)
    assert candidate.validation["accuracy"].n == 7
    assert "4 validation rows" in candidate.notes[-1].words("en")
    assert candidate.training.rows == 15


def test_no_validation_rows_is_undefined_and_never_zero(adapt, training_data):
    candidate = adapt(training_data({"a": 6, "b": 6}, {}), rounds=1)
    assert candidate.validation["accuracy"].undefined
    assert candidate.validation["accuracy"].value is None
    assert candidate.validation["difference_to_pooled"].value is None
    assert candidate.facts["refit"] is False


# ------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        ({"only": 6}, r"needs 2 sites with rows to train on, and there are 1 \('only'\)"),
        ({"a": 6, None: 3, "b": 6}, r"9 of 33 training rows do not say .* Fill in the site"),
        ({"a": 6, "  ": 1}, r"7 of 19 training rows do not say"),
        ({None: 6}, r"12 of 12 training rows do not say .* data\.site"),
        ({}, "there are 0"),
    ],
)
def test_refuses_sites_that_cannot_federate(adapt, training_data, fit, message):
    with pytest.raises(DataError, match=message) as refused:
        adapt(training_data(fit))
    assert refused.value.where == "candidates.together"


def test_refuses_more_sites_wanted_than_there_are(adapt, training_data):
    with pytest.raises(DataError, match="needs 3 sites"):
        adapt(training_data({"a": 3, "b": 3}), min_sites=3)


def test_refuses_a_technique_without_a_local_step(adapt, training_data):
    with pytest.raises(RecipeError, match="no local step") as refused:
        adapt(training_data({"a": 3, "b": 3}), technique="untrainable")
    assert refused.value.where == "candidates.together.of"


def test_refuses_a_parent_without_options_or_no_parent(adapt, training_data):
    with pytest.raises(PluginError, match="does not carry its options"):
        adapt(training_data({"a": 3, "b": 3}), parent_options=None)
    with pytest.raises(RecipeError, match="no candidate 'absent'"):
        adapt(training_data({"a": 3, "b": 3}), folder="second", of="absent")


def test_a_diverging_site_leaves_no_predictor(adapt, training_data, tmp_path):
    with pytest.raises(DataError, match="diverged"):
        adapt(training_data({"a": 3, "b": 3}), parent_options='{"break_at": "b"}')
    assert not list((tmp_path / "together").iterdir())


# --------------------------------------------------------------------------- config


@pytest.mark.parametrize("options", [FederateConfig, lambda **k: FederateOptions(of="probe", **k)])
def test_secure_is_refused_until_it_is_built(options):
    assert options().secure is False
    with pytest.raises(ValidationError) as refused:
        options(secure=True)
    (problem,) = refused.value.errors()
    assert problem["loc"] == ("secure",)
    assert problem["msg"] == "secure sums are not built yet"
    assert problem["ctx"]["mend"] == "Set secure: false to train with unprotected updates."


def test_every_default_of_the_section_is_an_option_of_the_candidate():
    assert FederateConfig.model_fields.keys() < FederateOptions.model_fields.keys()
    assert Federate().parents(FederateOptions(of="probe")) == ("probe",)
    for wrong in ({"rounds": 0}, {"fraction": 0.0}, {"fraction": 1.1}, {"min_sites": 1}, {"local_steps": 0}):
        with pytest.raises(ValidationError):
            FederateConfig.model_validate(wrong)


def test_notes_exist_in_both_languages_with_the_same_values():
    import string

    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    en, es = catalogue("sazon.federate", "en"), catalogue("sazon.federate", "es")
    assert en.keys() == es.keys()
    assert {k: fields(v) for k, v in en.items()} == {k: fields(v) for k, v in es.items()}
