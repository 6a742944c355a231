"""What answers take, per answer and per right answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sazon.core.types import Artifact, Candidate, Dataset, Example
from sazon.evaluate.expense import expense
from sazon.evaluate.graded import Graded
from sazon.evaluate.scores import score
from sazon.evaluate.sheets import AnswerSheet, Timings
from sazon.evaluate.together import ask_together
from sazon.models.majority import MajorityPredictor
from sazon.models.power import assumed_energy
from sazon.stats.clusters import Clustering

N = 100
ONE = Candidate(name="one", technique="linear", artifact=Artifact(path=None, digest="d"))


def graded(**columns):
    rows = tuple(Example(id=f"r{i}", input=f"text {i}", target="ab"[i % 2]) for i in range(N))
    test = Dataset(name="toy", split="test", examples=rows)
    blank = {name: np.full(N, np.nan) for name in ("confidence", "tokens", "seconds", "money")}
    labels = tuple("b" if i % 4 == 0 else row.target for i, row in enumerate(rows))
    known = {"labels": labels, "errors": (None,) * N, "timings": Timings()} | blank | columns
    sheet = AnswerSheet(candidate="one", examples=tuple(test.ids), **known)
    return Graded.of(ONE, sheet, score({"one": sheet}, test), test, Clustering.of(test.groups))


def test_money_and_tokens_are_told_per_answer_and_per_right_answer():
    told = expense(ONE, graded(tokens=np.full(N, 30.0), money=np.full(N, 0.002)), currency="EUR", level=0.95)
    assert told["tokens_per_answer"].value == pytest.approx(30)
    assert told["tokens_per_correct"].value == pytest.approx(40)  # three of four are right
    assert told["money_per_1000_answers"].value == pytest.approx(2)
    paid = told["money_per_1000_correct"]
    assert paid.value == pytest.approx(2 / 0.75)
    assert paid.unit == "EUR/1000 correct"
    assert paid.low < paid.value < paid.high


def test_an_answer_of_unknown_price_leaves_the_price_undefined():
    money = np.full(N, 0.002)
    money[3] = np.nan
    told = expense(ONE, graded(money=money), level=0.95)
    assert told["money_per_1000_answers"].undefined == "not known for every answer"


def test_a_failed_row_that_was_billed_counts_and_one_that_was_not_does_not():
    money = np.full(N, 0.002)
    money[:2] = [0.004, np.nan]
    failed = ("timeout", "refused", *(None,) * (N - 2))
    one = graded(money=money, errors=failed, labels=(None, None, *graded().sheet.labels[2:]))
    told = expense(ONE, one, currency="EUR", level=0.95)
    assert told["money_per_1000_answers"].n == N - 1
    assert told["money_per_1000_answers"].value == pytest.approx((97.0 * 2 + 2 + 4) / 99)


def test_energy_is_assumed_and_its_range_widens_per_right_answer():
    told = expense(ONE, graded(timings=Timings(batch_seconds=10.0, batch_rows=N)), level=0.95)
    answer, right = told["energy_per_1000_answers"], told["energy_per_1000_correct"]
    assert answer.kind == right.kind == "assumed"
    assert answer.unit == "J/1000 answers"
    assert answer.value == pytest.approx(3.6e6 * assumed_energy(100.0, device="cpu").value)
    assert right.value == pytest.approx(answer.value / 0.75)
    assert right.high / right.low > answer.high / answer.low


def test_what_can_never_be_known_is_left_out():
    assert set(expense(ONE, graded(), level=0.95)) == {"latency_p99_s"}


def test_several_callers_wait_for_one_another():
    class Counts(MajorityPredictor):
        busy = most = 0

        def predict(self, inputs):
            self.busy += 1
            self.most = max(self.most, self.busy)
            found = super().predict(inputs)
            self.busy -= 1
            return found

    predictor = Counts(("a", "b"), np.array([0.6, 0.4]))
    waits, wall = ask_together(predictor, [str(i) for i in range(23)], callers=4)
    assert len(waits) == 23
    assert predictor.most == 1
    assert 0 < max(waits) <= wall
    timings = Timings(at_once=4, at_once_seconds=tuple(waits), at_once_wall_seconds=wall)
    told = expense(ONE, graded(timings=timings), level=0.95)
    assert told["throughput_at_once_per_s"].value == pytest.approx(23 / wall)
    assert replace(timings, at_once=1).throughput_per_s is None
