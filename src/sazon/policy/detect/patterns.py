"""The detector that knows forms: every rule of every language, always.

Rules stand in `numbers` (identifiers, accounts, telephones), `contacts` (e-mail, machines, keys),
`places` (streets, postcodes), `person` (dates, age, sex) and `spelled` (digits as words). Each looks
a bounded distance around where it stands, so that the work grows with the length of the text alone.
"""

from __future__ import annotations

import re

from sazon.policy.detect.contacts import contacts, secrets
from sazon.policy.detect.numbers import numbers
from sazon.policy.detect.person import dates, people
from sazon.policy.detect.places import postcodes, streets
from sazon.policy.detect.span import Span
from sazon.policy.detect.spelled import spelled

_DIGIT = re.compile(r"[0-9]")


def find(text: str) -> list[Span]:
    """Everything in a text that has the form of something sensitive; spans may overlap."""
    low = lowered(text)
    found = [*contacts(text, low), *secrets(text, low), *streets(text, low), *spelled(low), *people(low)]
    if _DIGIT.search(text):
        found += [*numbers(text), *dates(low), *postcodes(text, low)]
    return found


def lowered(text: str) -> str:
    """The text in small letters, each at its place."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
