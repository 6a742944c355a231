"""Finished runs decided together from the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from sazon import pipeline
from sazon.cli.main import app

RECIPE = """name: NAME
providers:
  frontier: {base_url: "https://models.example.org/v1", model: big-1, price: {
    input_per_mtok: 2, output_per_mtok: 8, currency: EUR, as_of: 2026-01-31, source: test}}
candidates:
  frontier: {technique: api, provider: frontier, assumed: {accuracy: {p10: 0.9, p90: 0.95}}}
  tuned:
    technique: linear
    assumed:
      accuracy: {p10: 0.9, p90: 0.95}
      requests_per_second: {p10: 20, p90: 200, source: timed elsewhere}
economics: {worlds: 300, tokens_in: 500, tokens_out: 20, demand: {requests_per_day: 20000}}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sharing")
    for name in ("desk", "mail"):
        (folder / f"{name}.yaml").write_text(RECIPE.replace("NAME", name), "utf-8")
        pipeline.run(folder / f"{name}.yaml", out=folder / name, offline=True, until="economics")
    return folder


def sazon(*words):
    return CliRunner().invoke(app, ["decide", *map(str, words)], env={"COLUMNS": "200"})


def test_two_runs_are_decided_together(runs):
    found = pipeline.decide_together([runs / "desk", runs / "mail"])
    assert [t.name for t in found.tasks] == ["desk", "mail"]
    assert [t.choice_together for t in found.tasks] == ["tuned", "tuned"]
    assert found.saved.value > 0
    assert sum(t.together.value for t in found.tasks) == pytest.approx(found.together.value, rel=0.05)
    shown = sazon(runs / "desk", runs / "mail")
    assert shown.exit_code == 0, shown.output
    assert "Sharing changes no choice." in shown.stdout
    assert "Not shared" in shown.stdout
    data = json.loads(sazon(runs / "desk", runs / "mail", "--json").stdout)
    assert data["tasks"][0]["shares_with"] == ["mail"]


def test_what_cannot_be_decided_together_is_said(runs, tmp_path):
    twice = sazon(runs / "desk", runs / "desk")
    assert (twice.exit_code, "named twice" in twice.output) == (2, True)
    nothing = sazon(runs / "desk", tmp_path)
    assert (nothing.exit_code, "no run here" in nothing.output) == (3, True)
    changed = sazon(runs / "desk", runs / "mail", "--set", "seed=1")
    assert (changed.exit_code, "belong to one run" in changed.output) == (2, True)
    (runs / "other.yaml").write_text(RECIPE.replace("NAME", "other"), "utf-8")
    pipeline.run(
        runs / "other.yaml", out=runs / "other", offline=True, until="economics",
        overrides=["economics.months=12"],
    )  # fmt: skip
    apart = sazon(runs / "desk", runs / "other")
    assert (apart.exit_code, "economics.months of 'other'" in apart.output) == (2, True)
