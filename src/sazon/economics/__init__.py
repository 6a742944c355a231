"""What each option costs over years: demand, capacity, prices and cost worlds."""

from sazon.economics.capacity import Capacity, architecture_from, curve, estimate_capacity
from sazon.economics.config import EconomicsConfig
from sazon.economics.hosting import hosted
from sazon.economics.options import Option, TokenPrice
from sazon.economics.prices import PriceConfig, price_of
from sazon.economics.ranges import Range, Rate
from sazon.economics.risk import check_risks
from sazon.economics.sharing import Sharing, Task, share
from sazon.economics.simulation import simulate
from sazon.economics.worlds import stale_inputs

__all__ = [
    "Capacity",
    "EconomicsConfig",
    "Option",
    "PriceConfig",
    "Range",
    "Rate",
    "Sharing",
    "Task",
    "TokenPrice",
    "architecture_from",
    "check_risks",
    "curve",
    "estimate_capacity",
    "hosted",
    "price_of",
    "share",
    "simulate",
    "stale_inputs",
]
