"""Few labels and many judged rows."""

from __future__ import annotations

import numpy as np
import pytest

from sazon.stats import clusters
from sazon.stats import prediction_powered as ppi
from sazon.stats.clusters import Clustering

N, OTHERS = 200, 2000


def world(rng, *, n=N, others=OTHERS, right=0.93):
    """Nine of ten rows are right; the judge sees it correctly with the given chance."""
    truth = (rng.random(n + others) < 0.9).astype(float)
    judged = np.where(rng.random(n + others) < right, truth, 1 - truth)
    return truth[:n], judged[:n], judged[n:]


def test_it_covers_and_is_narrower_than_the_labels_alone():
    rng, inside, widths = np.random.default_rng(3), 0, []
    worlds = 500
    for _ in range(worlds):
        labels, judged, rest = world(rng)
        found = ppi.mean(labels, judged, rest)
        alone = clusters.mean(labels, Clustering(codes=np.arange(N), count=N))
        inside += found.low <= 0.9 <= found.high
        widths.append((found.high - found.low) / (alone.high - alone.low))
    # Published coverage of this world at 200 labels: .932.
    assert 0.905 <= inside / worlds <= 0.97
    assert np.median(widths) < 0.85


def test_a_judge_that_knows_nothing_is_ignored():
    rng = np.random.default_rng(0)
    labels = (rng.random(N) < 0.8).astype(float)
    found = ppi.mean(labels, np.ones(N), np.ones(OTHERS))
    assert found.value == pytest.approx(labels.mean())
    assert ppi.tuned_weight(labels, 1 - labels, 1 - labels) == 0.0


def test_an_exact_judge_reads_all_rows():
    labels, judged, rest = world(np.random.default_rng(0), n=10_000, others=10_000, right=1.0)
    # The best weight is N / (n + N), and the estimate then the mean of all rows.
    assert ppi.tuned_weight(labels, judged, rest) == pytest.approx(0.5, abs=0.02)
    found = ppi.mean(labels, judged, rest)
    assert found.value == pytest.approx(np.concatenate([labels, rest]).mean(), abs=5e-4)


def test_it_is_refused_under_200_labels_or_labelled_clusters():
    rng = np.random.default_rng(0)
    labels, judged, rest = world(rng, n=199)
    assert "199 labels" in ppi.mean(labels, judged, rest).undefined
    labels, judged, rest = world(rng)
    pairs = Clustering.of([str(i // 2) for i in range(N + OTHERS)])
    assert "100 clusters" in ppi.mean(labels, judged, rest, clustering=pairs).undefined
    assert ppi.mean(labels, judged, rest[:1]).value is None


def test_rows_that_repeat_in_clusters_do_not_count_twice():
    rng = np.random.default_rng(4)
    labels, judged, rest = world(rng, n=300, others=600)
    plain = ppi.mean(labels, judged, rest)
    twice = [np.repeat(x, 2) for x in (labels, judged, rest)]
    groups = Clustering.of([str(i // 2) for i in range(1800)])
    clustered = ppi.mean(*twice, clustering=groups)
    assert clustered.value == pytest.approx(plain.value, abs=1e-3)
    assert clustered.high - clustered.low == pytest.approx(plain.high - plain.low, rel=0.02)


def test_without_spread_the_interval_does_not_collapse():
    found = ppi.mean(np.ones(N), np.ones(N), np.ones(OTHERS))
    assert found.value == 1.0
    assert found.low < 1.0


def test_what_is_not_finite_or_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="finite"):
        ppi.mean(np.full(N, np.nan), np.ones(N), np.ones(OTHERS))
    with pytest.raises(ValueError, match="one judged score"):
        ppi.mean(np.ones(N), np.ones(N - 1), np.ones(OTHERS))
