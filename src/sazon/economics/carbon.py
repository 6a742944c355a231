"""Greenhouse gas of the electricity of each option: energy at the machines, building's overhead, grid."""

from __future__ import annotations

import numpy as np

from sazon.core.types import Estimate
from sazon.economics.config import EconomicsConfig
from sazon.economics.summary import Ledgers, spread
from sazon.economics.worlds import Worlds

NOT_PUBLISHED = "the provider does not publish it"


def carbon_of(ledgers: Ledgers, config: EconomicsConfig, worlds: Worlds) -> dict[str, dict[str, Estimate]]:
    """Carbon over the horizon and per 1,000 requests: kWh · PUE · grid's average kg CO2e per kWh.

    Use only: what making the hardware emitted is not in it. Rented machines are taken to stand in the
    recipe's country.

    Returns:
        Option → `carbon`, `carbon_per_1000_requests`; undefined where a provider's machines answer.
    """
    amount = config.carbon_intensity()
    grid = worlds.draw("carbon_kg_per_kwh", amount, unit="kg CO2e/kWh")
    each = grid * worlds.draw("pue", config.pue, unit="ratio")
    also = "; energy × PUE × the grid's average"
    found = {}
    for j, name in enumerate(ledgers.candidates):
        if ledgers.remote[j]:
            found[name] = {
                "carbon": Estimate.none(NOT_PUBLISHED, unit="kg CO2e"),
                "carbon_per_1000_requests": Estimate.none(NOT_PUBLISHED, unit="kg CO2e/1000 requests"),
            }
            continue
        emitted = np.asarray(ledgers.energy_kwh[:, j] * each)
        per = emitted / (ledgers.requests / 1000)
        found[name] = {
            "carbon": spread(emitted, "kg CO2e", also=also),
            "carbon_per_1000_requests": spread(per, "kg CO2e/1000 requests", also=also),
        }
    return found
