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
from sazon.policy.detect.places import places
from sazon.policy.detect.span import Span
from sazon.policy.detect.spelled import spelled

_DIGIT = re.compile(r"[0-9]")


def find(text: str) -> list[Span]:
    """Everything in a text that has the form of something sensitive; spans may overlap."""
    found = [*contacts(text), *secrets(text), *places(text), *spelled(text), *people(text)]
    if _DIGIT.search(text):
        found += [*numbers(text), *dates(text)]
    return found
