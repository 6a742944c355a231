"""Load, check and split the data; the shipped task.

loaded   = load(config, root=Path("."), offline=True, cache=Path(".cache"))
findings = check(loaded)
splits   = split(loaded, cascade=False, rng=run.rng("data.split"))
"""

from sazon.data.config import DataConfig, Source
from sazon.data.inspect import Inspection, inspect
from sazon.data.load import Loaded, load
from sazon.data.split import split
from sazon.data.validate import check

__all__ = ["DataConfig", "Inspection", "Loaded", "Source", "check", "inspect", "load", "split"]
