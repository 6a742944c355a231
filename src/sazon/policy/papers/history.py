"""What the audit log says has happened, counted.

history = counted(entries)
history.sent["frontier"].by_class      requests that were sent, by class of data
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sazon.policy.audit.entry import Entry, Value

RULED = ("ruling", "stopped", "cut")
"""Events that carry a verdict: before sealing, at the socket, in the middle of an answer."""
Refusal = tuple[str, str, str]
"""Provider, purposes (joined by commas), and the reason as the log has it."""


@dataclass(kw_only=True, slots=True)
class Sent:
    """What was sent to one recipient."""

    requests: int = 0
    """Begun to be sent; of those that broke off, `never_left` surely stayed here."""
    answered: int = 0
    never_left: int = 0
    by_class: Counter[str] = field(default_factory=Counter)
    """A request counts under each class it holds; `unknown` where its sender named none."""
    as_is: int = 0
    """Requests to evaluate with data that are not all public: those carry no pseudonyms."""
    found: Counter[str] = field(default_factory=Counter)
    """Values that left under pseudonyms, by kind."""
    people: set[str] = field(default_factory=set)
    """Keyed names, to count them; they tell nothing without the keys and appear in no paper."""
    more_people: bool = False
    """Whether there may be more: the log names at most 32 people a request."""
    first: str = ""
    last: str = ""


@dataclass(kw_only=True, slots=True)
class History:
    """Counts over the whole log."""

    entries: int = 0
    first: str = ""
    events: Counter[str] = field(default_factory=Counter)
    sent: dict[str, Sent] = field(default_factory=dict)
    """By recipient."""
    allowed: int = 0
    refused: Counter[Refusal] = field(default_factory=Counter)
    erased: set[str] = field(default_factory=set)
    """Keyed names of people who were erased."""


def counted(entries: Iterable[Entry]) -> History:
    """Count the entries of a log, in their order."""
    history = History()
    for one in entries:
        fields = one.fields
        event = str(fields["event"])
        history.entries += 1
        history.first = history.first or str(fields["at"])
        history.events[event] += 1
        if event in RULED:
            _rule(history, fields)
        if event in ("sent", "answered", "failed"):
            _send(history.sent.setdefault(str(fields.get("provider", "")), Sent()), event, fields)
        if event == "erased":
            history.erased.update(_words(fields.get("subjects")))
    return history


def _rule(history: History, fields: Mapping[str, Value]) -> None:
    if fields.get("allow"):
        history.allowed += fields["event"] == "ruling"
        return
    purposes = ", ".join(_words(fields.get("purposes")))
    history.refused[str(fields.get("provider", "")), purposes, str(fields.get("reason", ""))] += 1


def _send(sent: Sent, event: str, fields: Mapping[str, Value]) -> None:
    if event == "answered":
        sent.answered += 1
    elif event == "failed":
        sent.never_left += fields.get("left") is False
    else:
        sent.requests += 1
        classes = _words(fields.get("classes"))
        sent.by_class.update(classes)
        sent.as_is += "evaluate" in _words(fields.get("purposes")) and set(classes) != {"public"}
        found = fields.get("found")
        sent.found.update(found if isinstance(found, Mapping) else {})
        named = _words(fields.get("subjects"))
        sent.people.update(named)
        people = fields.get("people")
        sent.more_people |= isinstance(people, int) and people > len(named)
        sent.first, sent.last = sent.first or str(fields["at"]), str(fields["at"])


def _words(value: Value) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else ()
