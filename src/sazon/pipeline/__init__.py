"""Orders the stages: `run` in `order.py` reads like the README; the doors lead to it.

outcome = pipeline.run("recipe.yaml")
"""

from sazon.pipeline.demo import demo_recipe, record_demo, with_recording
from sazon.pipeline.doors import check, explain, init, recipe_of, serve
from sazon.pipeline.handing_over import export
from sazon.pipeline.judging import JUDGE, prepare_judge
from sazon.pipeline.live import record_answers, record_candidates
from sazon.pipeline.order import Outcome, run
from sazon.pipeline.sharing import decide_together
from sazon.pipeline.what_if import Variant, what_if

__all__ = [
    "JUDGE",
    "Outcome",
    "Variant",
    "check",
    "decide_together",
    "demo_recipe",
    "explain",
    "export",
    "init",
    "prepare_judge",
    "recipe_of",
    "record_answers",
    "record_candidates",
    "record_demo",
    "run",
    "serve",
    "what_if",
    "with_recording",
]
