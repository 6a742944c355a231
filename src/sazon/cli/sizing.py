"""What `sazon capacity` prints: tables, a plot in the terminal, a picture, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sazon.cli.show import three_figures
from sazon.core.errors import RecipeError
from sazon.core.types import Estimate
from sazon.core.words import LANGUAGES, Language, number, say

if TYPE_CHECKING:
    from sazon.economics import Capacity

BAR = 32
"""Characters of the longest bar."""
EIGHTHS = " ▏▎▍▌▋▊▉"


def found(*, model: str | None, config: Path | None, parameters: float | None, **asked: Any) -> Capacity:
    """The sizing of a model that is named or told by its config.json.

    Raises:
        RecipeError: neither or both are given, or the capacity model refuses.
    """
    from sazon import economics

    if parameters is not None and config is None:
        raise RecipeError("--parameters belongs to --config", mend="The catalogue's models have theirs.")
    if model is not None and config is None:
        which: Any = model
    elif config is not None and model is None:
        which = economics.architecture_from(config, parameters=parameters)
    else:
        raise RecipeError(
            "a model is named or described", mend="Give --model NAME or --config FILE, one of the two."
        )
    return economics.estimate_capacity(which, **asked)


def show(
    found: Capacity, *, stack: str, told_gpus: bool, language: str, as_json: bool, plot: Path | None
) -> None:
    """Print the sizing of a model; write the picture where one is asked for.

    Raises:
        RecipeError: a language without words, or a picture that cannot be written.
    """
    if language not in LANGUAGES:
        raise RecipeError(f"no words in {language!r}", mend=f"Choose from {', '.join(LANGUAGES)}.")
    if plot is not None:
        try:
            plot.write_text(_picture(found, language), encoding="utf-8")
        except OSError as error:
            raise RecipeError(f"cannot be written: {error}", where=str(plot)) from error
    if as_json:
        typer.echo(json.dumps(_as_data(found, stack), ensure_ascii=False, indent=1, default=str))
        return
    for line in _lines(found, stack=stack, told_gpus=told_gpus, language=language):
        typer.echo(line)
    if plot is not None:
        typer.echo(_say(language, "written", path=plot))


def _lines(found: Capacity, *, stack: str, told_gpus: bool, language: Language) -> Iterator[str]:
    at = found.replica
    yield _say(language, "what", model=at.model.name, gpu=at.gpu.name, precision=at.precision, stack=stack)
    yield _say(
        language,
        "asked",
        rate=_exact(found.requests_asked_per_s, language),
        tokens_in=number(found.tokens_in, language),
        tokens_out=number(found.tokens_out, language),
        itl=_exact(1e3 * found.itl_limit_s, language),
        ttft=_exact(1e3 * found.ttft_limit_s, language),
    )
    yield ""
    yield from _cuts(found, language)
    bound = _say(language, f"bound_{found.bound}")
    yield _say(language, "why_asked" if told_gpus else "why_best", gpus=at.gpus, bound=bound)
    yield ""
    yield from _figures_table(found, language)
    yield ""
    if found.measured:
        pace = _figures(at.constants.pace, language)
        yield _say(language, "error_measured", count=found.measured, pace=pace)
    else:
        yield _say(language, "error_published")
    yield ""
    yield from _bars(found, language)


def _cuts(found: Capacity, language: Language) -> Iterator[str]:
    """Every number of GPUs a replica that was tried."""
    heads = [_say(language, f"column_{n}") for n in ("gpus", "fits", "each")]
    yield "   ".join(heads)
    for tried in found.tried:
        cells = (
            str(tried.gpus),
            _say(language, "yes" if tried.fits else "no"),
            _figures(tried.requests_per_s_per_gpu, language) if tried.requests_per_s_per_gpu else "–",
        )
        line = "   ".join(cell.rjust(len(head)) for cell, head in zip(cells, heads, strict=True))
        yield f"{line}   {_say(language, 'chosen')}" if tried.gpus == found.replica.gpus else line


def _figures_table(found: Capacity, language: Language) -> Iterator[str]:
    made_of = _say(
        language,
        "gpus_made_of",
        replicas=found.replicas,
        each=found.replica.gpus,
        spares=found.spares,
    )
    rows = [
        (_say(language, "figure"), _say(language, "value"), _say(language, "band")),
        (_say(language, "gpus"), number(found.gpus, language), made_of),
        (_say(language, "gpus_cautious"), number(found.gpus_cautious, language), ""),
    ]
    for name, scale in (
        ("tokens_per_s", 1.0),
        ("requests_per_s", 1.0),
        ("utilisation", 100.0),
        ("itl_s", 1e3),
        ("ttft_p95_s", 1e3),
        ("latency_p95_s", 1.0),
    ):
        rows.append((_say(language, name), *_told(getattr(found, name), scale, language)))
    wide = [max(len(row[i]) for row in rows) for i in (0, 1)]
    for first, second, third in rows:
        yield f"{first.ljust(wide[0])}   {second.rjust(wide[1])}   {third}".rstrip()


def _told(estimate: Estimate, scale: float, language: Language) -> tuple[str, str]:
    """Value and band as text, percent where the unit is a share."""
    sign = " %" if estimate.unit == "share" else ""
    value, low, high = (
        f"{_figures(scale * x, language)}{sign}" if x is not None else "–"
        for x in (estimate.value, estimate.low, estimate.high)
    )
    return value, f"{low} – {high}"


def _bars(found: Capacity, language: Language) -> Iterator[str]:
    """Throughput by sequences at once; what breaks the inter-token limit is marked."""
    from sazon.economics import curve

    heads = [_say(language, f"curve_{n}") for n in ("batch", "itl", "rate")]
    yield "   ".join(heads)
    steps = curve(found)
    most = max(s.tokens_per_s for s in steps)
    for step in steps:
        cells = (number(step.batch, language), _figures(1e3 * step.itl_s, language))
        line = "   ".join(cell.rjust(len(head)) for cell, head in zip(cells, heads[:2], strict=True))
        rate = number(step.tokens_per_s, language).rjust(len(number(most, language)))
        mark = f"  {_say(language, 'over')}" if step.itl_s > found.itl_limit_s else ""
        yield f"{line}   {rate} {_bar(step.tokens_per_s / most)}{mark}"


def _bar(share: float) -> str:
    whole, rest = divmod(round(8 * BAR * share), 8)
    return "█" * whole + EIGHTHS[rest].strip()


def _picture(found: Capacity, language: Language) -> str:
    """Throughput against time between tokens, with its band and the limit, as SVG."""
    import altair as alt

    from sazon.economics import curve
    from sazon.report.charts.drawing import ACCENT, QUIET, Size, draw
    from sazon.report.voice import Voice

    rate = found.tokens_per_s
    low, high = (math.log((x or 1.0) / (rate.value or 1.0)) for x in (rate.low, rate.high))
    rows = [
        {
            "itl": 1e3 * s.itl_s,
            "rate": s.tokens_per_s,
            "low": s.tokens_per_s * math.exp(low),
            "high": s.tokens_per_s * math.exp(high),
            "batch": number(s.batch, language),
        }
        for s in curve(found)
    ]

    def chart(size: Size) -> Any:
        base = alt.Chart(alt.Data(values=rows)).encode(
            x=alt.X("itl:Q", title=_say(language, "axis_itl"), scale=alt.Scale(zero=False))
        )
        over = alt.Y("rate:Q", title=_say(language, "axis_rate"))
        band = base.mark_area(color=ACCENT, opacity=0.15).encode(y="low:Q", y2="high:Q")
        line = base.mark_line(color=ACCENT, point=alt.OverlayMarkDef(color=ACCENT)).encode(y=over)
        names = base.mark_text(dx=-10, dy=-8, color=QUIET, fontSize=size.font - 2).encode(
            y=over, text="batch:N"
        )
        limit = alt.Chart(alt.Data(values=[{"itl": 1e3 * found.itl_limit_s}]))
        rule = limit.mark_rule(color=QUIET, strokeDash=[4, 3]).encode(x="itl:Q")
        return alt.layer(band, line, names, rule).properties(width=size.width - 120, height=260)

    return draw("capacity", chart, Voice(language=language, currency="")).wide


def _as_data(found: Capacity, stack: str) -> dict[str, Any]:
    from pydantic import TypeAdapter

    from sazon.economics import curve

    told = TypeAdapter(type(found)).dump_python(found, mode="json")
    return {"stack": stack, **told, "curve": TypeAdapter(Any).dump_python(list(curve(found)), mode="json")}


def _figures(value: float, language: Language) -> str:
    return three_figures(value, language, decimals=4)


def _exact(value: float, language: Language) -> str:
    """A number that was given, with the decimals it has."""
    return number(value, language, digits=len(f"{value:.6g}".partition(".")[2]))


def _say(language: Language, key: str, /, **values: object) -> str:
    return say("sazon.cli", language, f"capacity.{key}", **values)
