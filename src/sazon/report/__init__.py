"""Evidence becomes one self-contained HTML file, Markdown and JSON, in Spanish and English."""

from sazon.report.card import CardFacts, card
from sazon.report.evidence import DataSummary, Evidence, inputs_of_suspects, inputs_of_worst, summarise
from sazon.report.write import write

__all__ = [
    "CardFacts",
    "DataSummary",
    "Evidence",
    "card",
    "inputs_of_suspects",
    "inputs_of_worst",
    "summarise",
    "write",
]
