"""Distribution-free bounds on a risk: those that certificates are compared with."""

from __future__ import annotations

import math

from scipy import stats as distributions


def hoeffding_bentkus(risk: float, n: int, *, alpha: float) -> float:
    """p-value for H₀: expected loss ≥ α, of losses in [0, 1]; wider than exact where they are 0 or 1.

    p = min(exp(−n KL(min(r̂, α) ‖ α)), e · P(Bin(n, α) ≤ ⌈n r̂⌉)).

    Args:
        risk: r̂, mean loss of n independent rows, inside [0, 1].
        n: at least 1.
        alpha: inside (0, 1).

    Source: Bates et al. 2021, Journal of the ACM 68:43, theorem 3.
    """
    if not (0 <= risk <= 1 and 0 < alpha < 1 and n >= 1):
        raise ValueError("needs a risk inside [0, 1], alpha inside (0, 1) and at least one row")
    low = min(risk, alpha)
    divergence = (low * math.log(low / alpha) if low > 0 else 0.0) + (
        (1 - low) * math.log((1 - low) / (1 - alpha)) if low < 1 else 0.0
    )
    # n·r̂ of a mean of counts is a whole number but for rounding.
    bentkus = math.e * float(distributions.binom.cdf(math.ceil(n * risk - 1e-9), n, alpha))
    return min(1.0, math.exp(-n * divergence), bentkus)


def conformal_limit(n: int, *, alpha: float) -> float:
    """Largest mean calibration loss that conformal risk control accepts: ((n + 1)α − 1) / n.

    It bounds the risk on average over calibration sets, not with a stated confidence; below 0 nothing
    can be accepted.

    Args:
        n: calibration rows, at least 1.
        alpha: risk allowed, of losses in [0, 1].

    Source: Angelopoulos et al. 2024, ICLR, theorem 1.
    """
    return ((n + 1) * alpha - 1) / n


def concentration(shares: list[float]) -> float:
    """Herfindahl–Hirschman index Σ sᵢ², shares in per cent: 10,000 where all depends on one.

    Args:
        shares: in any unit, not negative, not all 0.
    """
    total = sum(shares)
    if total <= 0 or min(shares) < 0:
        raise ValueError("shares must not be negative, nor all 0")
    return sum((100 * s / total) ** 2 for s in shares)
