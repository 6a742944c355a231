"""The recipe's section `report`."""

from __future__ import annotations

from sazon.core.config import Config
from sazon.core.words import Language


class ReportConfig(Config):
    """Language and content of the report."""

    language: Language = "en"
    """Language of `report.html` and `report.md`, `es` or `en`; the other one is written beside it."""
    show_inputs: bool = False
    """Show the texts of the worst errors although the data is not declared public."""
