"""Other economics for a finished run: paired with the run itself, and nothing made anew."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from sazon import pipeline
from sazon.cli.main import app
from sazon.core.errors import RecipeError
from sazon.pipeline.what_if import spread_out

RECIPE = """name: what if
data:
  train: {path: rows.csv}
  input: text
  target: label
  public: true
providers:
  frontier: {base_url: "https://models.example.org/v1", model: big-1, price: {
    input_per_mtok: 2, output_per_mtok: 8, currency: EUR, as_of: 2026-01-31, source: test}}
candidates:
  linear: {technique: linear}
  frontier: {technique: api, provider: frontier, assumed: {accuracy: {p10: 0.9, p90: 0.97}}}
economics: {worlds: 300}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("what-if")
    lines = [
        f"message {i} about {('hours', 'refund')[i % 2]},{('hours', 'refund')[i % 2]}" for i in range(80)
    ]
    (folder / "rows.csv").write_text("\n".join(["text,label", *lines]) + "\n", "utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, "utf-8")
    pipeline.run(folder / "recipe.yaml", out=folder / "run", offline=True, until="economics")
    return folder


@pytest.fixture
def run(made, tmp_path):
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy" / "run"


def totals(variant, name):
    return variant.costs.values[:, variant.costs.candidates.index(name)]


def test_the_first_line_is_the_run_itself_and_nothing_is_written_over(run):
    wanted = pipeline.recipe_of(run)
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*") if p.is_file() and p.parts[-2] == "economics"}
    as_is, twice = pipeline.what_if(wanted, ["demand.requests_per_day=100000"], out=run, offline=True)
    outcome = pipeline.run(wanted, out=run, offline=True, until="economics")
    assert np.array_equal(as_is.costs.values, outcome.costs.values)
    assert before == {p: p.stat().st_mtime_ns for p in before}
    assert (totals(twice, "frontier") > totals(as_is, "frontier")).mean() > 0.99


def test_worlds_are_shared_by_the_variants(run):
    wanted = pipeline.recipe_of(run)
    as_is, same, dearer = pipeline.what_if(
        wanted, ["months=36", "staff_rate_per_hour=500"], out=run, offline=True
    )
    assert np.array_equal(as_is.costs.values, same.costs.values)
    for name in ("linear", "frontier"):
        assert (totals(dearer, name) > totals(as_is, name)).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("demand.request_per_day=5", "requests_per_day"),
        ("demand.requests_per_day=-1", "requests_per_day"),
        ("months", "changes nothing"),
        ("=3", "changes nothing"),
        ("worlds=1000", "draws of quality"),
    ],
)
def test_a_change_that_is_none_is_refused(run, change, said):
    with pytest.raises(RecipeError) as caught:
        pipeline.what_if(pipeline.recipe_of(run), [change], out=run, offline=True)
    told = " ".join(f"{e.where} {e.what} {e.mend}" for e in [caught.value, *caught.value.problems])
    assert said in told


def test_the_command_prints_a_line_a_change(run):
    words = [
        "economics",
        str(run),
        "--offline",
        "--what-if",
        "demand.requests_per_day=100,{p10: 1e4, p90: 1e5}",
    ]
    shown = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert "demand.requests_per_day=100" in shown.stdout
    assert "demand.requests_per_day={p10: 1e4, p90: 1e5}" in shown.stdout
    assert shown.stdout.count("frontier") == 3
    data = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert data[0]["change"] == ""
    assert set(data[1]["candidates"]) == {"linear", "frontier"}
    assert data[1]["candidates"]["linear"]["total"]["kind"] == "assumed"


@given(st.lists(st.text(alphabet="abc123", min_size=1), min_size=1, max_size=5))
def test_a_sweep_is_as_many_changes_as_values(values):
    assert spread_out([f"demand.x={', '.join(values)}"]) == [f"demand.x={v}" for v in values]
    assert spread_out(["x={p10: 1, p90: 2},3"]) == ["x={p10: 1, p90: 2}", "x=3"]


def test_costs_of_an_error_by_class_leave_the_share_of_right_answers_alone(made, tmp_path):
    """With every class at weight 1 the money is that of no weights, right answers included."""
    plain, weighed = (
        pipeline.run(
            made / "recipe.yaml", out=tmp_path / name, offline=True, until="economics", overrides=overrides
        ).costs.summary["frontier"]
        for name, overrides in (
            ("plain", []),
            ("weighed", ["economics.error_costs={hours: 1.0, refund: 1.0}"]),
        )
    )
    for quantity in ("total", "per_1000_correct"):
        assert weighed[quantity].value == pytest.approx(plain[quantity].value, rel=1e-6)
