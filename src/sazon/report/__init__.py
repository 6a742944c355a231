"""Evidence becomes one self-contained HTML file, Markdown and JSON, in Spanish and English."""

from sazon.report.evidence import DataSummary, Evidence, inputs_of_worst, summarise
from sazon.report.write import write

__all__ = ["DataSummary", "Evidence", "inputs_of_worst", "summarise", "write"]
