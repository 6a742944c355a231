"""Economics where nothing was measured: enough is assumed, or it is said what is missing."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from sazon import pipeline, recipe
from sazon.cli.main import app
from sazon.core.errors import RecipeError
from sazon.core.types import Candidate
from sazon.evaluate.quality import draw_claimed

HEAD = """name: on paper
providers:
  frontier: {base_url: "https://models.example.org/v1", model: big-1, price: {
    input_per_mtok: 2, output_per_mtok: 8, currency: EUR, as_of: 2026-01-31, source: test}}
economics: {worlds: 300, tokens_in: {p10: 300, p90: 900}, tokens_out: {p10: 20, p90: 80}}
"""
CANDIDATES = """candidates:
  frontier: {technique: api, provider: frontier, published: {k: 930, n: 1000, source: a paper}}
  hosted: {technique: host, model: llama-3.3-70b, assumed: {accuracy: {p10: 0.86, p90: 0.94}}}
  tuned:
    technique: linear
    assumed:
      accuracy: {p10: 0.8, p90: 0.9}
      requests_per_second: {p10: 20, p90: 200, source: timed elsewhere}
  both:
    technique: cascade
    local: tuned
    cloud: frontier
    assumed: {accuracy: {p10: 0.88, p90: 0.94}, passed_on: {p10: 0.1, p90: 0.3}}
"""
DATA = "data: {train: {path: rows.csv}, input: text, target: label}\n"


def written(folder, text=HEAD + CANDIDATES):
    (folder / "recipe.yaml").write_text(text, "utf-8")
    return folder / "recipe.yaml"


def priced(folder, text=HEAD + CANDIDATES, **options):
    options = {"out": folder / "run", "offline": True, "until": "economics", **options}
    return pipeline.run(written(folder, text), **options)


@pytest.mark.parametrize("data", ["", DATA])
def test_every_candidate_is_priced_without_data(tmp_path, data):
    outcome = priced(tmp_path, HEAD + data + CANDIDATES)
    assert outcome.without_data
    assert outcome.costs.candidates == ("frontier", "hosted", "tuned", "both")
    assert [c.kind for c in outcome.candidates] == ["published", "assumed", "assumed", "assumed"]
    assert all(s["total"].value > 0 for s in outcome.costs.summary.values())
    [note] = outcome.findings
    assert ("rows.csv" in note.what) == bool(data)
    rows = {r["name"]: r for r in outcome.costs.inputs}
    assert rows["seconds_per_request.tuned"]["kind"] == "assumed"
    assert "timed elsewhere" in rows["seconds_per_request.tuned"]["source"]
    assert rows["seconds_per_request.tuned"]["low"] == pytest.approx(1 / 200)
    assert rows["seconds_per_request.tuned"]["high"] == pytest.approx(1 / 20)
    assert rows["cloud_share.both"]["low"] == pytest.approx(0.1, rel=0.1)
    assert rows["cloud_share.both"]["high"] == pytest.approx(0.3, rel=0.1)


def test_what_is_not_said_is_asked_for_all_at_once(tmp_path):
    text = HEAD.replace("tokens_in: {p10: 300, p90: 900}, tokens_out: {p10: 20, p90: 80}", "months: 12")
    text = text.replace("months: 12", "error_costs: {refund: 2.0}")
    with pytest.raises(RecipeError) as caught:
        priced(tmp_path, text + DATA + CANDIDATES + "  floor: {technique: majority}\n")
    told = {p.where: f"{p.what} {p.mend}" for p in caught.value.problems}
    assert set(told) == {"candidates.floor", "economics.tokens_in", "economics.error_costs"}
    assert "rows.csv" in told["candidates.floor"]
    assert "requests_per_second" in told["candidates.floor"]
    assert "tokens_in: {p10" in told["economics.tokens_in"]
    assert "tokens_out: {p10" in told["economics.tokens_in"]


@pytest.mark.parametrize(
    ("assumed", "said"),
    [
        ("{accuracy: {p10: 0.8, p90: 0.9}}", "requests_per_second"),
        ("{accuracy: {p10: 0.8, p90: 0.9}, requests_per_second: 20}", "where the figure comes from"),
        ("{accuracy: {p10: 0.8, p90: 0.9}, requests_per_second: {value: 0, source: x}}", "above 0"),
        ("{accuracy: {p10: 0.9, p90: 0.8}, requests_per_second: {value: 1, source: x}}", "is above p90"),
        ("{accuracy: 0.8, requests_per_second: {value: 1, source: x}}", "accuracy"),
        ("{acuracy: {p10: 0.8, p90: 0.9}}", "acuracy"),
    ],
)
def test_a_wrong_assumption_is_refused_with_its_place(assumed, said):
    text = HEAD + f"candidates:\n  tuned: {{technique: linear, assumed: {assumed}}}\n"
    with pytest.raises(RecipeError) as caught:
        recipe.parse(text)
    told = " ".join(f"{p.where} {p.what} {p.mend}" for p in caught.value.problems)
    assert said in told
    assert "candidates.tuned.assumed" in told
    assert "recipe.yaml:" in told


@pytest.mark.parametrize("stage", ["adapt", "evaluate", "decide", "report"])
def test_all_else_needs_data(tmp_path, stage):
    with pytest.raises(RecipeError, match="only `sazon economics` works"):
        priced(tmp_path, until=stage)


def test_one_more_candidate_shifts_nobody(tmp_path):
    more = CANDIDATES.replace("  tuned:", "  other: {technique: api, provider: frontier, assumed: {"
                              "accuracy: {p10: 0.5, p90: 0.6}}}\n  tuned:")  # fmt: skip
    few = priced(tmp_path, out=tmp_path / "few").costs
    many = priced(tmp_path, HEAD + more, out=tmp_path / "many").costs
    for name in few.candidates:
        one, other = few.candidates.index(name), many.candidates.index(name)
        assert np.array_equal(few.values[:, one], many.values[:, other])


def test_the_run_can_be_asked_again_under_other_economics(tmp_path):
    priced(tmp_path)
    wanted = pipeline.recipe_of(tmp_path / "run")
    as_is, more = pipeline.what_if(
        wanted, ["demand.requests_per_day=100000"], out=tmp_path / "run", offline=True
    )
    first = pipeline.run(wanted, out=tmp_path / "run", offline=True, until="economics")
    assert np.array_equal(as_is.costs.values, first.costs.values)
    assert (more.costs.values > as_is.costs.values).mean() > 0.9
    tokens = pipeline.what_if(wanted, ["tokens_in=1"], out=tmp_path / "run", offline=True)[1].costs
    assert (tokens.values <= as_is.costs.values).all()


def test_data_that_is_there_is_measured(tmp_path):
    labels = [("hours", "refund")[i % 2] for i in range(80)]
    lines = [f"message {i} about {label},{label}" for i, label in enumerate(labels)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *lines]) + "\n", "utf-8")
    text = HEAD + DATA + CANDIDATES.split("  both:")[0]
    outcome = priced(tmp_path, text)
    assert not outcome.without_data
    assert {c.name: c.kind for c in outcome.candidates}["tuned"] == "measured"
    assert not any("timed elsewhere" in str(r["source"]) for r in outcome.costs.inputs)


def test_the_command_shows_what_it_stands_on(tmp_path):
    path, env = written(tmp_path), {"COLUMNS": "200"}
    words = ["economics", str(path), "--out", str(tmp_path / "run"), "--offline"]
    shown = CliRunner().invoke(app, words, env=env)
    assert shown.exit_code == 0, shown.output
    assert "tuned (A)" in shown.stdout
    assert "frontier (P)" in shown.stdout
    assert "nothing was measured" in shown.stdout
    spanish = CliRunner().invoke(app, [*words, "--set", "report.language=es"], env=env)
    assert "nada se midió" in spanish.stdout
    data = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert data["costs"]["without_data"] is True
    assert data["costs"]["summary"]["tuned"]["p_cheapest"]["kind"] == "assumed"
    assert any(r["source"] == "a paper" or "timed" in str(r["source"]) for r in data["costs"]["inputs"])
    swept = CliRunner().invoke(app, [*words, "--what-if", "demand.requests_per_day=1000,50000"], env=env)
    assert swept.exit_code == 0, swept.output
    assert swept.stdout.count("hosted") == 3
    looked = CliRunner().invoke(app, ["check", str(path)])
    assert "sazon economics" in looked.stdout


def test_no_heavy_package_is_imported(tmp_path):
    path = written(tmp_path)
    code = (
        "import sys\nfrom pathlib import Path\nfrom sazon import pipeline\n"
        f"recipe, out = Path({str(path)!r}), Path({str(tmp_path / 'run')!r})\n"
        "pipeline.run(recipe, out=out, offline=True, until='economics')\n"
        "assert not {'torch', 'transformers', 'sklearn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_model_on_two_machines_is_as_accurate_on_one_as_on_the_other():
    def host(name, tenure, **claim):
        facts = {"accuracy_p10": 0.8, "accuracy_p90": 0.9, "tenure": tenure} | claim
        return Candidate(name=name, technique="host", kind="assumed", base="llama-3.3-70b", facts=facts)

    rented, bought = host("rented", "rent"), host("bought", "buy")
    surer = host("surer", "buy", accuracy_p10=0.85)
    api = Candidate(name="api", technique="api", kind="assumed", facts=dict(rented.facts))
    candidates = [rented, bought, surer, api]
    rngs = {c.name: np.random.default_rng(i) for i, c in enumerate(candidates)}
    drawn = draw_claimed(candidates, draws=500, rngs=rngs).of("accuracy")
    assert np.array_equal(drawn[:, 0], drawn[:, 1])
    assert all(abs(np.corrcoef(drawn[:, 0], drawn[:, j])[0, 1]) < 0.2 for j in (2, 3))
