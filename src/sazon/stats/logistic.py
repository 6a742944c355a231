"""A small logistic regression with an L2 penalty, for trust scores of a handful of features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sazon.core.types import Floats


@dataclass(frozen=True, kw_only=True)
class Logistic:
    """P(y = 1 | x) = 1 / (1 + exp(−(a + b·(x − mean) / scale)))."""

    mean: Floats
    scale: Floats
    coefficients: Floats
    """Shape (features,), on the standardised features."""
    intercept: float

    def predict(self, X: Floats) -> Floats:
        """Probabilities, shape (n,), for X of shape (n, features)."""
        from scipy.special import expit

        chances: Floats = expit(self.intercept + (X - self.mean) / self.scale @ self.coefficients)
        return chances

    def to_json(self) -> dict[str, Any]:
        """Its numbers as lists."""
        return {
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "coefficients": self.coefficients.tolist(),
            "intercept": self.intercept,
        }

    @classmethod
    def from_json(cls, numbers: Mapping[str, Any]) -> Logistic:
        """Read back what `to_json` gave."""
        arrays = {k: np.array(numbers[k], dtype=np.float64) for k in ("mean", "scale", "coefficients")}
        return cls(intercept=float(numbers["intercept"]), **arrays)


def fit(X: Floats, y: Floats, *, penalty: float = 1.0) -> Logistic:
    """Fit by maximum penalised likelihood: Σ log-loss + penalty/2 · |b|², intercept unpenalised.

    Half a row of each outcome is added at the mean, so that a class never seen, or seen alone,
    gives the Jeffreys share instead of an infinite intercept.

    Args:
        X: shape (n, features), finite.
        y: shape (n,), 0 or 1.
        penalty: > 0.

    Raises:
        ValueError: no rows, or values that are not finite.
    """
    from scipy.optimize import minimize

    if not len(X) or not np.isfinite(X).all():
        raise ValueError("needs at least one row, and finite features")
    mean, spread = X.mean(axis=0), X.std(axis=0)
    scale = np.where(spread > 1e-12, spread, 1.0)
    Z = np.vstack([(X - mean) / scale, np.zeros((2, X.shape[1]))])
    outcomes = np.concatenate([y, [0.0, 1.0]])
    weights = np.concatenate([np.ones(len(y)), [0.5, 0.5]])

    def loss(theta: Floats) -> tuple[float, Floats]:
        linear = theta[0] + Z @ theta[1:]
        value = weights @ (np.logaddexp(0, linear) - outcomes * linear) + penalty / 2 * theta[1:] @ theta[1:]
        residual = weights * (0.5 * (1 + np.tanh(linear / 2)) - outcomes)
        return float(value), np.concatenate([[residual.sum()], Z.T @ residual + penalty * theta[1:]])

    best = minimize(loss, np.zeros(X.shape[1] + 1), jac=True, method="L-BFGS-B")
    return Logistic(mean=mean, scale=scale, coefficients=best.x[1:], intercept=float(best.x[0]))
