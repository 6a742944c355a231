"""sazon: rent the frontier, buy the hardware, or season your own? Evidence, a decision, a gateway.

outcome = sazon.run("recipe.yaml")
outcome.decision, outcome.table, outcome.report
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sazon.core import __version__

if TYPE_CHECKING:
    from sazon.pipeline import Outcome, run

__all__ = ["Outcome", "__version__", "run"]


def __getattr__(name: str) -> Any:
    """Import the pipeline only when it is used: `import sazon` stays instant."""
    if name in {"Outcome", "run"}:
        from sazon import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'sazon' has no attribute {name!r}")
