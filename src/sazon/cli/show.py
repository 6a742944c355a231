"""What commands print at the end: tables for people, JSON for machines."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sazon.core.types import Estimate, Finding
from sazon.core.words import Language, number, say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from sazon.core.exchange import Exchanges
    from sazon.core.outlook import Crossing
    from sazon.evaluate.record import Recording
    from sazon.pipeline import Outcome, Variant
    from sazon.recipe.explain import Explained

_WIDEST = 400
WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "accuracy": "accuracy %, 95 %", "mixed_accuracy": "accuracy %, 95 % (A: 80 %)",
        "assumed_accuracy": "accuracy %",
        "cost": "{currency} per 1,000 right", "best": "P(best) %",
        "total": "total {currency}, P10–P90", "report": "Report",
        "renew": "Report of this: sazon report {run}",
        "measured": "M", "published": "P", "assumed": "A",
        "recorded": "{name}: {asked} texts asked, {failed} without a label, {kept} known, {money}: {path}",
        "unsent": "{name}: not sent: {blocked} cannot be looked into, {withdrawn} lack consent by now",
        "legend": "M measured · P published · A assumed",
        "as_is": "as the recipe says",
        "cheapest": "cheapest in %", "even": "break-even, requests a day",
        "renew_recipe": "With data, the whole decision: sazon run RECIPE",
        "nowhere": "none in {share} %",
        "level": "Break-even: the demand at which it costs as much as the cheapest other one, P50 (P10–P90),"
        " and in how many futures no demand does.",
        "variants": "Median total, errors included, the lowest first; the same futures for every line.",
    },
    "es": {
        "accuracy": "aciertos %, 95 %", "mixed_accuracy": "aciertos %, 95 % (S: 80 %)",
        "assumed_accuracy": "aciertos %",
        "cost": "{currency} por 1.000 aciertos", "best": "P(mejor) %",
        "total": "total {currency}, P10–P90", "report": "Informe",
        "renew": "Informe de esto: sazon report {run}",
        "measured": "M", "published": "P", "assumed": "S",
        "recorded": "{name}: {asked} consultados, {failed} sin etiqueta, {kept} ya sabidos, {money}: {path}",
        "unsent": "{name}: sin enviar: {blocked} sin inspeccionar, {withdrawn} ya sin consentimiento",
        "legend": "M medido · P publicado · S supuesto",
        "as_is": "como dice la receta",
        "cheapest": "la más barata, %", "even": "punto de equilibrio, consultas al día",
        "renew_recipe": "Con datos, la decisión entera: sazon run RECETA",
        "level": "Punto de equilibrio: demanda a la que cuesta lo mismo que la más barata de las demás,"
        " P50 (P10–P90), y en cuántos futuros ninguna lo hace.",
        "nowhere": "ninguno en el {share} %",
        "variants": "Total mediano, errores incluidos, el más bajo primero; cada línea, los mismos futuros.",
    },
}  # fmt: skip


def outcome(result: Outcome, *, language: Language, as_json: bool) -> None:
    """The table of candidates, the verdict in one sentence, the path of the report."""
    if as_json:
        _print_json(_as_data(result))
        return
    from rich.console import Console
    from rich.table import Table

    words = WORDS[language]
    currency = result.costs.currency if result.costs is not None else ""
    priced = result.costs is not None and result.decision is None
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    mixed = any(row["kind"] == "assumed" for row in result.table)
    first = "assumed_accuracy" if result.without_data else "mixed_accuracy" if mixed else "accuracy"
    for key in (first, "cost", "total", *(("cheapest", "even") if priced else ("best",))):
        table.add_column(words[key].format(currency=currency), justify="right")
    for row in result.table:
        last = [_share(row["p_best"], language, interval=False)]
        if priced:
            last = [_share(row["p_cheapest"], language, interval=False), _level(row["break_even"], language)]
        table.add_row(
            f"{row['candidate']} ({words[row['kind']]})",
            _share(row["accuracy"], language),
            _money(row["per_1000_correct"], language),
            _range(row["total"], language),
            *last,
        )
    console = Console()
    print_whole(table, console)
    console.print(words["legend"], style="dim")
    if priced:
        console.print(words["level"], style="dim")
    if result.decision is not None:
        from sazon import decide

        console.print()
        console.print(decide.verdict(result.decision, language), markup=False, highlight=False)
    if result.without_data:
        for note in result.findings:
            console.print(note.says.words(language), markup=False, highlight=False)
        typer.echo(words["renew_recipe"])
    elif result.reported:
        typer.echo(f"{words['report']}: {_shown(result.report)}")
    else:
        typer.echo(words["renew"].format(run=_shown(result.directory)))
    if result.exchanges is not None:
        _at_the_gate(result.exchanges, _shown(result.directory), language)


def _at_the_gate(found: Exchanges, run: Path, language: Language) -> None:
    """One message refused and allowed, and what proves it, a line each."""

    def line(key: str, **values: object) -> None:
        typer.echo(say("sazon.cli", language, f"gate.{key}", **values))

    typer.echo()
    line("title", subject=found.exchanges[0].subject)
    for one in found.exchanges:
        ruling = one.ruling.words(language)
        if one.allowed:
            line("allowed", ruling=ruling)
            line("restored" if one.restored else "not_restored", markers=" ".join(one.markers))
        else:
            line("refused", ruling=ruling, count=one.bytes_left)
    line("proof", sent=found.sent, entries=found.entries)
    line("verified" if found.verified else "not_verified", folder=run / "policy")


def variants(found: Sequence[Variant], *, language: Language, as_json: bool) -> None:
    """A table of what everything costs under each change, the cheapest of each line marked."""
    if as_json:
        _print_json([{"change": v.change, "currency": v.costs.currency, **_totals(v)} for v in found])
        return
    from rich.console import Console
    from rich.table import Table

    words = WORDS[language]
    table = Table(box=None, pad_edge=False)
    table.add_column("", overflow="fold")
    table.add_column("")
    table.add_column(words["total"].format(currency=found[0].costs.currency), justify="right")
    table.add_column(words["cheapest"], justify="right")
    for variant in found:
        of = variant.costs.summary
        middle = {name: of[name]["total"].value or math.inf for name in variant.costs.candidates}
        said = variant.change or words["as_is"]
        for name in sorted(middle, key=lambda name: middle[name]):
            total = f"{three_figures(middle[name], language)} ({_range(of[name]['total'], language)})"
            table.add_row(said, name, total, _share(of[name]["p_cheapest"], language, interval=False))
            said = ""
    console = Console()
    print_whole(table, console)
    console.print(words["variants"], style="dim")


def _totals(variant: Variant) -> dict[str, Any]:
    keys = ("total", "per_1000_requests", "per_1000_correct", "p_cheapest")
    summary = variant.costs.summary
    return {"candidates": {n: {k: _plain(summary[n][k]) for k in keys} for n in variant.costs.candidates}}


def consent(text: str, *, yes: bool, aside: bool = False) -> bool:
    """Print what would leave and return whether the person agrees; `aside`: not where the result goes."""
    typer.echo(text, err=aside)
    return yes or typer.confirm("?", err=aside)


def recorded(names: Sequence[str], made: Sequence[Recording], *, language: Language) -> None:
    """What recording came to, a line a candidate, beside the result."""
    for name, recording in zip(names, made, strict=True):
        spent = recording.spent
        money = f"{number(spent.value, language, digits=4)} {spent.unit}" if spent.value is not None else "–"
        line = WORDS[language]["recorded"].format(
            name=name,
            asked=number(recording.asked, language),
            failed=number(recording.failed, language),
            kept=number(recording.kept, language),
            money=money,
            path=_shown(recording.path),
        )
        typer.echo(line, err=True)
        if recording.blocked or recording.not_consented:
            stayed = WORDS[language]["unsent"].format(
                name=name,
                blocked=number(recording.blocked, language),
                withdrawn=number(recording.not_consented, language),
            )
            typer.echo(stayed, err=True)


def findings(found: Sequence[Finding], *, as_json: bool) -> None:
    """What the check saw, errors first."""
    if as_json:
        keys = ("level", "what", "where", "mend", "count")
        _print_json([{key: getattr(f, key) for key in keys} for f in found])
        return
    order = {"error": 0, "warning": 1, "note": 2}
    for f in sorted(found, key=lambda f: order[f.level]):
        where = f" ({f.where})" if f.where else ""
        mend = f" {f.mend}" if f.mend else ""
        typer.echo(f"{f.level}: {f.what}{where}{mend}")


def explained(rows: Sequence[Explained], *, as_json: bool) -> None:
    """Every value with its origin and reason."""
    if as_json:
        _print_json(
            [{"path": r.path, "value": _plain(r.value), "origin": r.origin, "why": r.why} for r in rows]
        )
        return
    for r in rows:
        typer.echo(f"{r.path} = {json.dumps(_plain(r.value), ensure_ascii=False)}  [{r.origin}] {r.why}")


def _as_data(result: Outcome) -> dict[str, Any]:
    from pydantic import TypeAdapter

    decision = result.decision
    priced = {"costs": _costs(result)} if result.costs is not None and decision is None else {}
    return (
        priced
        | {
            "directory": str(result.directory),
            "report": str(result.report) if result.reported else None,
            "table": TypeAdapter(list[dict[str, Any]]).dump_python(result.table, mode="json"),
            "decision": TypeAdapter(type(decision)).dump_python(decision, mode="json") if decision else None,
        }
        | ({"policy": _plain(result.exchanges)} if result.exchanges is not None else {})
    )


def _costs(result: Outcome) -> dict[str, Any]:
    """Everything economics found but the draws."""
    costs = result.costs
    if costs is None:
        return {}
    names = ("currency", "months", "prices_as_of", "summary", "drivers", "outlook", "inputs")
    return {"without_data": result.without_data} | {n: _plain(getattr(costs, n)) for n in names}


def _share(estimate: Estimate | None, language: Language, *, interval: bool = True) -> str:
    if estimate is None or estimate.value is None:
        return "–"
    text = number(100 * estimate.value, language, digits=1)
    if interval and estimate.low is not None and estimate.high is not None:
        low, high = (number(100 * x, language, digits=1) for x in (estimate.low, estimate.high))
        text += f" ({low}–{high})"
    return text


def _money(estimate: Estimate | None, language: Language) -> str:
    if estimate is None or estimate.value is None:
        return "–"
    return three_figures(estimate.value, language)


def _range(estimate: Estimate | None, language: Language) -> str:
    if estimate is None or estimate.low is None or estimate.high is None:
        return "–"
    return f"{three_figures(estimate.low, language)}–{three_figures(estimate.high, language)}"


def _level(found: Crossing | None, language: Language) -> str:
    """A demand with its range, and in how many futures there is none."""
    if found is None:
        return "–"
    nowhere = _share(found.nowhere, language, interval=False)
    told = WORDS[language]["nowhere"].format(share=nowhere)
    if found.at.value is None:
        return told
    return f"{three_figures(found.at.value, language, decimals=0)} ({_range(found.at, language)}); {told}"


def print_whole(table: Table, console: Console) -> None:
    """Print a table without losing a digit: into a file or a pipe as wide as it is, on a screen wrapped."""
    for column in table.columns:
        column.overflow = "fold"
    if not console.is_terminal:
        from rich.console import Console

        needed = table.__rich_measure__(console, console.options.update(max_width=_WIDEST)).maximum
        console = Console(width=max(console.width, needed))
    console.print(table)


def three_figures(amount: float, language: Language, *, decimals: int = 2) -> str:
    """Three significant digits, at most so many decimals: what is simulated says no more."""
    if amount == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(amount)))
    if abs(amount) < 0.1:
        decimals = max(decimals, 4)
    return number(round(amount, digits), language, digits=min(decimals, max(0, digits)))


def _shown(path: Path) -> Path:
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def _plain(value: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Any).dump_python(value, mode="json")


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1, default=str))
