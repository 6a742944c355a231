"""Scorers: exact, normalised, by words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sazon.core import registry
from sazon.evaluate.scorers import exact, normalised_exact, token_f1


@pytest.mark.parametrize(
    ("output", "target", "scores"),
    [
        ("billing", "billing", (1, 1, 1)),
        (" Billing ", "billing", (0, 1, 1)),
        ("Ｂilling", "billing", (0, 1, 1)),
        ("cita médica", "cita me\u0301dica", (0, 1, 1)),
        ("año", "ano", (0, 0, 0)),
        ("the cat sat", "the cat slept", (0, 0, 2 / 3)),
        ("no no", "no", (0, 0, 2 / 3)),
        ("", "x", (0, 0, 0)),
        ("", "", (1, 1, 1)),
    ],
)
def test_scores_by_hand(output, target, scores):
    found = tuple(score(output, target) for score in (exact, normalised_exact, token_f1))
    assert found == pytest.approx(scores)


@settings(deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_scores_stay_inside_and_do_not_mind_the_order(output, target):
    for score in (exact, normalised_exact, token_f1):
        assert 0 <= score(output, target) <= 1
        assert score(output, target) == score(target, output)
        assert score(target, target) == 1


def test_exact_is_found_by_name():
    assert registry.load("scorer", "exact") is exact
