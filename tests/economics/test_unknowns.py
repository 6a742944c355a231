"""What drives the choice and what it is worth to know."""

import numpy as np
import pytest

from sazon.economics.unknowns import influences_of, unknowns_of


def test_one_unknown_under_two_names_counts_once(rng):
    """Two hosts of one model share its accuracy: least squares cannot tell them apart."""
    accuracy, price = rng.normal(size=(2, 2000))
    inputs = {"accuracy.rented": accuracy, "accuracy.bought": accuracy.copy(), "price": price}
    total = np.stack([np.zeros(2000), 2 * accuracy + price], axis=1)
    found, fit = influences_of(total, inputs)
    assert [i.name for i in found] == ["accuracy.rented", "price"]
    assert fit.value == pytest.approx(1, abs=0.01)
    worth, _ = unknowns_of(total, inputs, found, unit="EUR", rng=rng)
    assert {u.name for u in worth} == {"accuracy.rented", "price"}
