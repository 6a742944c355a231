"""Gates, criteria and robustness: from evidence to a decision, or to an honest "cannot tell yet"."""

from sazon.decide.choice import choose
from sazon.decide.config import DecideConfig
from sazon.decide.phrases import name_input, phrase, phrase_gate, verdict

__all__ = ["DecideConfig", "choose", "name_input", "phrase", "phrase_gate", "verdict"]
