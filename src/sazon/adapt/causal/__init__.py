"""Causal language models: supervised fine-tuning and distillation, for free text and for labels.

candidate = adapt_causal(Options(…), base=…, data=…, job=…)
candidate = distil_causal(Options(…), teacher=…, gold=…, temperature=…, base=…, data=…, job=…)
tuned     = tune_on(model, pairs, …)             any (prompt, answer) pairs, e.g. recorded answers

Training goes through TRL's SFTTrainer, offline and on the CPU too. The rows reach it tokenised and
with their labels, so that what is learnt is decided here (`rows.py`) and tested without it.
"""

from __future__ import annotations

from sazon.adapt.causal.candidate import adapt_causal
from sazon.adapt.causal.distil import distil_causal, distil_loss
from sazon.adapt.causal.options import Options
from sazon.adapt.causal.training import tune_on

__all__ = ["Options", "adapt_causal", "distil_causal", "distil_loss", "tune_on"]
