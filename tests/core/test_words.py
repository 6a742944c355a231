"""Phrases: written by the names of their values, in both languages, and kept through files."""

import pytest

from sazon.core import files
from sazon.core.types import Candidate, Finding, Phrase
from sazon.core.words import sentences, written

NOTE = Phrase(
    package="sazon.adapt",
    key="note.languages",
    values={"foreign_share": 0.998, "base": "minilm", "languages": "en"},
)


@pytest.mark.parametrize(
    ("name", "value", "english", "spanish"),
    [
        ("best_share", 0.58, "58%", "58 %"),
        ("best_share", 0.999, "> 99%", "> 99 %"),
        ("best_share", 0.001, "< 1%", "< 1 %"),
        ("needed_accuracy", 0.8712, "87.1%", "87,1 %"),
        ("harm_rate", 0.025, "2.5%", "2,5 %"),
        ("total_money", 212_345.0, "212,000 EUR", "212.000 EUR"),
        ("error_price", 0.0123, "0.012 EUR", "0,012 EUR"),
        ("requests_count", 12_345.0, "12,000", "12.000"),
        ("requests_count", 3.2, "4", "4"),
        ("low_points", -1.25, "-1.2", "-1,2"),
        ("similarity_level", 0.85, "0.85", "0,85"),
        ("rows", 1500, "1,500", "1.500"),
        ("rows", None, "", ""),
        ("name", "{probe}", "{probe}", "{probe}"),
    ],
)
def test_a_number_is_written_by_its_name(name, value, english, spanish):
    values = {name: value, "currency": "EUR"}
    assert written("sazon.data", "en", values)[name] == english
    assert written("sazon.data", "es", values)[name] == spanish


def test_a_key_among_the_values_becomes_words_with_the_other_values():
    values = {"rows": 3, "all_rows": 12, "manner_key": "manner.groups", "group": "customer"}
    cut = Phrase(package="sazon.data", key="how.test_cut", values=values)
    assert cut.words("en").endswith("at random, by customer, without parting equal texts.")
    assert "al azar, por customer" in cut.words("es")
    assert sentences([cut, cut], "es") == f"{cut.words('es')} {cut.words('es')}"


def test_an_unknown_key_is_a_bug():
    with pytest.raises(KeyError):
        Phrase(package="sazon.data", key="saw.nothing").words("en")


def test_phrases_survive_files(tmp_path):
    candidate = Candidate(name="a", technique="linear", notes=(NOTE,))
    files.write_candidate(candidate, tmp_path)
    assert files.read_candidate(tmp_path) == candidate
    finding = Finding(level="note", says=NOTE)
    read = files.from_json(Finding, files.to_json(finding), where="here")
    assert read == finding
    assert read.what == NOTE.words("en")
    assert read.mend == ""
    assert type(read.says.values["foreign_share"]) is float
