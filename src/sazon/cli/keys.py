"""`sazon keys`: make, rotate and recover keys, erase a person, see how things stand."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sazon.cli.plain import Json, speaking_plainly
from sazon.core.errors import RecipeError
from sazon.core.words import LANGUAGES, Language, say

if TYPE_CHECKING:
    from sazon.policy.keys.lifecycle import KeyStatus, Where

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Keys of the vault: make, rotate and recover them, erase a person, see how things stand.",
)

Folder = Annotated[str, typer.Option("--folder", help="Folder of the keyring, keys.json.")]
Key = Annotated[str, typer.Option("--key", help="The key: file:PATH, env:NAME or command:PROGRAM ….")]
StoreUrl = Annotated[str, typer.Option("--store", help="The store: sqlite:///FILE or postgresql://….")]
Lang = Annotated[str, typer.Option("--lang", help="Language: es or en.")]
FOLDER, KEY, STORE = ".sazon", "file:.sazon/key", "sqlite:///.sazon/policy.db"


@app.command()
def init(
    folder: Folder = FOLDER,
    key: Key = KEY,
    store: StoreUrl = STORE,
    tenant: Annotated[str, typer.Option(help="Whose keys they are.")] = "default",
    recovery: Annotated[
        Path | None, typer.Option(help="Public half of an offline recovery key, from `sazon keys pair`.")
    ] = None,
    language: Lang = "en",
    as_json: Json = False,
) -> None:
    """Make the keyring, and the key file where it is missing; never overwrites.

    Example: [cyan]sazon keys init --recovery recovery.public[/cyan]
    """
    from sazon.policy.keys import lifecycle

    with speaking_plainly(as_json=as_json):
        told = _language(language)
        made = lifecycle.init(_where(folder, key, store), tenant=tenant, recovery=recovery)
        lines = [_say(told, "made", keyring=made.keyring, key_id=made.locked_by[0])]
        lines.append(
            _say(told, "noted", fingerprint=made.fingerprint) if made.recovery else _say(told, "no_recovery")
        )
        lines.append(_say(told, "backups", keyring=made.keyring))
        _print(made, lines, as_json=as_json)


@app.command()
def pair(
    private: Annotated[Path, typer.Argument(help="File for the private half, which goes into a safe.")],
    public: Annotated[Path, typer.Argument(help="File for the public half.")],
    language: Lang = "en",
    as_json: Json = False,
) -> None:
    """Make an offline recovery key, on a machine that is not the one it shall save.

    Example: [cyan]sazon keys pair recovery.private recovery.public[/cyan]
    """
    from sazon.policy.keys import lifecycle

    with speaking_plainly(as_json=as_json):
        told = _language(language)
        made = lifecycle.pair(private, public)
        _print(made, [_say(told, "paired", **asdict(made))], as_json=as_json)


@app.command()
def rotate(
    to: Annotated[str, typer.Argument(help="The new key; a file that is not there yet is made.")],
    folder: Folder = FOLDER,
    key: Key = KEY,
    store: StoreUrl = STORE,
    language: Lang = "en",
    as_json: Json = False,
) -> None:
    """Move everything to a new key. Stopped midway, both keys work; the same command goes on.

    Example: [cyan]sazon keys rotate file:.sazon/key-2[/cyan]
    """
    from sazon.policy.keys import lifecycle

    with speaking_plainly(as_json=as_json):
        told = _language(language)

        def progress(done: int, total: int) -> None:
            typer.echo(_say(told, "progress", done=done, total=total), err=True)

        made = lifecycle.rotate(_where(folder, key, store), to, progress=None if as_json else progress)
        _print(made, [_say(told, "rotated", **asdict(made)), _say(told, "rotated_next")], as_json=as_json)


@app.command()
def recover(
    private: Annotated[Path, typer.Argument(help="Private half of the offline recovery key.")],
    fingerprint: Annotated[
        str | None, typer.Option(help="As `init` printed it; without it a replaced keyring is not noticed.")
    ] = None,
    folder: Folder = FOLDER,
    key: Key = KEY,
    store: StoreUrl = STORE,
    language: Lang = "en",
    as_json: Json = False,
) -> None:
    """Open a keyring whose key is lost, and lock it with --key; a file that is not there yet is made.

    Example: [cyan]sazon keys recover recovery.private --key file:.sazon/key-2[/cyan]
    """
    from sazon.policy.keys import lifecycle

    with speaking_plainly(as_json=as_json):
        told = _language(language)
        made = lifecycle.recover(_where(folder, key, store), private, fingerprint=fingerprint)
        _print(made, [_say(told, "recovered", key=key)], as_json=as_json)


@app.command(name="erase-subject")
def erase_subject(
    subject: Annotated[str, typer.Argument(help="Who, as the data names them; - reads it from the input.")],
    folder: Folder = FOLDER,
    key: Key = KEY,
    store: StoreUrl = STORE,
    language: Lang = "en",
    as_json: Json = False,
) -> None:
    """Destroy the key of a person for good: backups of the store cannot bring it back.

    Example: [cyan]sazon keys erase-subject - < who.txt[/cyan]
    """
    from sazon.policy.keys import lifecycle

    with speaking_plainly(as_json=as_json):
        told = _language(language)
        where = _where(folder, key, store)
        # Arguments can be seen by other users of the machine and stay in the shell's history.
        who = sys.stdin.read().strip() if subject == "-" else subject
        if not who:
            raise RecipeError("nobody is named", mend="Give the subject, or - and its name on the input.")
        done = lifecycle.erase_subject(where, who)
        after = _say(told, "erased_next", keyring=where.keyring_path)
        _print(done, [_say(told, "erased", records=done.records), after], as_json=as_json)


@app.command()
def status(
    folder: Folder = FOLDER,
    key: Key = KEY,
    store: StoreUrl = STORE,
    language: Lang = "en",
    as_json: Json = False,
) -> None:
    """Which key opens what, how much there is, and whether a rotation was left unfinished.

    Example: [cyan]sazon keys status --json[/cyan]
    """
    from sazon.policy.keys import lifecycle

    with speaking_plainly(as_json=as_json):
        told = _language(language)
        found = lifecycle.status(_where(folder, key, store))
        _print(found, _table(found, told), as_json=as_json)


def _table(found: KeyStatus, language: Language) -> list[str]:
    none = _say(language, "none")
    rows: Mapping[str, Any] = {
        "tenant": found.tenant,
        "key_id": ", ".join(found.locked_by),
        "version": found.version,
        "recovery": found.recovery or none,
        "fingerprint": found.fingerprint,
        "subjects": found.subjects,
        "records": found.records,
        "outdated": found.outdated,
        "erased_count": found.erased,
    }
    heads = {name: _say(language, name) for name in rows}
    width = max(map(len, heads.values()))
    lines = [f"{heads[name].ljust(width)}  {value}" for name, value in rows.items()]
    return [*lines, _say(language, "rotating")] if len(found.locked_by) > 1 else lines


def _where(folder: str, key: str, store: str) -> Where:
    from sazon.policy.keys.lifecycle import Where

    return Where(folder=folder, key=key, store=store)


def _language(language: str) -> Language:
    if language not in LANGUAGES:
        raise RecipeError(f"no words in {language!r}", mend=f"Choose from {', '.join(LANGUAGES)}.")
    return language


def _print(result: Any, lines: list[str], *, as_json: bool) -> None:
    typer.echo(json.dumps(asdict(result), ensure_ascii=False) if as_json else "\n".join(lines))


def _say(language: Language, key: str, /, **values: object) -> str:
    return say("sazon.cli", language, f"keys.{key}", **values)
