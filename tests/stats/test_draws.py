"""Joint quality draws: exact marginals, pairing, no collapse, and the size of blocks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as distributions

from sazon.stats import draws
from sazon.stats.clusters import Clustering
from sazon.stats.draws import quality, quality_draws


def single(n: int) -> Clustering:
    return Clustering.of([str(i) for i in range(n)])


def answers(target: np.ndarray, *right: np.ndarray) -> np.ndarray:
    labels = target.max() + 1
    return np.stack([np.where(r, target, (target + 1) % labels) for r in right], axis=1)


@pytest.mark.parametrize("k", [0, 1, 37, 40])
def test_one_candidate_has_exactly_the_jeffreys_posterior(k):
    n = 40
    target = np.arange(n) % 4
    found = quality_draws(
        target, answers(target, np.arange(n) < k), single(n), draws=20_000, rng=np.random.default_rng(5)
    )[:, 0, 0]
    posterior = distributions.beta(k + 0.5, n - k + 0.5)
    assert distributions.kstest(found, posterior.cdf).pvalue > 1e-3


def test_draws_are_paired():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 300)
    first = rng.random(300) < 0.85
    second = first.copy()
    second[:6] = ~second[:6]
    found = quality_draws(target, answers(target, first, second), single(300), draws=4000, rng=rng)[:, :, 0]
    gap = found[:, 0] - found[:, 1]
    assert gap.std() < 0.5 * np.sqrt(found[:, 0].var() + found[:, 1].var())
    assert gap.mean() == pytest.approx((first.mean() - second.mean()) * 300 / 301, abs=0.002)


def test_identical_candidates_win_equally_often():
    target = np.arange(200) % 5
    same = np.arange(200) % 10 > 0
    found = quality_draws(
        target, answers(target, same, same), single(200), draws=20_000, rng=np.random.default_rng(1)
    )[:, :, 0]
    assert (found[:, 0] > found[:, 1]).mean() == pytest.approx(0.5, abs=0.02)


def test_all_right_and_all_wrong_never_collapse():
    target = np.arange(50) % 5
    found = quality_draws(
        target,
        answers(target, np.ones(50, dtype=bool), np.zeros(50, dtype=bool)),
        single(50),
        draws=5000,
        rng=np.random.default_rng(2),
    )
    assert np.isfinite(found).all()
    assert ((found > 0) & (found < 1)).all()
    assert found[:, 0].std(axis=0).min() > 0.003


def test_clusters_count_and_not_their_copies():
    rng = np.random.default_rng(4)
    target = rng.integers(0, 3, 50)
    right = rng.random(50) < 0.9
    copied = np.repeat(target, 8)
    groups = Clustering.of([str(i // 8) for i in range(400)])
    once = quality_draws(target, answers(target, right), single(50), draws=8000, rng=rng)
    many = quality_draws(copied, answers(copied, np.repeat(right, 8)), groups, draws=8000, rng=rng)
    assert many.std(axis=0) == pytest.approx(once.std(axis=0), rel=0.05)
    assert many.mean(axis=0) == pytest.approx(once.mean(axis=0), abs=0.004)


def test_all_right_in_few_clusters_is_less_sure():
    target = np.arange(100) % 2
    right = answers(target, np.ones(100, dtype=bool))
    few = quality_draws(
        target,
        right,
        Clustering.of([str(i // 20) for i in range(100)]),
        draws=4000,
        rng=np.random.default_rng(0),
    )[:, 0, 0]
    posterior = distributions.beta(5.5, 0.5)
    assert np.quantile(few, 0.1) == pytest.approx(posterior.ppf(0.1), abs=0.02)


def test_the_plain_metrics_are_sklearns():
    from sklearn.metrics import accuracy_score, f1_score

    rng = np.random.default_rng(6)
    target = np.concatenate([np.arange(7), rng.integers(0, 7, 200)])
    given = np.where(rng.random(207) < 0.7, target, rng.integers(0, 7, 207))
    found = quality(target, given[:, None])[0]
    assert found[0] == pytest.approx(accuracy_score(target, given))
    assert found[1] == pytest.approx(f1_score(target, given, average="macro"))
    assert found[2] == pytest.approx(1 - found[0])


def test_draws_of_macro_f1_centre_on_it():
    rng = np.random.default_rng(8)
    target = np.concatenate([np.arange(4), rng.integers(0, 4, 400)])
    given = np.where(rng.random(404) < 0.8, target, rng.integers(0, 4, 404))[:, None]
    found = quality_draws(target, given, single(404), draws=4000, rng=rng)
    assert found[:, 0, 1].mean() == pytest.approx(quality(target, given)[0, 1], abs=0.005)


def test_a_missing_answer_is_not_right_and_an_unknown_label_is_wrong():
    target = np.array([0, 1, 0, 1])
    found = quality(target, np.array([[0, -1], [1, 9], [0, 0], [1, 1]]))
    assert found[0].tolist() == [1.0, 1.0, 0.0]
    assert found[1, 0] == 0.5
    # Recall ½ and precision 1 in each class.
    assert found[1, 1] == pytest.approx(2 / 3)


def test_error_weights_price_errors_by_the_class_of_the_row():
    target = np.array([0, 0, 1, 1])
    given = np.array([[1, 0], [0, 0], [1, 0], [1, 1]])
    weights = np.array([10.0, 1.0])
    assert quality(target, given, error_weights=weights)[:, 2].tolist() == [2.5, 0.25]
    found = quality_draws(
        target, given, single(4), draws=50, rng=np.random.default_rng(0), error_weights=weights
    )
    assert found.shape == (50, 2, 3)
    assert (found[:, :, 2] > 0).all()


def test_the_size_of_blocks_changes_no_number(monkeypatch):
    target = np.arange(60) % 3
    given = answers(target, np.arange(60) % 7 > 0)
    whole = quality_draws(target, given, single(60), draws=100, rng=np.random.default_rng(3))
    monkeypatch.setattr(draws, "_BLOCK_NUMBERS", 60 * 7)
    assert np.allclose(
        whole, quality_draws(target, given, single(60), draws=100, rng=np.random.default_rng(3)), atol=1e-13
    )


def test_one_row_gives_draws_and_none_is_refused():
    one = quality_draws(np.array([0]), np.array([[0]]), single(1), draws=10, rng=np.random.default_rng(0))
    assert np.isfinite(one).all()
    with pytest.raises(ValueError, match="row"):
        quality_draws(
            np.zeros(0, dtype=int),
            np.zeros((0, 1), dtype=int),
            single(0),
            draws=5,
            rng=np.random.default_rng(0),
        )
    with pytest.raises(ValueError, match="class"):
        quality_draws(
            np.array([0, 2]), np.array([[0], [2]]), single(2), draws=5, rng=np.random.default_rng(0)
        )
