"""Answer the test set, score, compare: from candidates to estimates, claims and joint draws.

sheet      = answer(candidate, test, directory=…)
scores     = score({name: sheet}, test, grader=Grader(config))
shaken     = try_changes(predictors, test, changes, …)
evaluation = compare(config, candidates, sheets, scores, test, rng=…)
quality    = draw(config, candidates, sheets, test, draws=…, rng=…)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sazon.evaluate.comparison import claimed, compare
    from sazon.evaluate.grading import Grader
    from sazon.evaluate.quality import draw, draw_claimed
    from sazon.evaluate.robustness import try_changes
    from sazon.evaluate.scores import read_scores, score, write_scores
    from sazon.evaluate.sheets import AnswerSheet, answer

__all__ = [
    "AnswerSheet",
    "Grader",
    "answer",
    "claimed",
    "compare",
    "draw",
    "draw_claimed",
    "read_scores",
    "score",
    "try_changes",
    "write_scores",
]

_WHERE = {
    "AnswerSheet": "sheets",
    "Grader": "grading",
    "answer": "sheets",
    "claimed": "comparison",
    "compare": "comparison",
    "draw": "quality",
    "draw_claimed": "quality",
    "read_scores": "scores",
    "try_changes": "robustness",
    "score": "scores",
    "write_scores": "scores",
}


def __getattr__(name: str) -> Any:
    # Reading a recipe needs `evaluate.config` alone; statistics and tables load when asked for.
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
