"""Both languages say the same things, and every word the report asks for is there."""

import re
from pathlib import Path
from string import Formatter

import pytest

import sazon.report
from sazon.core.words import catalogue

PACKAGE = "sazon.report"
SOURCE = Path(sazon.report.__file__).parent


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_both_languages_have_the_same_keys():
    assert set(catalogue(PACKAGE, "en")) == set(catalogue(PACKAGE, "es"))


@pytest.mark.parametrize("key", sorted(catalogue(PACKAGE, "en")))
def test_both_languages_have_the_same_placeholders(key):
    assert placeholders(catalogue(PACKAGE, "en")[key]) == placeholders(catalogue(PACKAGE, "es")[key])


def test_sentences_are_translated():
    """A sentence of four words or more that reads alike in both languages was forgotten."""
    english, spanish = catalogue(PACKAGE, "en"), catalogue(PACKAGE, "es")
    alike = [k for k, text in english.items() if len(text.split()) >= 4 and spanish[k] == text]
    assert alike == ["first.slice_head"]  # only names and numbers


def test_every_fixed_phrase_in_the_code_exists():
    known = set(catalogue(PACKAGE, "en"))
    asked = {
        key
        for path in SOURCE.rglob("*.py")
        for key in re.findall(r"\bvoice\(\s*\"([a-z_]+(?:\.[a-z_0-9]+)*)\"", path.read_text("utf-8"))
    }
    assert len(asked) > 80
    assert asked <= known
