"""The technique `panel`, and what is said of one beside its members."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from sazon import models
from sazon.core import digest, registry
from sazon.core.errors import DataError, RecipeError
from sazon.core.seams import Job
from sazon.core.types import Artifact, Candidate, Dataset, Example, Splits
from sazon.evaluate.graded import Graded
from sazon.evaluate.panel import PanelConfig, beside_members
from sazon.evaluate.scores import score
from sazon.evaluate.sheets import AnswerSheet, Timings
from sazon.models.majority import MajorityPredictor
from sazon.stats.clusters import Clustering

N = 400


def rows():
    examples = tuple(Example(id=f"r{i}", input=f"text {i}", target="a") for i in range(N))
    return Dataset(name="toy", split="test", examples=examples)


def parents(folder, *, places=("local", "cloud")):
    made = {}
    for name, place, classes in zip(("one", "two"), places, (("a", "b"), ("a", "z")), strict=True):
        MajorityPredictor(classes, np.array([0.6, 0.4])).save(folder / name)
        artifact = Artifact(path=folder / name, digest=digest.of_folder(folder / name))
        providers = ("frontier",) if place == "cloud" else ()
        made[name] = Candidate(
            name=name, technique="x", artifact=artifact, placement=place, providers=providers
        )
    return made


def make(folder, given, **options):
    directory = folder / "both"
    directory.mkdir()
    job = Job(name="both", directory=directory, cache=folder / "cache", rng=np.random.default_rng(0))
    test = rows()
    splits = Splits(fit=test, validation=test, trust=None, calibration=None, test=test)
    technique = registry.load("technique", "panel")()
    config = PanelConfig(members=["one", "two"], **options)
    assert technique.parents(config) == ("one", "two")
    return technique.make(config, splits=splits, parents=given, job=job)


def test_a_panel_is_written_and_read_back(tmp_path):
    made = make(tmp_path, parents(tmp_path))
    assert made.facts["rule"] == "vote"  # different classes cannot be averaged
    assert (made.placement, made.providers) == ("cloud", ("frontier",))
    assert made.parents == ("one", "two")
    assert models.load(made).predict(["x"]).labels == ("a",)


@pytest.mark.parametrize(
    ("places", "place"),
    [(("local", "local"), "local"), (("local", "hybrid"), "hybrid"), (("hybrid", "cloud"), "cloud")],
)
def test_it_is_where_its_farthest_member_is(tmp_path, places, place):
    assert make(tmp_path, parents(tmp_path, places=places)).placement == place


def test_bad_panels_are_refused(tmp_path):
    with pytest.raises(ValidationError):
        PanelConfig(members=["one"])
    with pytest.raises(ValidationError, match="twice"):
        PanelConfig(members=["one", "one"])
    given = parents(tmp_path)
    with pytest.raises(RecipeError, match="averaged"):
        make(tmp_path, given, rule="average")
    given["two"] = Candidate(name="two", technique="api", kind="published")
    (tmp_path / "both").rmdir()
    with pytest.raises(DataError, match="only published"):
        make(tmp_path, given)


def graded(wrong):
    test, none = rows(), np.full(N, np.nan)
    clustering, found = Clustering.of(test.groups), {}
    for name, bad in wrong.items():
        sheet = AnswerSheet(
            candidate=name,
            examples=tuple(test.ids),
            labels=tuple("b" if i in bad else "a" for i in range(N)),
            errors=(None,) * N,
            confidence=none,
            tokens=none,
            seconds=none,
            money=none,
            timings=Timings(),
        )
        candidate = Candidate(name=name, technique="x", artifact=Artifact(path=None, digest="d"))
        found[name] = Graded.of(candidate, sheet, score({name: sheet}, test), test, clustering)
    return found


def test_disagreement_and_gain_are_counted_on_the_same_rows():
    found = graded({"one": set(range(40)), "two": set(range(20, 80)), "both": set(range(20, 40))})
    both = Candidate(name="both", technique="panel", parents=("one", "two"))
    told = beside_members(both, found, level=0.95)
    assert told["disagreement"].value == pytest.approx(60 / N)
    assert told["gain_on_best_member"].value == pytest.approx(20 / N)
    assert told["gain_on_best_member"].low > 0
    assert beside_members(Candidate(name="one", technique="x"), found, level=0.95) == {}
