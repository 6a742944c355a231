"""The `data:` section: what it takes and what it refuses, in words that mend."""

import pytest
from pydantic import ValidationError

from sazon.data import DataConfig, Source
from sazon.data.config import Shares

SHA = "0" * 64


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"path": "data/train.csv"}, "file"),
        ({"path": "https://example.com/train.csv?key=secret", "sha256": SHA}, "https"),
        ({"path": "hf://org/name@5f3e1b2", "split": "test", "config": "plain"}, "hub"),
        ({"path": "package:demo"}, "package"),
    ],
)
def test_four_places(fields: dict[str, str], place: str) -> None:
    assert Source(**fields).place == place


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"path": "https://example.com/train.csv"}, "sha256"),
        ({"path": "https://example.com/train.csv", "sha256": "abc"}, "64 hexadecimal"),
        ({"path": "https://me:secret@example.com/a.csv", "sha256": SHA}, "user name or password"),
        ({"path": "https://[::1/a.csv", "sha256": SHA}, "valid https address"),
        ({"path": "https://", "sha256": SHA}, "valid https address"),
        ({"path": "http://example.com/a.csv", "sha256": SHA}, "http://"),
        ({"path": "s3://bucket/a.csv"}, "s3://"),
        ({"path": "hf://org/name"}, "revision"),
        ({"path": "hf://org/name@main"}, "moves"),
        ({"path": "package:else"}, "only one"),
        ({"path": "train.csv", "split": "test"}, "belong to hf://"),
        ({"path": "tr\0ain.csv"}, "character"),
        ({"path": ""}, "at least 1"),
    ],
)
def test_refused_in_words(fields: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Source(**fields)


def test_a_mend_travels_with_the_message() -> None:
    with pytest.raises(ValidationError) as caught:
        Source(path="https://example.com/a.csv")
    assert "sha256sum" in caught.value.errors()[0]["ctx"]["mend"]


def test_a_key_in_an_address_is_not_shown() -> None:
    assert "secret" not in Source(path="https://example.com/a.csv?key=secret", sha256=SHA).shown


def test_a_path_is_enough_in_python() -> None:
    assert DataConfig(train="a.csv") == DataConfig(train=Source(path="a.csv"))


def test_the_subject_is_the_group_by_default() -> None:
    assert DataConfig(train="a.csv", group="customer").columns["subject"] == "customer"
    assert DataConfig(train="a.csv", group="c", subject="s").columns["subject"] == "s"


def test_the_same_column_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="same column"):
        DataConfig(train="a.csv", input="text", target="text")


def test_shares_leave_rows_to_fit() -> None:
    with pytest.raises(ValidationError, match="too little to fit on"):
        Shares(test=0.5, validation=0.4)
