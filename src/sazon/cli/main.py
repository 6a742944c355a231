"""All commands of `sazon`, and how errors and exit codes look.

Exit codes: 0 done or decided, 1 a bug (traceback), 2 the recipe or the data is wrong,
3 the environment lacks something, 4 undecided.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from sazon.cli import audit, consent, keys
from sazon.cli.arguments import Json, Offline, Out, RecipeArgument, Record, Set, Spend, Yes
from sazon.cli.speaking import speaking_plainly

UNDECIDED = 4

app = typer.Typer(
    name="sazon",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Rent the frontier, buy the hardware, or season your own model? Evidence, a decision, a gateway.",
    epilog="Start here: [bold]sazon demo[/bold]   Then: [bold]sazon init mine.csv[/bold]",
)

app.add_typer(consent.app, name="consent")
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")

# --------------------------------------------------------------------------- start


@app.command()
def demo(
    data: Annotated[Path | None, typer.Option("--data", help="Your own CSV, JSONL or Parquet file.")] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Download and use a public data set (Banking77).")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option("--against", help="Base URL of an OpenAI-compatible endpoint to measure as well."),
    ] = None,
    model: Annotated[str, typer.Option("--model", help="Model name at --against.")] = "default",
    key: Annotated[
        str | None, typer.Option("--key", help="Environment variable holding the key of --against.")
    ] = None,
    price: Annotated[
        str | None,
        typer.Option("--price", help="List price of --against, as genai:provider/model."),
    ] = None,
    spend: Annotated[float, typer.Option("--spend", help="Most money --against may cost.")] = 0.0,
    yes: Annotated[bool, typer.Option("--yes", help="Give the consent that --against asks for.")] = False,
    language: Annotated[str, typer.Option("--lang", help="Language of verdict and report: es or en.")] = "en",
    out: Out = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """The main job on shipped data: no network, GPU, key or server.

    Example: [cyan]sazon demo --lang es[/cyan]
    """
    from sazon import pipeline
    from sazon.cli import show
    from sazon.cli.progress import Progress

    with speaking_plainly(as_json=as_json):
        changes = [f"report.language={language}", *(overrides or [])]
        chosen = pipeline.demo_recipe(data=data, public=public, overrides=changes)
        # Only invented texts are shown at the gate.
        shipped = data is None and not public
        if against is not None:
            recording = pipeline.record_demo(
                chosen,
                url=against,
                model=model,
                key=key,
                spend=spend,
                price=price,
                ask=lambda text: show.consent(text, yes=yes),
                offline=not public,
            )
            chosen = pipeline.with_recording(chosen, recording, url=against, model=model, price=price)
        with Progress(chosen, quiet=as_json) as progress:
            outcome = pipeline.run(chosen, out=out, offline=not public, at_the_gate=shipped, emit=progress)
        show.outcome(outcome, language=chosen.config.report.language, as_json=as_json)


@app.command()
def init(
    data: Annotated[Path, typer.Argument(help="CSV, JSONL or Parquet with your rows.")],
    out: Annotated[Path, typer.Option("--out", help="Where the recipe goes.")] = Path("recipe.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    as_json: Json = False,
) -> None:
    """Look at a data file and write a recipe that runs as it is.

    Example: [cyan]sazon init data.csv[/cyan]
    """
    from sazon import pipeline

    with speaking_plainly(as_json=as_json):
        text = pipeline.init(data, out=out, force=force)
        if as_json:
            typer.echo(json.dumps({"recipe": str(out)}))
        else:
            typer.echo(text)
            typer.echo(f"Written to {out}. Next: sazon check {out}")


@app.command()
def check(
    recipe: RecipeArgument, overrides: Set = None, offline: Offline = False, as_json: Json = False
) -> None:
    """Check recipe and data before any work, and say what would happen.

    Example: [cyan]sazon check recipe.yaml[/cyan]
    """
    from sazon import pipeline
    from sazon.cli import show

    with speaking_plainly(as_json=as_json):
        wanted = pipeline.recipe_of(recipe, overrides or [])
        show.findings(pipeline.check(wanted, offline=offline), as_json=as_json)


@app.command()
def explain(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe or the directory of a run.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of recipes.")] = False,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Print every resolved value of a recipe, and why.

    Example: [cyan]sazon explain recipe.yaml[/cyan]
    """
    from sazon import pipeline
    from sazon import recipe as recipes
    from sazon.cli import show

    with speaking_plainly(as_json=as_json):
        if schema:
            typer.echo(json.dumps(recipes.json_schema(), indent=2, ensure_ascii=False))
            return
        if recipe is None:
            raise typer.BadParameter("name a recipe, or use --schema")
        show.explained(pipeline.explain(pipeline.recipe_of(recipe, overrides or [])), as_json=as_json)


# ----------------------------------------------------------------------------- run


def _carry(
    recipe: Path,
    stage: str,
    *,
    only: str | None = None,
    out: Path | None,
    overrides: list[str] | None,
    offline: bool,
    as_json: bool,
    recorded: list[str] | None = None,
    spend: float | None = None,
    yes: bool = False,
) -> None:
    """Carry a recipe as far as one stage, or make only one stage's candidates."""
    from sazon import pipeline
    from sazon.cli import show
    from sazon.cli.progress import Progress

    with speaking_plainly(as_json=as_json):
        wanted = pipeline.recipe_of(recipe, overrides or [])
        directory = out or (recipe if recipe.is_dir() else None)
        if recorded:

            def ask(text: str) -> bool:
                return show.consent(text, yes=yes, aside=as_json)

            names = [name for name in recorded if name != pipeline.JUDGE]
            made = pipeline.record_candidates(wanted, names, ask=ask, spend=spend, offline=offline)
            if pipeline.JUDGE in recorded:
                # Last: it judges the answers of the others, which may have been recorded just now.
                names.append(pipeline.JUDGE)
                with Progress(wanted, quiet=as_json) as progress:
                    asking = pipeline.prepare_judge(wanted, out=directory, offline=offline, emit=progress)
                made.append(pipeline.record_answers(wanted, asking, ask=ask, spend=spend))
            show.recorded(names, made, language=wanted.config.report.language)
        with Progress(wanted, quiet=as_json) as progress:
            outcome = pipeline.run(
                wanted, out=directory, offline=offline, until=stage, only=only, emit=progress
            )
        show.outcome(outcome, language=wanted.config.report.language, as_json=as_json)
        if outcome.decision is not None and outcome.decision.status == "undecided":
            raise typer.Exit(UNDECIDED)


def _through(stage: str, only: str | None = None) -> Callable[..., None]:
    """The command that carries a recipe as far as one stage."""

    def command(
        recipe: RecipeArgument,
        out: Out = None,
        overrides: Set = None,
        offline: Offline = False,
        as_json: Json = False,
    ) -> None:
        _carry(recipe, stage, only=only, out=out, overrides=overrides, offline=offline, as_json=as_json)

    return command


def _asking(stage: str) -> Callable[..., None]:
    """The same for a stage before which providers may be asked."""

    def command(
        recipe: RecipeArgument,
        record: Record = None,
        spend: Spend = None,
        yes: Yes = False,
        out: Out = None,
        overrides: Set = None,
        offline: Offline = False,
        as_json: Json = False,
    ) -> None:
        _carry(
            recipe,
            stage,
            out=out,
            overrides=overrides,
            offline=offline,
            as_json=as_json,
            recorded=record,
            spend=spend,
            yes=yes,
        )

    return command


for _name, _stage, _about in (
    ("run", "report", "Carry a recipe through to its decision and report; goes on where it was stopped."),
    ("adapt", "adapt", "Make every candidate of a recipe: train, tune, distil, federate."),
    ("federate", "adapt", "Train the federated candidates of a recipe over their sites."),
    ("evaluate", "evaluate", "Answer the test set with every candidate and compare them."),
    ("report", "report", "Write the report of a run."),
):
    app.command(_name, help=f"{_about}\n\nExample: [cyan]sazon {_name} recipe.yaml[/cyan]")(
        _asking(_stage)
        if _name in ("run", "evaluate")
        else _through(_stage, "federate" if _name == "federate" else None)
    )


@app.command(name="economics")
def economics_(
    recipe: RecipeArgument,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            help="Price under another value of the economics too, e.g. demand.requests_per_day=1000,50000"
            " (commas: a sweep). May be repeated; each is a change by itself.",
        ),
    ] = None,
    out: Out = None,
    overrides: Set = None,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Simulate what every candidate costs over the horizon, and under other assumptions.

    Example: [cyan]sazon economics recipe.yaml --what-if demand.requests_per_day=1000,50000[/cyan]
    """
    from sazon import pipeline
    from sazon.cli import show
    from sazon.cli.progress import Progress

    if not changes:
        _carry(recipe, "economics", out=out, overrides=overrides, offline=offline, as_json=as_json)
        return
    with speaking_plainly(as_json=as_json):
        wanted = pipeline.recipe_of(recipe, overrides or [])
        directory = out or (recipe if recipe.is_dir() else None)
        with Progress(wanted, quiet=as_json) as progress:
            variants = pipeline.what_if(wanted, changes, out=directory, offline=offline, emit=progress)
        show.variants(variants, language=wanted.config.report.language, as_json=as_json)


@app.command()
def decide(
    recipes: Annotated[
        list[Path],
        typer.Argument(help="A recipe or the directory of a run; several finished runs: together."),
    ],
    out: Out = None,
    overrides: Set = None,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Say which candidate is best, how sure that is, and what would change it.

    Several finished runs are decided together: what stands on the same machines shares them.

    Example: [cyan]sazon decide recipe.yaml[/cyan]
    """
    if len(recipes) == 1:
        _carry(recipes[0], "decide", out=out, overrides=overrides, offline=offline, as_json=as_json)
        return
    from sazon.cli import together

    with speaking_plainly(as_json=as_json):
        together.decide(recipes, alone=bool(out or overrides), as_json=as_json)


@app.command()
def serve(
    run: Annotated[Path, typer.Argument(help="Directory of a finished run.")],
    candidate: Annotated[
        str | None, typer.Option("--candidate", help="Serve this one instead of the decision's choice.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port; 0 takes any free one.")] = None,
) -> None:
    """Answer on 127.0.0.1 with the chosen local candidate; a provider only where policy and people allow.

    Example: [cyan]sazon serve runs/front-desk-1a2b3c4d5e[/cyan]
    """
    from sazon import pipeline

    with speaking_plainly():
        pipeline.serve(run, candidate=candidate, port=port)


@app.command()
def capacity(
    requests_per_second: Annotated[float, typer.Option(help="Requests a second at the peak.")],
    tokens_in: Annotated[float, typer.Option("--input", help="Mean input tokens a request.")],
    tokens_out: Annotated[float, typer.Option("--output", help="Mean output tokens a request.")],
    model: Annotated[str | None, typer.Option(help="An open model of the catalogue.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="config.json of another model, as its model card has it.")
    ] = None,
    parameters: Annotated[
        float | None, typer.Option(help="Parameters of that model; default: counted from its layers.")
    ] = None,
    gpu: Annotated[str, typer.Option(help="A GPU of the catalogue.")] = "h100",
    gpus: Annotated[int | None, typer.Option(help="GPUs a replica; default: what serves most a GPU.")] = None,
    itl_ms: Annotated[float, typer.Option(help="Longest time between two output tokens.")] = 50.0,
    ttft_ms: Annotated[float, typer.Option(help="Longest time to the first token, 95 % of requests.")] = 2000,
    spares: Annotated[int, typer.Option(help="Replicas beyond need.")] = 1,
    precision: Annotated[str | None, typer.Option(help="fp4, fp8 or bf16; default: fp8 if it can.")] = None,
    stack: Annotated[str, typer.Option(help="Serving stack: tensorrt-llm, other, …")] = "other",
    measured: Annotated[
        Path | None,
        typer.Option(help="CSV of your own: concurrency, input, output, tokens_per_s; needs --gpus."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write throughput against latency as SVG.")] = None,
    language: Annotated[str, typer.Option("--lang", help="Language: es or en.")] = "en",
    as_json: Json = False,
) -> None:
    """GPUs, throughput and latency of a large open model at a peak rate, with error bands.

    Example: [cyan]sazon capacity --model llama-3.3-70b --requests-per-second 9 --input 900 --output 90[/cyan]
    """
    from sazon.cli import sizing

    with speaking_plainly(as_json=as_json):
        found = sizing.found(
            model=model,
            config=config,
            parameters=parameters,
            gpu=gpu,
            requests_per_s=requests_per_second,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            itl_s=itl_ms / 1e3,
            ttft_s=ttft_ms / 1e3,
            spares=spares,
            gpus=gpus,
            precision=precision,
            stack=stack,
            measured=measured,
        )
        sizing.show(
            found, stack=stack, told_gpus=gpus is not None, language=language, as_json=as_json, plot=plot
        )


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Directory of a run.")],
    candidate: Annotated[str, typer.Argument(help="Name of the candidate.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the artifact and its model card.")],
    as_json: Json = False,
) -> None:
    """Hand a trained candidate over: weights, tokenizer, label map and model card.

    Example: [cyan]sazon export runs/front-desk-1a2b3c4d5e tuned --out front-desk-model[/cyan]
    """
    from sazon import pipeline

    with speaking_plainly(as_json=as_json):
        made = pipeline.export(run, candidate, out=out)
        if as_json:
            typer.echo(json.dumps({"folder": str(made), "files": sorted(p.name for p in made.iterdir())}))
        else:
            typer.echo(f"Written to {made}. What it is stands in {made / 'README.md'}.")


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from sazon.core import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> Any:
    """Entry point of the `sazon` command."""
    # Names and texts may hold any character; a terminal that cannot show one gets a substitute.
    # Lines come out as they are said, also into a pipe: whoever starts `serve` waits for its address.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace", line_buffering=True)  # type: ignore[union-attr]
    if "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        # One of several that torchrun started: all but the first only take part in training.
        from sazon.adapt.follower import follow, follows

        if follows():
            return follow()
    return app()
