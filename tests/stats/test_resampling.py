"""The paired bootstrap of many candidates agrees with a literal one, and with scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sazon.stats.clusters import Clustering
from sazon.stats.resampling import resample


def rows(n, each=1):
    codes = np.arange(n) // each
    return Clustering(codes=codes, count=int(codes[-1]) + 1)


def some_scores(n=300, candidates=3, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.random((n, 1)) * 0.6 + rng.random((n, candidates)) * 0.4 < 0.75).astype(float)


def test_means_and_differences_are_those_of_the_rows():
    scores = some_scores()
    found = resample(scores, rows(300), rng=np.random.default_rng(1), resamples=500)
    assert found.plain == pytest.approx(scores.mean(axis=0))
    assert found.mean(1).value == pytest.approx(scores[:, 1].mean())
    gap = found.difference(0, 2)
    assert gap.value == pytest.approx(scores[:, 0].mean() - scores[:, 2].mean())
    assert gap.low <= gap.value <= gap.high


def test_every_resample_is_a_literal_redrawing_of_the_rows():
    scores = some_scores(n=40)
    found = resample(scores, rows(40), rng=np.random.default_rng(5), resamples=50)
    drawn = np.random.default_rng(5).integers(0, 40, size=50 * 40, dtype=np.int32).reshape(50, 40)
    assert found.means == pytest.approx(np.stack([scores[d].mean(axis=0) for d in drawn]))


def test_the_interval_is_scipys():
    scores = some_scores(n=200)
    found = resample(scores, rows(200), rng=np.random.default_rng(2), resamples=8000)
    peer = stats.bootstrap(
        (scores[:, 0], scores[:, 1]),
        lambda a, b: np.mean(a) - np.mean(b),
        paired=True,
        vectorized=False,
        n_resamples=4000,
        rng=np.random.default_rng(3),
    ).confidence_interval
    gap = found.difference(0, 1)
    assert (gap.low, gap.high) == pytest.approx((peer.low, peer.high), abs=0.006)


def test_real_scores_are_averaged_in_full_precision():
    rng = np.random.default_rng(4)
    scores = rng.normal(1e6, 1e-3, size=(100, 2))
    found = resample(scores, rows(100), rng=rng, resamples=300)
    assert found.mean(0).value == pytest.approx(scores[:, 0].mean(), abs=1e-8)
    assert found.means.std() < 1e-3


def test_whole_clusters_are_drawn():
    scores = np.repeat(some_scores(n=30), 10, axis=0)
    clustered = resample(scores, rows(300, each=10), rng=np.random.default_rng(0), resamples=2000).mean(0)
    alone = resample(scores, rows(300), rng=np.random.default_rng(0), resamples=2000).mean(0)
    assert clustered.clusters == 30
    assert clustered.high - clustered.low > 2 * (alone.high - alone.low)


def test_identical_candidates_differ_by_nothing_and_it_is_said():
    scores = np.repeat(some_scores(candidates=1), 2, axis=1)
    gap = resample(scores, rows(300), rng=np.random.default_rng(0), resamples=200).difference(0, 1)
    assert gap.value == pytest.approx(0, abs=1e-12)
    assert gap.low is None
    assert "no spread" in gap.method


@pytest.mark.parametrize(("scores", "clusters"), [(np.ones((1, 2)), 1), (np.array([[1.0], [np.nan]]), 2)])
def test_what_cannot_be_resampled_is_refused(scores, clusters):
    with pytest.raises(ValueError, match=r"at least two|must be finite"):
        resample(scores, rows(clusters), rng=np.random.default_rng(0))
