"""`sazon keys`: make, rotate and recover keys, erase a person, see how things stand."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sazon.cli.arguments import Json
from sazon.cli.speaking import speaking_plainly
from sazon.core.errors import RecipeError
from sazon.core.words import LANGUAGES, Language, say

if TYPE_CHECKING:
    from sazon.policy.config import PolicyConfig
    from sazon.policy.keys.lifecycle import KeyStatus

app = typer.Typer(
    no_args_is_help=True,
    help="Keys of the vault: make, rotate and recover them, erase a person, see how things stand.",
)
RecipeArgument = Annotated[Path, typer.Argument(help="A recipe (YAML) with a policy section.")]
Lang = Annotated[str | None, typer.Option("--lang", help="es or en; default: the recipe's.")]


@app.command()
def init(
    recipe: RecipeArgument,
    recovery: Annotated[
        Path | None,
        typer.Option("--recovery", help="Public half of an offline recovery key, from `sazon keys pair`."),
    ] = None,
    language: Lang = None,
    as_json: Json = False,
) -> None:
    """Make the keyring, and the key file where it is missing; never overwrites.

    Example: [cyan]sazon keys init recipe.yaml --recovery recovery.public[/cyan]
    """
    from sazon.policy.keys import lifecycle

    with speaking_plainly(as_json=as_json):
        policy, root, told = _of(recipe, language)
        made = lifecycle.init(policy, root, recovery=recovery)
        lines = [
            _say(told, "made", keyring=made.keyring, key_id=made.locked_by[0]),
            _say(told, "noted" if made.recovery else "no_recovery", fingerprint=made.fingerprint),
            _say(told, "backups", keyring=made.keyring),
        ]
        _print(made, lines, as_json=as_json)


@app.command()
def pair(
    private: Annotated[Path, typer.Argument(help="File for the private half, which goes into a safe.")],
    public: Annotated[Path, typer.Argument(help="File for the public half.")],
    language: Annotated[str, typer.Option("--lang", help="Language: es or en.")] = "en",
    as_json: Json = False,
) -> None:
    """Make an offline recovery key, on a machine that is not the one it shall save.

    Example: [cyan]sazon keys pair recovery.private recovery.public[/cyan]
    """
    from sazon.policy.keys import lifecycle

    with speaking_plainly(as_json=as_json):
        told = _known(language)
        made = lifecycle.pair(private, public)
        _print(made, [_say(told, "paired", **asdict(made))], as_json=as_json)


@app.command()
def rotate(
    recipe: RecipeArgument,
    to: Annotated[str, typer.Argument(help="The new key: file:PATH (made where missing), env:, command:.")],
    language: Lang = None,
    as_json: Json = False,
) -> None:
    """Move everything to a new key. Stopped midway, both keys work; the same command goes on.

    Example: [cyan]sazon keys rotate recipe.yaml file:.sazon/key-2[/cyan]
    """
    from sazon.policy.keys import lifecycle

    with speaking_plainly(as_json=as_json):
        policy, root, told = _of(recipe, language)

        def progress(done: int, total: int) -> None:
            typer.echo(_say(told, "progress", done=done, total=total), err=True)

        made = lifecycle.rotate(policy, root, to, progress=None if as_json else progress)
        _print(made, [_say(told, "rotated", **asdict(made)), _say(told, "rotated_next")], as_json=as_json)


@app.command()
def recover(
    recipe: RecipeArgument,
    private: Annotated[Path, typer.Argument(help="Private half of the offline recovery key.")],
    fingerprint: Annotated[
        str | None,
        typer.Option(
            "--fingerprint", help="As `init` printed it; without it a replaced keyring is not noticed."
        ),
    ] = None,
    language: Lang = None,
    as_json: Json = False,
) -> None:
    """Open a keyring whose key is lost, and lock it with the recipe's key; a missing file is made.

    Example: [cyan]sazon keys recover recipe.yaml recovery.private[/cyan]
    """
    from sazon.policy.keys import lifecycle

    with speaking_plainly(as_json=as_json):
        policy, root, told = _of(recipe, language)
        made = lifecycle.recover(policy, root, private, fingerprint=fingerprint)
        _print(made, [_say(told, "recovered", key=made.locked_by[0])], as_json=as_json)


@app.command(name="erase-subject")
def erase_subject(
    recipe: RecipeArgument,
    subject: Annotated[str, typer.Argument(help="Who, as the data names them; - reads it from the input.")],
    language: Lang = None,
    as_json: Json = False,
) -> None:
    """Destroy a person's key for good and end their consents: no backup of the store brings them back.

    Example: [cyan]sazon keys erase-subject recipe.yaml - < who.txt[/cyan]
    """
    from sazon.policy.keys.ring_file import NAME
    from sazon.policy.locks import Locks

    with speaking_plainly(as_json=as_json):
        policy, root, told = _of(recipe, language)
        # Arguments can be seen by other users of the machine and stay in the shell's history.
        who = sys.stdin.read().strip() if subject == "-" else subject
        if not who:
            raise RecipeError("nobody is named", mend="Give the subject, or - and its name on the input.")
        with closing(Locks.open(policy, root=root)) as locks:
            done = locks.erase(who)
        after = _say(told, "erased_next", keyring=root / policy.folder / NAME)
        key = "erased" if done.records else "erased_nothing"
        _print(done, [_say(told, key, records=done.records), after], as_json=as_json)


@app.command()
def status(recipe: RecipeArgument, language: Lang = None, as_json: Json = False) -> None:
    """Which key opens what, how much there is, and whether a rotation was left unfinished.

    Example: [cyan]sazon keys status recipe.yaml[/cyan]
    """
    from sazon.policy.keys import lifecycle

    with speaking_plainly(as_json=as_json):
        policy, root, told = _of(recipe, language)
        found = lifecycle.status(policy, root)
        _print(found, _table(found, told), as_json=as_json)


def _table(found: KeyStatus, language: Language) -> list[str]:
    none = _say(language, "none")
    rows: Mapping[str, Any] = {
        "tenant": found.tenant,
        "key_id": ", ".join(found.locked_by),
        "version": found.version,
        "recovery": found.recovery or none,
        "fingerprint": found.fingerprint,
        "log_key": found.log_key,
        "consent_key": found.consent_key,
        "subjects": found.subjects,
        "records": found.records,
        "outdated": found.outdated,
        "erased_count": found.erased,
    }
    heads = {name: _say(language, name) for name in rows}
    width = max(map(len, heads.values()))
    lines = [f"{heads[name].ljust(width)}  {value}" for name, value in rows.items()]
    return [*lines, _say(language, "rotating")] if len(found.locked_by) > 1 else lines


def _of(recipe: Path, language: str | None) -> tuple[PolicyConfig, Path, Language]:
    """A recipe's policy section, its folder, and the language to speak."""
    from sazon import pipeline

    wanted = pipeline.recipe_of(recipe)
    return wanted.config.policy, wanted.root, _known(language or wanted.config.report.language)


def _known(language: str) -> Language:
    if language not in LANGUAGES:
        raise RecipeError(f"no words in {language!r}", mend=f"Choose from {', '.join(LANGUAGES)}.")
    return language


def _print(result: Any, lines: list[str], *, as_json: bool) -> None:
    typer.echo(json.dumps(asdict(result), ensure_ascii=False) if as_json else "\n".join(lines))


def _say(language: Language, key: str, /, **values: object) -> str:
    return say("sazon.cli", language, f"keys.{key}", **values)
