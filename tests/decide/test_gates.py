import numpy as np
import pytest

from sazon.core.types import Candidate, Estimate, Evaluation, QualityDraws
from sazon.decide import gates
from sazon.decide.config import Require

DRAWS = np.linspace(0.80, 0.90, 1001)[:, None, None]
QUALITY = QualityDraws(values=DRAWS, candidates=("x",), metrics=("accuracy",), kinds={"x": "measured"})


def evaluated(**estimates):
    return Evaluation(
        reference="x",
        margin=0.02,
        n=100,
        clusters=None,
        estimates={"x": estimates},
        differences={},
        claims=(),
        slices=(),
        worst=(),
    )


def answer(require, placement="local", providers=(), consented=(), evaluation=None):
    candidate = Candidate(name="x", technique="t", placement=placement, providers=providers)
    verdicts = gates.check(
        Require(**require),
        [candidate],
        evaluation or evaluated(),
        QUALITY,
        consented_providers=frozenset(consented),
    )
    return verdicts[-1].passed, gates.passing(verdicts) == ["x"]


@pytest.mark.parametrize(
    ("rule", "placement", "providers", "consented", "passes"),
    [
        ("never", "local", (), (), True),
        ("never", "cloud", ("p",), ("p",), False),
        ("never", "hybrid", ("p",), ("p",), False),
        ("consented", "local", (), (), True),
        ("consented", "cloud", ("p",), (), False),
        ("consented", "cloud", ("p",), ("p",), True),
        ("consented", "hybrid", ("p", "q"), ("p",), False),
        ("consented", "hybrid", ("p", "q"), ("p", "q"), True),
        ("consented", "cloud", (), ("p",), True),
        ("never", "cloud", (), (), False),
        ("allowed", "cloud", ("p",), (), True),
        ("allowed", "hybrid", (), (), True),
    ],
)
def test_data_leaves_only_as_allowed(rule, placement, providers, consented, passes):
    assert answer({"data_leaves": rule}, placement, providers, consented) == (passes, passes)


@pytest.mark.parametrize(("seconds", "passed"), [(0.5, True), (1.0, True), (1.5, False), (None, None)])
def test_latency_that_is_unknown_does_not_pass(seconds, passed):
    estimates = {} if seconds is None else {"latency_p95_s": Estimate(value=seconds, unit="s")}
    found = answer({"latency_p95_s": 1.0}, evaluation=evaluated(**estimates))
    assert found == (passed, passed is True)


@pytest.mark.parametrize(
    ("least", "confidence", "passes"),
    [(0.8, 0.9, True), (0.809, 0.9, True), (0.811, 0.9, False), (0.85, 0.4, True)],
)
def test_accuracy_must_be_reached_with_confidence(least, confidence, passes):
    assert answer({"accuracy": least, "accuracy_confidence": confidence}) == (passes, passes)
