"""A campaign of random requests with identifiers in random places and disguises: none gets out.

Reduced here; `make campaigns` runs it in full. The bytes looked at are those of the sealed body, which is
what the socket is given (`test_smuggling` looks behind the socket): no server, so that there can be many.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from os import environ
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sazon.core.dataset import DataClass
from sazon.policy.config import PolicyConfig
from sazon.policy.consent import Consents, Record
from sazon.policy.destination import Destination
from sazon.policy.detect.inspector import default_inspector
from sazon.policy.egress import Egress
from sazon.policy.gate import Gate
from sazon.policy.passage import Asked, Passage
from sazon.policy.permit import Opening
from sazon.policy.ruling import Denied, Disclosure
from sazon.policy.spending import Limits

from .canaries import (
    ENCODINGS,
    ENGLISH,
    MAIL_SPELLINGS,
    MAKERS,
    SPELLINGS,
    WORDS,
    Canary,
    leaked,
    spelled,
)

FULL = environ.get("SAZON_CAMPAIGNS") == "full"
REQUESTS = 25_000 if FULL else 300
CARRIERS = (
    "Hola, {} es lo mío.", "{}", "mi número:{}", "Please note {}; thanks", "({})", "a={},b=2", '"{}"',
    "https://example.org/{}/x", "ref-{}", "{} 12", "12 {}", "línea uno\n{}\nlínea tres", "¿{}?",
)  # fmt: skip
JOINTS = (" ", ", ", "\n", " y ", "; ", " / ")


def _passage() -> Passage:
    opening = Opening(
        provider="frontier",
        to=Destination.parse("https://example.com/v1"),
        model="big-1",
        key=None,
        max_tokens=256,
        limits=Limits(tokens=10**12),
    )
    given_ = Record(
        id="c1", subject="c-118", purpose="infer.external", recipient="frontier",
        classes=frozenset({DataClass.PERSONAL}), basis="consent", notice="0" * 64, given_at=0.0,
        expires_at=1e12,
    )  # fmt: skip
    consents = Consents.of([given_])
    gate = Gate([opening], policy=PolicyConfig(opt_in=["infer.external"]), consents=lambda: consents)
    inspector = default_inspector(["patterns"], timeout_s=30.0)
    return Passage({"frontier": opening}, gate=gate, egress=Egress(gate), inspector=inspector)


PASSAGE = _passage()


def sent(content: dict[str, Any]) -> bytes | str:
    """The bytes that would leave, or why none do."""
    asked = Asked(
        provider="frontier",
        content={"model": "frontier", **content},
        disclosures=(Disclosure(subject="c-118", data_class=DataClass.PERSONAL),),
    )
    try:
        sealed, _ = PASSAGE._prepare(asked)
    except Denied as denied:
        return denied.ruling.reason
    return sealed.body


# ------------------------------------------------------------------------------ requests


@st.composite
def canaries(draw: st.DrawFn) -> Canary:
    return draw(st.sampled_from(MAKERS))(Random(draw(st.integers(0, 2**32))))


@st.composite
def disguised(draw: st.DrawFn, canary: Canary) -> str:
    """As it is written: by hand, read aloud, for a machine, or both ways."""
    way = draw(st.sampled_from(["hand", "hand", "aloud", "machine", "both", "twice"]))
    names = MAIL_SPELLINGS if canary.kind == "mail" else tuple(SPELLINGS)
    if way == "aloud" and canary.kind not in ("mail", "cif", "iban"):
        words, joint = draw(st.sampled_from([WORDS, ENGLISH])), draw(st.sampled_from([" ", ", ", "-"]))
        return spelled(words, joint)(canary.text.removeprefix("+"))
    text = canary.text
    if way in ("hand", "both", "aloud"):
        text = SPELLINGS[draw(st.sampled_from(names))](text)
    for _ in range({"machine": 1, "both": 1, "twice": 2}.get(way, 0)):
        text = ENCODINGS[draw(st.sampled_from(tuple(ENCODINGS)))](text)
    return text


@st.composite
def texts(draw: st.DrawFn, planted: list[Canary]) -> str:
    written = [draw(disguised(one)) for one in planted]
    # Two rows of bytes with a space between are one row: the same as two identifiers glued together.
    rows = sum(re.fullmatch("[0-9a-f]{2}( [0-9a-f]{2})+", one) is not None for one in written)
    said = draw(st.sampled_from(JOINTS[1:] if rows > 1 else JOINTS)).join(written)
    return draw(st.sampled_from(CARRIERS)).format(said)


def _user(text: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def _called(function: dict[str, Any], result: str = "ok") -> dict[str, Any]:
    call = {"id": "a1", "type": "function", "function": {"name": "f", "arguments": "{}"} | function}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a1", "content": result},
    ]
    return {"messages": messages, "tools": [{"type": "function", "function": {"name": "f"}}]}


def _tool(**more: Any) -> dict[str, Any]:
    return _user("hi", tools=[{"type": "function", "function": {"name": "f"} | more}])


def _nested(text: str, levels: int) -> str:
    for _ in range(levels):
        text = json.dumps({"a": [1, {"b": text}]}, ensure_ascii=levels % 2 == 0)
    return text


PLACES: dict[str, Any] = {
    "user": _user,
    "part": lambda t: _user([{"type": "text", "text": "hi"}, {"type": "text", "text": t}]),
    "system": lambda t: {"messages": [{"role": "system", "content": t}, {"role": "user", "content": "hi"}]},
    "assistant": lambda t: {
        "messages": [{"role": "assistant", "content": t}, {"role": "user", "content": "and?"}]
    },
    "name": lambda t: {"messages": [{"role": "user", "name": t, "content": "hi"}]},
    "arguments": lambda t: _called({"arguments": json.dumps({"who": t, "n": 3})}),
    "argument key": lambda t: _called({"arguments": json.dumps({t: True}, ensure_ascii=False)}),
    "nested": lambda t: _called({"arguments": _nested(t, 2)}),
    "nested deeper": lambda t: _called({"arguments": _nested(t, 3)}),
    "not JSON": lambda t: _called({"arguments": f"who: {t}"}),
    "result": lambda t: _called({}, result=t),
    "result JSON": lambda t: _called({}, result=json.dumps([{"row": t}, {t: 1}])),
    "called name": lambda t: _called({"name": t}),
    "property": lambda t: _tool(parameters={"type": "object", "properties": {t: {"type": "string"}}}),
    "enum": lambda t: _tool(parameters={"type": "string", "enum": ["x", t]}),
    "default": lambda t: _tool(parameters={"type": "object", "default": {"a": [t]}}),
    "described": lambda t: _tool(description=t),
    "keyword": lambda t: _tool(parameters={"type": "string", "x-note": {t: [t]}}),
    "metadata": lambda t: _user("hi", metadata={"who": t}),
    "metadata key": lambda t: _user("hi", metadata={t: "who"}),
    "end user": lambda t: _user("hi", user=t),
    "stop": lambda t: _user("hi", stop=["x", t]),
    "prediction": lambda t: _user("hi", prediction={"type": "content", "content": t}),
    "cache": lambda t: _user("hi", prompt_cache_key=t),
    "schema": lambda t: _user(
        "hi",
        response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": {"const": t}}},
    ),
}
SPLITS: dict[str, Any] = {
    "parts": lambda a, b: _user([{"type": "text", "text": a}, {"type": "text", "text": b}]),
    "turns": lambda a, b: {"messages": [{"role": "user", "content": a}, {"role": "user", "content": b}]},
    "answered turns": lambda a, b: {
        "messages": [
            {"role": "user", "content": a},
            {"role": "assistant", "content": "Go on."},
            {"role": "user", "content": b},
        ]
    },
    "named turns": lambda a, b: {
        "messages": [
            {"role": "user", "name": "visitor", "content": a},
            {"role": "user", "name": "visitor", "content": b},
        ]
    },
    "arguments": lambda a, b: _called({"arguments": json.dumps({"first": a, "second": b})}),
    "stop": lambda a, b: _user("hi", stop=[a, b]),
    "metadata": lambda a, b: _user("hi", metadata={"first": a, "second": b}),
}
_NUMBERS = ("card", "phone", "nss")


@st.composite
def requests(draw: st.DrawFn) -> tuple[dict[str, Any], list[Canary]]:
    """A valid chat request and what is planted in it."""
    how = draw(st.sampled_from(["text"] * 6 + ["split", "number"]))
    planted = draw(st.lists(canaries(), min_size=1, max_size=3 if how == "text" else 1))
    first = planted[0]
    if how == "split":
        at = draw(st.integers(2, len(first.text) - 2))
        before, after = draw(st.sampled_from([("", ""), ("Hola ", " gracias"), ("id:", "."), ("", "\n")]))
        return draw(st.sampled_from(list(SPLITS.values())))(
            before + first.text[:at], first.text[at:] + after
        ), planted
    if how == "number" and first.kind in _NUMBERS and first.text[0] not in "0+":
        number = draw(st.sampled_from([int, float]))(first.text)
        arguments = {"arguments": json.dumps({"id": number})}
        schema = {"parameters": {"type": "number", "enum": [1, number]}}
        return draw(st.sampled_from([_called(arguments), _tool(**schema)])), planted
    return draw(st.sampled_from(list(PLACES.values())))(draw(texts(planted))), planted


TALLY: Counter[str] = Counter()


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_no_identifier_gets_out_of_any_request() -> None:
    TALLY.clear()

    @settings(max_examples=REQUESTS, derandomize=not FULL, database=None, deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(requests())
    def attack(made: tuple[dict[str, Any], list[Canary]]) -> None:
        content, planted = made
        left = sent(content)
        TALLY["masked" if isinstance(left, bytes) else left] += 1
        if isinstance(left, bytes):
            for one in planted:
                assert leaked(left, one) is None, (one, leaked(left, one), left.decode())

    attack()
    print(dict(TALLY))
    # Blocked are disguises under too many layers alone: whoever blocks all would pass as well.
    assert set(TALLY) <= {"masked", "blocked.opaque"}
    assert TALLY["masked"] > 0.9 * TALLY.total()
