"""The types that travel: invariants, and files that bring them back whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.core import digest, files
from sazon.core.errors import IntegrityError
from sazon.core.types import (
    Artifact,
    Candidate,
    Costs,
    Decision,
    Estimate,
    QualityDraws,
    Reason,
    TrainingCost,
)

numbers = st.floats(allow_nan=False, allow_infinity=False)


def test_an_estimate_is_a_value_or_a_reason() -> None:
    with pytest.raises(ValueError, match="value or a reason"):
        Estimate(value=None)
    with pytest.raises(ValueError, match="value or a reason"):
        Estimate(value=1.0, undefined="because")
    with pytest.raises(ValueError, match="never NaN"):
        Estimate(value=float("nan"))
    with pytest.raises(ValueError, match="above"):
        Estimate(value=1.0, low=2.0, high=1.0)
    assert Estimate.none("no rows").value is None


@given(numbers, st.sampled_from(["measured", "published", "assumed"]))
def test_an_estimate_survives_its_file(value: float, kind: str) -> None:
    estimate = Estimate(value=value, low=value, high=value, unit="EUR", method="exact", kind=kind)  # type: ignore[arg-type]
    assert files.from_json(Estimate, files.to_json(estimate), where="x") == estimate


def test_a_candidate_survives_a_move_of_its_run(tmp_path: Path) -> None:
    folder = tmp_path / "here" / "small"
    (folder / "artifact").mkdir(parents=True)
    (folder / "artifact" / "w").write_text("1")
    candidate = Candidate(
        name="small",
        technique="linear",
        artifact=Artifact(path=folder / "artifact", digest=digest.of_folder(folder / "artifact")),
        training=TrainingCost(seconds=1.0, rows=3),
        facts={"C": 3.0, "tuned": True, "why": None},
    )
    files.write_candidate(candidate, folder)
    (tmp_path / "here").rename(tmp_path / "there")
    moved = files.read_candidate(tmp_path / "there" / "small")
    assert moved.artifact is not None
    assert (moved.artifact.path / "w").is_file()
    assert moved.digest == candidate.digest
    assert moved.facts == candidate.facts


def test_draws_and_costs_survive_their_files(tmp_path: Path, rng: np.random.Generator) -> None:
    quality = QualityDraws(
        values=rng.random((4, 2, 1)), candidates=("a", "b"), metrics=("accuracy",),
        kinds={"a": "measured", "b": "assumed"},
    )  # fmt: skip
    files.write_quality(quality, tmp_path)
    back = files.read_quality(tmp_path)
    assert np.array_equal(back.values, quality.values)
    assert back.candidates == quality.candidates
    assert dict(back.kinds) == dict(quality.kinds)
    costs = Costs(
        values=rng.random((4, 2)), candidates=("a", "b"), currency="EUR", months=36,
        prices_as_of="2026-01-01", summary={"a": {"total": Estimate(value=1.0, unit="EUR")}},
        timeline={"a": ((1.0, 2.0, 3.0),)}, inputs=({"name": "demand", "value": 1.0},),
        parts={"use": rng.random((4, 2))}, drawn={"demand/day": rng.random(4)},
    )  # fmt: skip
    files.write_costs(costs, tmp_path)
    again = files.read_costs(tmp_path)
    assert np.array_equal(again.values, costs.values)
    assert again.summary == costs.summary
    assert again.timeline == costs.timeline
    assert np.array_equal(again.parts["use"], costs.parts["use"])
    assert np.array_equal(again.drawn["demand/day"], costs.drawn["demand/day"])


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    decision = Decision(
        status="undecided", choice=None, confidence=Estimate.none("nothing passes"), ranking=(),
        gates=(), reasons=(Reason(key="none"),), flips=(), labels_needed=Estimate.none("none"),
    )  # fmt: skip
    text = files.to_json(decision)
    assert files.from_json(Decision, text, where="d") == decision
    with pytest.raises(IntegrityError, match="not a valid Decision"):
        files.from_json(Decision, text[: len(text) // 2], where="d")
