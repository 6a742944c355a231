"""The winner's luck is taken off."""

from __future__ import annotations

import numpy as np
import pytest

from sazon.stats.clusters import Clustering
from sazon.stats.selection import best_of


def rows(n, each=1):
    codes = np.arange(n) // each
    return Clustering(codes=codes, count=int(codes[-1]) + 1)


def test_equal_candidates_look_better_than_they_are_until_corrected():
    rng = np.random.default_rng(1)
    raw, corrected = [], []
    for _ in range(120):
        scores = (rng.random((200, 10)) < 0.8).astype(float)
        raw.append(scores.mean(axis=0).max())
        corrected.append(best_of(scores, rows(200), rng=rng, resamples=200).value)
    assert np.mean(raw) - 0.8 > 0.03
    assert abs(np.mean(corrected) - 0.8) < 0.01


def test_a_clear_winner_keeps_its_score():
    rng = np.random.default_rng(2)
    scores = np.stack([rng.random(500) < 0.9, rng.random(500) < 0.5], axis=1).astype(float)
    found = best_of(scores, rows(500), rng=rng)
    assert found.value == pytest.approx(scores[:, 0].mean(), abs=0.003)
    assert found.low < scores[:, 0].mean() < found.high


def test_the_interval_covers_what_the_choice_is_worth():
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(150):
        scores = (rng.random((150, 5)) < 0.7).astype(float)
        found = best_of(scores, rows(150), rng=rng, resamples=300)
        inside += found.low <= 0.7 <= found.high
    assert inside / 150 >= 0.93


def test_clusters_are_drawn_whole():
    rng = np.random.default_rng(4)
    base = (rng.random((40, 2)) < 0.7).astype(float)
    scores = np.repeat(base, 5, axis=0)
    clustered = best_of(scores, rows(200, each=5), rng=rng)
    alone = best_of(scores, rows(200), rng=rng)
    assert clustered.clusters == 40
    assert clustered.high - clustered.low > 1.5 * (alone.high - alone.low)


@pytest.mark.parametrize("scores", [np.ones((5, 1)), np.ones((1, 3))])
def test_nothing_to_choose_from_is_undefined(scores):
    found = best_of(scores, rows(len(scores)), rng=np.random.default_rng(0))
    assert found.undefined
