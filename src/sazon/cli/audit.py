"""`sazon audit`: check the log, prove something from it, look at its end, hand it over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sazon.cli.audit_options import (
    anchors_in,
    fields,
    moment,
    open_log,
    pairs,
    public_of,
    see_that_they_exist,
    standing,
    strangers,
)
from sazon.cli.speaking import speaking_plainly

if TYPE_CHECKING:
    from sazon.core.words import Language
    from sazon.policy.audit.checkpoint import Checkpoint
    from sazon.policy.audit.claims import Answer

app = typer.Typer(no_args_is_help=True, help="Check the audit log and prove things from it.")

StoreUrl = Annotated[
    str, typer.Option("--store", help="Where the log lies: sqlite:///FILE or postgresql://…")
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        help="The log's Ed25519 key, hexadecimal or a PEM file, for whoever has no keyring; default: the"
        " recipe's keyring.",
    ),
]
Recipe = Annotated[
    Path, typer.Option("--recipe", help="Whose log, where no --key is given: store and keys of its policy.")
]
Anchor = Annotated[
    Path | None,
    typer.Option("--anchor", help="File of checkpoints kept where the log's keeper cannot write."),
]
Since = Annotated[str | None, typer.Option("--since", help="First moment: 2026-11-03 or with time and zone.")]
Until = Annotated[str | None, typer.Option("--until", help="First moment not asked about any more.")]
Lang = Annotated[str, typer.Option("--lang", help="Language: es or en.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for machines.")]
DEFAULT_STORE, DEFAULT_RECIPE = "sqlite:///.sazon/policy.db", Path("recipe.yaml")


@app.command()
def verify(
    proof: Annotated[
        Path | None, typer.Argument(help="A dossier, proof or checkpoint to check instead of the log.")
    ] = None,
    key: Key = None,
    recipe: Recipe = DEFAULT_RECIPE,
    store: StoreUrl = DEFAULT_STORE,
    anchor: Anchor = None,
    language: Lang = "en",
    as_json: Json = False,
) -> None:
    """Recompute the whole log, or check a file that was handed over; exit code 2 where it does not hold.

    Example: [cyan]sazon audit verify --recipe recipe.yaml --anchor anchors.txt[/cyan]
    """
    from sazon.core.errors import IntegrityError

    with speaking_plainly(as_json=as_json):
        say = _sayer(language)
        anchors = anchors_in(anchor)
        if proof is not None:
            _show(_checked(proof, public_of(key, recipe), anchors, say), as_json=as_json)
            return
        found = open_log(store, key, recipe).verify(*anchors)
        problems = [problem.words(_language(language)) for problem in found.problems]
        if problems:
            # One that stands for all: the others follow it on their own lines.
            raise IntegrityError(
                problems[0] if len(problems) == 1 else say("problems", problems="\n".join(problems))
            )
        words = say("whole", size=found.size) if found.size else say("empty")
        words += " " + (say("unanchored") if found.anchored is None else say("anchored", size=found.anchored))
        _show(
            {"size": found.size, "root": found.root.hex(), "anchored": found.anchored, "words": words},
            as_json=as_json,
        )


@app.command()
def prove(
    out: Annotated[Path, typer.Option("--out", help="File for the dossier or proof.")],
    since: Since = None,
    until: Until = None,
    event: Annotated[str, typer.Option("--event", help="Kind of entry: sent, ruling, consent, …")] = "sent",
    classes: Annotated[list[str] | None, typer.Option("--class", help="Data class. Repeatable.")] = None,
    provider: Annotated[list[str] | None, typer.Option("--provider", help="Provider. Repeatable.")] = None,
    purpose: Annotated[list[str] | None, typer.Option("--purpose", help="Purpose. Repeatable.")] = None,
    further: Annotated[
        list[str] | None, typer.Option("--where", help="Another field: name=value. Repeatable.")
    ] = None,
    index: Annotated[int | None, typer.Option("--index", help="Prove one entry instead of counting.")] = None,
    opened: Annotated[
        list[str] | None, typer.Option("--open", help="Open this field too. Repeatable.")
    ] = None,
    key: Key = None,
    recipe: Recipe = DEFAULT_RECIPE,
    store: StoreUrl = DEFAULT_STORE,
    anchor: Anchor = None,
    language: Lang = "en",
    as_json: Json = False,
) -> None:
    """Count what was recorded, and write a file with which anybody can check the count.

    Example: [cyan]sazon audit prove --class special --provider acme --since 2026-01-01 --out acme.json[/cyan]
    """
    from sazon.policy.audit import claims

    with speaking_plainly(as_json=as_json):
        say, log = _sayer(language), open_log(store, key, recipe)
        if index is not None:
            document = claims.prove_entry(log, index, opened=opened or ["event", "at"])
            words, result = say("entry_proved", index=index), {"index": index}
        else:
            where = fields(event=[event], classes=classes, provider=provider, purposes=purpose)
            where |= pairs(further or [])
            see_that_they_exist(event, classes or [])
            kept = next(reversed(anchors_in(anchor)), None)
            dossier = claims.prove(
                log,
                since=moment(since),
                until=moment(until),
                at=standing(log, key),
                anchor=kept,
                opened=opened or (),
                **where,
            )
            document, words, result = (
                dict(dossier.document),
                _told(dossier.answer, say),
                _counts(dossier.answer),
            )
            strange = [] if key is not None else strangers(recipe, provider or [])
            words = " ".join([words, *(say("unknown_provider", provider=one) for one in strange)])
        _write(out, claims.written(document))
        _show(result | {"file": str(out), "words": f"{words} {say('written', path=out)}"}, as_json=as_json)


@app.command()
def tail(
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many entries.")] = 20,
    key: Key = None,
    recipe: Recipe = DEFAULT_RECIPE,
    store: StoreUrl = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Show the last entries, one a line; characters that could imitate another line are shown escaped.

    Example: [cyan]sazon audit tail -n 5[/cyan]
    """
    from sazon.policy.audit.entry import canonical, visible

    with speaking_plainly(as_json=as_json):
        for each in open_log(store, key, recipe).tail(count):
            if as_json:
                typer.echo(canonical({"index": each.index, **each.fields}))
                continue
            head = f"{each.index} {each.fields['at']} {each.fields['event']}"
            rest = (f"{n}={_plain(v)}" for n, v in sorted(each.fields.items()) if n not in ("at", "event"))
            typer.echo(visible(" ".join([head, *rest])))


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", help="File for the entries, or the paper.")],
    since: Since = None,
    until: Until = None,
    dpia: Annotated[
        bool, typer.Option("--dpia", help="Instead, a draft of the impact assessment (GDPR article 35).")
    ] = False,
    ropa: Annotated[
        bool, typer.Option("--ropa", help="Instead, a draft of the record of processing (GDPR article 30).")
    ] = False,
    form: Annotated[str, typer.Option("--format", help="Of a draft: md or jsonld.")] = "md",
    key: Key = None,
    recipe: Recipe = DEFAULT_RECIPE,
    store: StoreUrl = DEFAULT_STORE,
    anchor: Anchor = None,
    language: Lang = "en",
    as_json: Json = False,
) -> None:
    """Write all entries of a time, every field open, with the proof that none is missing; or a draft paper.

    Example: [cyan]sazon audit export --since 2026-01-01 --out entries.json[/cyan]
    """
    from sazon.policy.audit import claims

    with speaking_plainly(as_json=as_json):
        say = _sayer(language)
        if dpia or ropa:
            whole = dpia != ropa and key is None and since is None and until is None
            text = _paper(recipe, "dpia" if dpia else "ropa", form, anchor, language, whole=whole)
            _write(out, text)
            _show({"file": str(out), "words": say("drafted", path=out)}, as_json=as_json)
            return
        log = open_log(store, key, recipe)
        found = claims.prove(
            log, since=moment(since), until=moment(until), at=standing(log, key), opened=None
        )
        _write(out, found.text)
        words = say("exported", size=found.answer.entries, path=out)
        _show({"entries": found.answer.entries, "file": str(out), "words": words}, as_json=as_json)


@app.command()
def checkpoint(
    anchor: Annotated[
        Path | None, typer.Option("--anchor", help="Append it to this file, after comparing with its last.")
    ] = None,
    key: Key = None,
    recipe: Recipe = DEFAULT_RECIPE,
    store: StoreUrl = DEFAULT_STORE,
    as_json: Json = False,
) -> None:
    """Sign the log as it stands and print that; kept elsewhere, it shows later whether the log was cut.

    Example: [cyan]sazon audit checkpoint --anchor /media/safe/anchors.txt[/cyan]
    """
    with speaking_plainly(as_json=as_json):
        log = open_log(store, key, recipe)
        note = log.checkpoint() if anchor is None else log.anchor(anchor)
        if as_json:
            _show(
                {"size": note.size, "root": note.root.hex(), "time": note.time, "note": note.text},
                as_json=True,
            )
        else:
            typer.echo(note.text, nl=False)


def _paper(
    recipe: Path, kind: Literal["dpia", "ropa"], form: str, anchor: Path | None, lang: str, *, whole: bool
) -> str:
    """A draft in a language and a form."""
    from sazon import pipeline
    from sazon.core.errors import RecipeError
    from sazon.pipeline.papers import paper_of
    from sazon.policy import papers

    if not whole or form not in ("md", "jsonld"):
        raise RecipeError(
            "a draft is made of one kind, from a whole log and its keyring",
            mend="Give --dpia or --ropa, --format md or jsonld, and no --key, --since or --until.",
        )
    language = _language(lang)
    paper = paper_of(pipeline.recipe_of(recipe), kind, anchors=anchors_in(anchor))
    if form == "md":
        return papers.markdown(paper, language)
    return json.dumps(papers.jsonld(paper, language), indent=1, ensure_ascii=False) + "\n"


def _checked(proof: Path, public: bytes, anchors: Sequence[Checkpoint], say: Any) -> dict[str, Any]:
    """What a file that was handed over proves."""
    from sazon.policy.audit import checkpoint, claims
    from sazon.policy.audit.entry import canonical

    text = checkpoint.text_of(proof)
    if not text.startswith("{"):
        note = checkpoint.parse(text).check(public)
        return {"size": note.size, "time": note.time, "words": say("note", size=note.size, time=note.time)}
    document = claims.read_document(text)
    if document.get("format") == claims.INCLUSION:
        opened = claims.verify_entry(document, public)
        return {
            "opened": opened,
            "words": say("entry_holds", index=document["index"], fields=canonical(opened)),
        }
    if document.get("format") == claims.CONSISTENCY:
        old, new = claims.verify_continuation(document, public)
        return {"old": old.size, "new": new.size, "words": say("continues", old=old.size, new=new.size)}
    answer = claims.verify_dossier(document, public, anchor=anchors[-1] if anchors else None)
    asked = canonical(document["question"]["where"])
    return _counts(answer) | {
        "where": document["question"]["where"],
        "words": f"{_told(answer, say)} {asked}",
    }


# ------------------------------------------------------------------------------- printing


def _language(given: str) -> Language:
    from sazon.core.errors import RecipeError
    from sazon.core.words import LANGUAGES

    for language in LANGUAGES:
        if language == given:
            return language
    raise RecipeError(f"no words in {given!r}", mend=f"Choose from {', '.join(LANGUAGES)}.")


def _sayer(language: str) -> Any:
    """Says a phrase of this command in one language."""
    from sazon.core.words import Phrase

    chosen = _language(language)

    def said(key: str, **values: Any) -> str:
        values = {name: str(v) if isinstance(v, Path) else v for name, v in values.items()}
        return Phrase(package="sazon.cli", key=f"audit.{key}", values=values).words(chosen)

    return said


def _counts(answer: Answer) -> dict[str, Any]:
    names = ("since", "until", "entries", "matches", "unknown", "none")
    return {name: getattr(answer, name) for name in names}


def _told(answer: Answer, say: Any) -> str:
    key = "none" if answer.none else "some"
    return str(say(f"answer_{key}", **_counts(answer)))


def _plain(value: Any) -> str:
    """A value for people; what is not a single word is JSON, so that its end can be seen."""
    from sazon.policy.audit.entry import canonical

    one_word = isinstance(value, str) and value and not any(c.isspace() or c in "=\"'" for c in value)
    return str(value) if one_word else canonical(value)


def _write(out: Path, text: str) -> None:
    from sazon.core.errors import EnvironmentLacks

    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentLacks(f"cannot be written: {error.strerror}", where=str(out)) from None


def _show(result: dict[str, Any], *, as_json: bool) -> None:
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else result["words"])
