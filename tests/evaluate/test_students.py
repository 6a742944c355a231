"""What a student keeps of its teacher: the ratio on the same rows, its interval paired."""

from __future__ import annotations

import numpy as np
import pytest

from sazon import evaluate
from sazon.core.types import Artifact, Candidate, Dataset, Example
from sazon.evaluate.config import EvaluateConfig
from sazon.evaluate.sheets import AnswerSheet, Timings

N = 400
CONFIG = EvaluateConfig(draws=4000)


def _test_set(*, each: int = 1) -> Dataset:
    rows = tuple(
        Example(
            id=f"r{i}", input=f"text {i}", target="ab"[i % 2], group=f"g{i // each}" if each > 1 else None
        )
        for i in range(N)
    )
    return Dataset(name="toy", split="test", examples=rows)


def _sheet(name: str, test: Dataset, wrong: set[int], *, seconds: float | None) -> AnswerSheet:
    none = np.full(N, np.nan)
    return AnswerSheet(
        candidate=name,
        examples=tuple(test.ids),
        labels=tuple("ba"[i % 2] if i in wrong else e.target for i, e in enumerate(test.examples)),
        errors=(None,) * N,
        confidence=none,
        tokens=none,
        seconds=none,
        money=none,
        timings=Timings(batch_seconds=seconds, batch_rows=N if seconds else 0),
    )


def _judged(student_wrong, *teachers_wrong, test=None, seconds=(0.02, 1.0)):
    test = test or _test_set()
    artifact = Artifact(path=None, digest="d")
    names = [f"teacher{i}" for i in range(len(teachers_wrong))]
    teachers = [Candidate(name=n, technique="finetune", artifact=artifact) for n in names]
    student = Candidate(name="small", technique="distill", artifact=artifact, parents=tuple(names))
    sheets = {"small": _sheet("small", test, student_wrong, seconds=seconds[0])}
    for name, wrong in zip(names, teachers_wrong, strict=True):
        sheets[name] = _sheet(name, test, wrong, seconds=seconds[1])
    scores = evaluate.score(sheets, test)
    rng = np.random.default_rng(0)
    return evaluate.compare(CONFIG, [student, *teachers], sheets, scores, test, rng=rng)


def test_kept_is_the_ratio_and_speed_up_that_of_the_rates():
    found = _judged(set(range(40)), set(range(20))).estimates["small"]

    assert found["kept_of_teacher"].value == pytest.approx(360 / 380)
    assert found["kept_of_teacher"].n == N
    assert found["speed_up"].value == pytest.approx(50)
    assert found["speed_up"].low is None


def test_only_students_are_set_beside_a_teacher():
    estimates = _judged({1}, {2}).estimates

    assert "kept_of_teacher" in estimates["small"]
    assert "kept_of_teacher" not in estimates["teacher0"]


def test_of_a_panel_the_most_accurate_counts():
    found = _judged(set(range(40)), set(range(80)), set(range(20))).estimates["small"]

    assert found["kept_of_teacher"].value == pytest.approx(360 / 380)
    assert "teacher1" in found["kept_of_teacher"].method


def test_the_interval_is_narrow_where_both_err_on_the_same_rows():
    together = _judged(set(range(60)), set(range(50))).estimates["small"]["kept_of_teacher"]
    apart = _judged(set(range(60)), set(range(200, 250))).estimates["small"]["kept_of_teacher"]

    assert together.value == apart.value
    assert together.high - together.low < 0.6 * (apart.high - apart.low)


def test_the_interval_is_that_of_fieller():
    # Independent rows: R is in the interval where |A − R·B| ≤ z·se(A − R·B).
    student_wrong, teacher_wrong = set(range(60)), set(range(30, 70))
    found = _judged(student_wrong, teacher_wrong).estimates["small"]["kept_of_teacher"]
    a, b = (np.array([i not in wrong for i in range(N)], float) for wrong in (student_wrong, teacher_wrong))
    grid = np.linspace(0.7, 1.2, 20001)
    apart = a.mean() - grid * b.mean()
    variance = (a.var() - 2 * grid * np.cov(a, b, bias=True)[0, 1] + grid**2 * b.var()) / N
    inside = grid[np.abs(apart) <= 1.96 * np.sqrt(variance)]

    assert found.low == pytest.approx(inside[0], abs=0.006)
    assert found.high == pytest.approx(inside[-1], abs=0.006)


def test_groups_widen_the_interval():
    wrong = set(range(60)), set(range(100, 140))
    rows, groups = (
        _judged(*wrong, test=_test_set(each=each)).estimates["small"]["kept_of_teacher"] for each in (1, 20)
    )

    assert groups.high - groups.low > 1.5 * (rows.high - rows.low)
    assert groups.clusters == 20


def test_what_cannot_be_told_is_not_told():
    never = _judged({1}, set(range(N))).estimates["small"]["kept_of_teacher"]
    elsewhere = _judged({1}, {2}, seconds=(0.02, None)).estimates["small"]["speed_up"]

    assert never.value is None
    assert elsewhere.value is None
