"""One recipe with every kind of candidate: trained, live, published, assumed, cascade and panel."""

from __future__ import annotations

import csv
import json

import pytest

from sazon import models, pipeline, recipe
from sazon.core.types import Candidate
from sazon.testing.fake_provider import FakeProvider

RECIPE = """\
name: every kind
data:
  train: {path: small.csv}
  input: text
  target: intent
  group: customer
  site: branch
  language: language
  public: true
providers:
  frontier: {base_url: "%s", model: big-1, key: "env:LIVE_KEY", price: {
    input_per_mtok: 100, output_per_mtok: 100, currency: EUR, as_of: 2026-01-31, source: test}}
candidates:
  floor: {technique: majority}
  linear: {technique: linear}
  frontier: {technique: api, provider: frontier, live: true}
  rumour: {technique: api, provider: frontier, published: {k: 170, n: 200, source: "somebody's paper"}}
  large: {technique: host, model: llama-3.3-70b, assumed: {accuracy: {p10: 0.7, p90: 0.9}}}
  hybrid: {technique: cascade, local: linear, cloud: frontier, harm: 0.25}
  panel: {technique: panel, members: [linear, frontier, floor]}
evaluate:
  reference: frontier
  margin: 0.05
  slices: [language, length]
  fairness: [language]
  claims: [{better: panel, than: floor}]
  robustness: {changes: [upper_case], rows: 20}
economics: {worlds: 500, value_of_error: {p10: 0.2, p90: 2.0}}
"""


@pytest.fixture
def path(small_csv, monkeypatch):
    """The recipe, its live candidate answered once by a provider that is right nine times of ten."""
    monkeypatch.setenv("LIVE_KEY", "sk-canary-77")
    with small_csv.open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["intent"]) for row in csv.DictReader(file)]
    known = {text: intent for i, (text, intent) in enumerate(rows) if i % 10}

    def answer(asked: str) -> str:
        return next((intent for text, intent in known.items() if text in asked), rows[0][1])

    path = small_csv.with_name("recipe.yaml")
    with FakeProvider(answer) as provider:
        path.write_text(RECIPE % provider.url, "utf-8")
        pipeline.record_candidates(recipe.read(path), ["frontier"], ask=lambda words: True, spend=99.0)
    return path


def test_every_kind_of_candidate_is_compared_priced_and_reported(path):
    outcome = pipeline.run(path, out=path.with_name("run"), offline=True)
    made = {c.name: c for c in outcome.candidates}
    found = outcome.evaluation
    assert list(found.estimates) == list(made)
    kinds = {name: of["accuracy"].kind for name, of in found.estimates.items()}
    assert kinds["rumour"] == "published"
    assert kinds["large"] == "assumed"
    assert {kinds[n] for n in ("floor", "linear", "frontier", "hybrid", "panel")} == {"measured"}

    _panel(made["panel"], found.estimates["panel"], found.estimates["frontier"])
    assert made["hybrid"].certificate.models.keys() == {"linear", "frontier"}
    assert set(made["hybrid"].certificate.models.values()) == {
        made[n].artifact.digest for n in ("linear", "frontier")
    }
    shaken = {r.candidate: r for r in found.robustness}
    assert shaken["linear"].drop.value is not None
    assert shaken["panel"].drop.value is None  # one of its members cannot be asked again

    # The panel pays its members; the pages an expert looks for are filled.
    used = sum(outcome.costs.parts[part].mean(axis=0) for part in ("fixed", "use"))
    costs = dict(zip(outcome.costs.candidates, used, strict=True))
    assert costs["panel"] > costs["frontier"] > 0
    assert any(c.declared and "panel" in c.hypothesis and c.p_raw is not None for c in found.claims)
    assert found.slices
    assert found.overlap
    assert found.reliability
    assert found.fairness
    assert outcome.decision is not None
    told = (path.with_name("run") / "report" / "report.html").read_text("utf-8")
    assert "panel" in told
    assert "sk-canary-77" not in told
    claims = json.loads((path.with_name("run") / "evaluate" / "claims.json").read_text("utf-8"))
    assert {"hypothesis", "test", "n", "clusters", "p_raw", "p_corrected", "declared"} <= set(claims[0])


def _panel(panel: Candidate, mine, frontier):
    assert panel.placement == "cloud"  # every request reaches the provider
    assert panel.providers == ("frontier",)
    assert panel.facts["rule"] == "vote"
    assert 0 < mine["disagreement"].value <= 1
    assert mine["gain_on_best_member"].n == frontier["accuracy"].n
    assert mine["money_per_1000_answers"].value == pytest.approx(frontier["money_per_1000_answers"].value)
    assert mine["money_per_1000_answers"].unit.startswith("EUR")
    assert models.load(panel).classes
