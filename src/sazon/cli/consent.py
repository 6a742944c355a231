"""`sazon consent`: who opted in to what, given, ended, imported, shown, explained."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sazon.cli.speaking import speaking_plainly
from sazon.core.words import LANGUAGES, Language, say

if TYPE_CHECKING:
    from sazon.policy.consent import Record

WORDS = "sazon.cli"
app = typer.Typer(
    name="consent",
    no_args_is_help=True,
    help="Who opted in to what. Only what is given here, signed and unexpired, lets anything leave.",
)
RecipeArgument = Annotated[Path, typer.Argument(help="A recipe (YAML) with a policy section.")]
Subject = Annotated[str, typer.Option("--subject", help="Whose data it is, as the data names them.")]
Purposes = Annotated[
    list[str],
    typer.Option("--purpose", help="adapt, evaluate, federate, infer.external or ledger. Repeatable."),
]
To = Annotated[
    str, typer.Option("--to", help="Provider or site, as the recipe names it; none: inside the house.")
]
Classes = Annotated[
    list[str], typer.Option("--class", help="public, internal, personal or special. Repeatable.")
]
Lang = Annotated[str | None, typer.Option("--lang", help="es or en; default: the recipe's.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for machines.")]


@app.command()
def grant(
    recipe: RecipeArgument,
    subject: Subject,
    purpose: Purposes,
    data_class: Classes,
    notice: Annotated[Path, typer.Option("--notice", help="File with the notice the person was shown.")],
    days: Annotated[float, typer.Option("--days", help="How long it holds.", min=0.0001)] = 365.0,
    to: To = "",
    basis: Annotated[str, typer.Option("--basis", help="Legal basis.")] = "consent",
    as_json: Json = False,
) -> None:
    """Record that a person opted in: one signed record for each purpose.

    Example: [cyan]sazon consent grant recipe.yaml --subject c-118 --purpose infer.external --to frontier
    --class personal --notice notice.txt[/cyan]
    """
    from sazon import pipeline
    from sazon.pipeline import consenting

    with speaking_plainly(as_json=as_json):
        given = consenting.grant_consent(
            pipeline.recipe_of(recipe),
            subject=subject,
            purposes=purpose,
            recipient=to,
            classes=data_class,
            notice=notice,
            days=days,
            basis=basis,
        )
        _show(given, as_json=as_json)


@app.command()
def withdraw(
    recipe: RecipeArgument,
    id_: Annotated[str | None, typer.Option("--id", help="One consent.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="All consents of a person.")] = None,
    lang: Lang = None,
    as_json: Json = False,
) -> None:
    """End consents from now on, and list what had been made with that person's data.

    Example: [cyan]sazon consent withdraw recipe.yaml --subject c-118[/cyan]
    """
    from sazon import pipeline
    from sazon.pipeline import consenting

    with speaking_plainly(as_json=as_json):
        wanted = pipeline.recipe_of(recipe)
        ended, made = consenting.withdraw_consent(wanted, id_=id_, subject=subject)
        if as_json:
            typer.echo(json.dumps({"ended": [_facts(r) for r in ended], "made_with": list(made)}))
            return
        _show(ended, as_json=False)
        language = _language(lang, wanted.config.report.language)
        if made:
            typer.echo(say(WORDS, language, "consent.made_with"))
        for line in made:
            typer.echo(f"  {line}")


@app.command(name="list")
def list_(
    recipe: RecipeArgument,
    subject: Annotated[str | None, typer.Option("--subject", help="Of this person alone.")] = None,
    as_json: Json = False,
) -> None:
    """Show the register of consents as it stands.

    Example: [cyan]sazon consent list recipe.yaml[/cyan]
    """
    from sazon import pipeline
    from sazon.pipeline import consenting

    with speaking_plainly(as_json=as_json):
        _show(consenting.consents_of(pipeline.recipe_of(recipe), subject=subject), as_json=as_json)


@app.command()
def missing(
    recipe: RecipeArgument,
    candidate: Annotated[str, typer.Argument(help="A candidate that asks a provider.")],
    offline: Annotated[bool, typer.Option("--offline", help="Refuse every download.")] = False,
    lang: Lang = None,
    as_json: Json = False,
) -> None:
    """List every consent that measuring a provider lacks, person by person; nothing is sent.

    Example: [cyan]sazon consent missing recipe.yaml frontier[/cyan]
    """
    from sazon import pipeline
    from sazon.pipeline import consenting
    from sazon.policy.ruling import missing_words

    with speaking_plainly(as_json=as_json):
        wanted = pipeline.recipe_of(recipe)
        language = _language(lang, wanted.config.report.language)
        lacks = consenting.missing_consents(wanted, candidate, offline=offline)
        if as_json:
            typer.echo(json.dumps([asdict(one) for one in lacks], ensure_ascii=False))
            return
        for one in lacks:
            # A subject's name comes from outside: nothing in it may steer the terminal.
            typer.echo(_plain(missing_words(one, language)))
        typer.echo(say(WORDS, language, "consent.missing", count=len(lacks)))


@app.command(name="import")
def import_(
    recipe: RecipeArgument,
    file: Annotated[Path, typer.Argument(help="JSON lines: subject, purpose, recipient, classes, …")],
    as_json: Json = False,
) -> None:
    """Take consents collected elsewhere into the register, all or none.

    Example: [cyan]sazon consent import recipe.yaml collected.jsonl[/cyan]
    """
    from sazon import pipeline
    from sazon.pipeline import consenting

    with speaking_plainly(as_json=as_json):
        _show(consenting.import_consents(pipeline.recipe_of(recipe), file), as_json=as_json)


@app.command()
def receipt(
    recipe: RecipeArgument,
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the consent.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write it to a file.")] = None,
) -> None:
    """Print the receipt of a consent as JSON-LD, with the signed lines and the proof from the log.

    Example: [cyan]sazon consent receipt recipe.yaml 5f1c0a9e77b3d214[/cyan]
    """
    from sazon import pipeline
    from sazon.core.run import write_aside
    from sazon.pipeline import consenting

    with speaking_plainly():
        made = consenting.receipt_of(pipeline.recipe_of(recipe), id_)
        text = json.dumps(made, indent=1, ensure_ascii=False)
        if out is None:
            typer.echo(text)
        else:
            write_aside(out, text + "\n")


@app.command()
def explain(
    recipe: RecipeArgument,
    subject: Subject,
    data_class: Annotated[str, typer.Option("--class", help="public, internal, personal or special.")],
    to: Annotated[str, typer.Option("--to", help="Provider, as the recipe names it.")],
    lang: Lang = None,
    as_json: Json = False,
) -> None:
    """Say in words whether this person's data could leave for this provider, and what is missing.

    Example: [cyan]sazon consent explain recipe.yaml --subject c-118 --class personal --to frontier[/cyan]
    """
    from sazon import pipeline
    from sazon.pipeline import consenting

    with speaking_plainly(as_json=as_json):
        wanted = pipeline.recipe_of(recipe)
        language = _language(lang, wanted.config.report.language)
        ruling = consenting.explain_consent(wanted, subject=subject, data_class=data_class, provider=to)
        told = ruling.explained(language)
        if as_json:
            about = {"allow": ruling.allow, "reason": ruling.reason, "consents": list(ruling.consents)}
            typer.echo(json.dumps(about | {"words": list(told)}, ensure_ascii=False))
        else:
            typer.echo("\n".join(told))


def _plain(text: str) -> str:
    """Text with everything in it that a terminal would carry out made visible."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _language(given: str | None, default: Language) -> Language:
    if given is not None and given not in LANGUAGES:
        raise typer.BadParameter(f"choose from {', '.join(LANGUAGES)}")
    return default if given is None else "es" if given == "es" else "en"


def _facts(record: Record) -> dict[str, Any]:
    from sazon.policy.register import json_of

    ended = {"ended": record.ended} if record.ended is not None else {}
    return json_of(record) | ended | {"state": record.state(time.time())}


def _show(records: tuple[Record, ...], *, as_json: bool) -> None:
    """One line a consent."""
    if as_json:
        typer.echo(json.dumps([_facts(record) for record in records], ensure_ascii=False))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("id", "subject", "purpose", "to", "classes", "until", "state"):
        table.add_column(column, overflow="fold", no_wrap=column in ("id", "purpose", "until"))
    for record in records:
        facts = _facts(record)
        cells = (
            record.id,
            record.subject,
            record.purpose,
            record.recipient or "–",
            ", ".join(facts["classes"]),
            facts["expires"][:10],
            facts["state"],
        )
        # A subject's name comes from outside: nothing in it may steer the terminal.
        table.add_row(*(escape(_plain(cell)) for cell in cells))
    Console().print(table)
