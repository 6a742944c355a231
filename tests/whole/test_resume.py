"""`kill -9` anywhere and start again: what was finished is kept, and the numbers are the same."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import sazon
from sazon.core import digest

TIMED = {
    *("latency_p50_s", "latency_p95_s", "latency_p99_s", "throughput_per_s"),
    *("energy_per_1000_answers", "energy_per_1000_correct"),
}


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def events_of(run: Path) -> list[dict]:
    """All events but one that a kill has torn: the next process starts a new line after it."""
    return [json.loads(x) for x in (run / "events.jsonl").read_text().splitlines() if x.endswith("}")]


def end_after(started, manifest: Path, count: int, number: int = signal.SIGKILL) -> int:
    """Send a signal as soon as the manifest has `count` lines; return the exit code."""
    end = time.monotonic() + 60
    while started.poll() is None and time.monotonic() < end:
        if manifest.is_file() and manifest.read_bytes().count(b"\n") >= count:
            started.send_signal(number)
            break
        time.sleep(0.005)
    return started.wait(30)


def measured(run: Path) -> dict:
    """All estimates of quality, without what was timed."""
    estimates = json.loads((run / "evaluate/estimates.json").read_text())["estimates"]
    return {name: {m: e for m, e in known.items() if m not in TIMED} for name, known in estimates.items()}


def untimed_scores(run: Path) -> pl.DataFrame:
    scores = pl.read_parquet(run / "evaluate/scores.parquet").drop("seconds")
    return scores.filter(pl.col("metric") != "latency_s")


def same_arrays(one: Path, other: Path) -> bool:
    with np.load(one) as a, np.load(other) as b:
        return set(a) == set(b) and all(np.array_equal(a[k], b[k], equal_nan=True) for k in a)


@pytest.mark.slow
def test_killed_after_every_stage_it_ends_where_an_uninterrupted_run_does(
    small_recipe: Path, finished: Path, process
) -> None:
    run, stages = small_recipe.with_name("run"), lines(finished / "manifest.jsonl")
    manifest = run / "manifest.jsonl"
    codes = []
    for count in range(1, len(stages)):
        if len(lines(manifest)) < count:
            codes.append(end_after(process("run", small_recipe, "--out", run), manifest, count))
        for entry in lines(manifest):
            assert digest.of_folder(run / entry["stage"]) == entry["output_digest"]
    assert set(codes[:3]) == {-signal.SIGKILL}
    kept, before = {e["stage"] for e in lines(manifest)}, len(events_of(run))
    last = process("run", small_recipe, "--out", run)
    _, err = last.communicate(timeout=120)
    assert last.returncode in (0, 4), err
    assert not list(run.rglob("*.partial"))
    assert sorted(e["stage"] for e in lines(manifest)) == sorted(e["stage"] for e in stages)
    events = events_of(run)[before:]
    skipped = {e["stage"] for e in events if e["kind"] == "skipped"}
    assert skipped == {stage.replace("/", ".") for stage in kept}
    assert err.count("kept") == len(kept)
    assert measured(run) == measured(finished)
    assert same_arrays(run / "evaluate/quality.npz", finished / "evaluate/quality.npz")
    assert untimed_scores(run).equals(untimed_scores(finished))


def test_ctrl_c_says_how_to_go_on(small_recipe: Path, process) -> None:
    run = small_recipe.with_name("run")
    started = process("run", small_recipe, "--out", run)
    assert end_after(started, run / "manifest.jsonl", 1, signal.SIGINT) == 130
    _, err = started.communicate(timeout=30)
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    assert not list(run.rglob("*.partial"))


def test_with_the_timings_kept_everything_after_them_comes_out_bit_for_bit(copied_run: Path) -> None:
    made = {
        name: (copied_run / name).read_bytes() for name in ("evaluate/estimates.json", "decide/decision.json")
    }
    shutil.copytree(copied_run / "economics", copied_run.with_name("economics before"))
    for stage in ("evaluate", "economics", "decide"):
        shutil.rmtree(copied_run / stage)
    sazon.run(copied_run.with_name("recipe.yaml"), out=copied_run, until="decide")
    assert {name: (copied_run / name).read_bytes() for name in made} == made
    for name in ("costs.npz", "costs.json"):
        before = copied_run.with_name("economics before") / name
        assert (
            same_arrays(copied_run / "economics" / name, before)
            if name.endswith("npz")
            else ((copied_run / "economics" / name).read_bytes() == before.read_bytes())
        )


def test_another_seed_gives_other_draws(small_recipe: Path, finished: Path) -> None:
    other = sazon.run(small_recipe, out=small_recipe.with_name("run"), overrides=["seed=1"], until="evaluate")
    assert not same_arrays(other.directory / "evaluate/quality.npz", finished / "evaluate/quality.npz")


def test_a_changed_recipe_redoes_only_what_depends_on_it(copied_run: Path) -> None:
    recipe, before = copied_run.with_name("recipe.yaml"), len(lines(copied_run / "manifest.jsonl"))
    sazon.run(recipe, out=copied_run, until="decide", overrides=["economics.months=12"])
    assert [e["stage"] for e in lines(copied_run / "manifest.jsonl")][before:] == ["economics", "decide"]


def test_a_run_that_was_moved_is_still_done(copied_run: Path) -> None:
    before = lines(copied_run / "manifest.jsonl")
    sazon.run(copied_run.with_name("recipe.yaml"), out=copied_run)
    assert lines(copied_run / "manifest.jsonl") == before


def test_changed_rows_redo_what_was_learnt_from_them(copied_run: Path) -> None:
    rows = copied_run.with_name("small.csv")
    rows.write_text(rows.read_text().replace("gracias", "muchas gracias"))
    before = len(lines(copied_run / "manifest.jsonl"))
    sazon.run(copied_run.with_name("recipe.yaml"), out=copied_run, until="adapt")
    assert "adapt/linear" in [e["stage"] for e in lines(copied_run / "manifest.jsonl")][before:]
