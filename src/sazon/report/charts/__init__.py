"""Pictures: evidence in, inline SVG out, drawn by Vega-Altair and vl-convert without a browser."""

from sazon.report.charts.drawing import Drawn
from sazon.report.charts.forest import forest
from sazon.report.charts.money import fan, tornado
from sazon.report.charts.plane import plane
from sazon.report.charts.reliability import reliability

__all__ = ["Drawn", "fan", "forest", "plane", "reliability", "tornado"]
