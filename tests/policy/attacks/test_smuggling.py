"""Attacks 1 to 14: identifiers smuggled out. Each is masked, or blocked and answered here."""

from __future__ import annotations

import base64
import gzip
import json
import time
from typing import Any

import openai
import pytest

from sazon.testing.fake_provider import FakeProvider
from sazon.testing.gatehouse import KEY, PROVIDER, Gatehouse

from ...gateway.test_outbound import running  # noqa: TID252
from .canaries import ENCODINGS, ENGLISH, SPELLINGS, WORDS, Canary, b64, leaked, spelled
from .conftest import Smuggle, says

NIF = Canary(kind="nif", text="12345678Z")
MAIL = Canary(kind="mail", text="ana.lopezgz@correo.es")
CARD = Canary(kind="card", text="4111111111111111")
IBAN = Canary(kind="iban", text="ES9121000418450200051332")
PHONE = Canary(kind="phone", text="612349876")
ALL = (NIF, MAIL, CARD, IBAN, PHONE)
SAID = "NIF 12345678Z, ana.lopezgz@correo.es, 4111111111111111, ES9121000418450200051332, 612349876"
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


# 1 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling",
    ["spaced", "dotted", "hyphens", "underscores", "small", "fours", "fours_hyphens"],
)
@pytest.mark.parametrize("canary", [NIF, CARD, IBAN, PHONE], ids=lambda c: c.kind)
def test_1_separators_and_small_letters(smuggle: Smuggle, canary: Canary, spelling: str) -> None:
    assert smuggle(says(f"Hola, {SPELLINGS[spelling](canary.text)} es lo mío."), canary) == "masked"


@pytest.mark.parametrize("text", ["612 3498 76", "6123-4987-6", "61-23-49-876", "612.34.9876"])
def test_1_a_mobile_number_in_groups_of_any_size(smuggle: Smuggle, text: str) -> None:
    assert smuggle(says(f"Llama al {text}, o escribe."), PHONE) == "masked"
    assert smuggle(says(text), PHONE) == "masked"


@pytest.mark.parametrize(
    "text",
    [
        "12 4111 1111 1111 1111", "(612 345 678 1768 6837 8342 4111 1111 1111 1111)",
        "6 1 2 3 4 9 8 7 6 4.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1", "66048764D 4111 1111 1111 1111 12",
        "a=E S 9 1 2 1 0 0 0 4 1 8 4 5 0 2 0 0 0 5 1 3 3 2,b=2", "41111111111111116123498769121000418",
        "12345678Z87654321X", "x1234567l12345678Z", "0034612349876 0034612349875",
    ],
)  # fmt: skip
def test_1_numbers_side_by_side_hide_none_of_them(smuggle: Smuggle, text: str) -> None:
    assert smuggle(says(text), NIF, CARD, IBAN, PHONE) == "masked"


# 2, 3 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling",
    [
        "full_width", "arabic", "devanagari", "bold", "homoglyphs", "keycaps", "zero_width", "soft_hyphens",
        "word_joiners", "combining", "tags", "backwards",
    ],
)  # fmt: skip
@pytest.mark.parametrize("canary", ALL, ids=lambda c: c.kind)
def test_2_3_look_alikes_and_invisible_characters(smuggle: Smuggle, canary: Canary, spelling: str) -> None:
    if canary is MAIL and spelling == "combining":
        pytest.skip("an address with its every letter struck through is none")
    assert smuggle(says(f"Hola, {SPELLINGS[spelling](canary.text)} es lo mío."), canary) == "masked"


# 4 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("canary", ALL, ids=lambda c: c.kind)
def test_4_encodings(smuggle: Smuggle, canary: Canary, encoding: str) -> None:
    assert smuggle(says(f"toma: {ENCODINGS[encoding](canary.text)} gracias"), canary) == "masked"


@pytest.mark.parametrize("outer", ["base64", "hex", "url", "html", "json", "bytes", "json_twice"])
@pytest.mark.parametrize("inner", ["base64", "hex", "url", "html_hex", "json", "backwards", "full_width"])
def test_4_two_levels(smuggle: Smuggle, outer: str, inner: str) -> None:
    disguised = ENCODINGS[outer]((SPELLINGS | ENCODINGS)[inner](NIF.text))
    assert smuggle(says(f"toma: {disguised} gracias"), NIF) in ("masked", "blocked.opaque")


@pytest.mark.parametrize(
    "text",
    [
        "MTU5NDE3MTNF",  # in base64 all capitals: 15941713E
        r"\\\\u0031\\\\u0032\\\\u0033\\\\u0034\\\\u0035\\\\u0036\\\\u0037\\\\u0038Z",
        "%F0%9D%9F%8F%F0%9D%9F%90%F0%9D%9F%91%F0%9D%9F%92%F0%9D%9F%93%F0%9D%9F%94%F0%9D%9F%95%F0%9D%9F%96Z",
        r"\u{31}\u{32}\u{33}\u{34}\u{35}\u{36}\u{37}\u{38}Z",
        r"\xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4\xd9\xa5\xd9\xa6\xd9\xa7\xd9\xa8Z",
        "&#8238;Z87654321&#8236;",
        "%2525252531%2525252532%252525253345678Z",
    ],
)
def test_4_encodings_that_once_got_through(smuggle: Smuggle, text: str) -> None:
    canary = Canary(kind="nif", text="15941713E") if text[0] == "M" else NIF
    assert smuggle(says(f"toma: {text} gracias"), canary) == "masked"
    assert smuggle(says(text), canary) == "masked"


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(bytes(range(128, 256))).decode(),
        b64(b64(b64(b64(f"mi dni es {NIF.text}")))),
        "%" + "25" * 40 + "31" + "2345678Z",
        base64.b64encode(gzip.compress(b"0" * 10_000_000)).decode(),
        "data:application/octet-stream;base64,AAEC",
    ],
    ids=["bytes", "four levels", "forty levels", "zip bomb", "data uri"],
)
def test_4_what_cannot_be_looked_into_is_blocked(smuggle: Smuggle, text: str) -> None:
    assert smuggle(says(f"toma {text} gracias"), NIF) == "blocked.opaque"


def test_4_compressed_text_is_opened(smuggle: Smuggle) -> None:
    packed = base64.b64encode(gzip.compress(f"mi dni es {NIF.text}".encode(), mtime=0)).decode()
    assert smuggle(says(f"toma {packed} gracias"), NIF) == "masked"


# 5 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("joint", ["", " "])
@pytest.mark.parametrize("canary", ALL, ids=lambda c: c.kind)
def test_5_split_over_parts_of_a_message(smuggle: Smuggle, canary: Canary, joint: str) -> None:
    half = len(canary.text) // 2
    parts = [canary.text[:half] + joint, canary.text[half:]]
    assert smuggle(says([{"type": "text", "text": part} for part in parts]), canary) == "masked"


@pytest.mark.parametrize("between", ["", "Go on.", "¿Y el resto? 7"])
@pytest.mark.parametrize("canary", ALL, ids=lambda c: c.kind)
def test_5_split_over_turns_with_an_answer_between(smuggle: Smuggle, canary: Canary, between: str) -> None:
    half = len(canary.text) // 2
    turns = [
        {"role": "user", "content": canary.text[:half]},
        *([{"role": "assistant", "content": between}] if between else []),
        {"role": "user", "content": canary.text[half:]},
    ]
    assert smuggle({"messages": turns}, canary) == "masked"


def test_5_split_over_turns_that_have_names_or_ids_between(smuggle: Smuggle) -> None:
    named = [{"role": "user", "name": "visitor", "content": part} for part in ("12345", "678Z")]
    assert smuggle({"messages": named}, NIF) == "masked"
    call = {"type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    tools = [
        {"role": "assistant", "tool_calls": [call | {"id": "a"}, call | {"id": "b"}]},
        {"role": "tool", "tool_call_id": "call one", "content": "12345"},
        {"role": "tool", "tool_call_id": "call two", "content": "678Z"},
    ]
    assert smuggle({"messages": tools, "tools": [TOOL]}, NIF) == "masked"
    assert smuggle(says("hi", metadata={"first": "12345", "second": "678Z"}), NIF) == "masked"


def test_5_what_was_once_called_by_its_name_is_known_in_other_turns_too(smuggle: Smuggle) -> None:
    typo = Canary(kind="nif", text="12345678A")  # no checksum tells it without the word
    turns = [
        {"role": "user", "content": "mi dni es 12345678A"},
        {"role": "assistant", "content": "¿Seguro?"},
        {"role": "user", "content": "Sí, 12345678A, eso he dicho."},
    ]
    assert smuggle({"messages": turns}, typo) == "masked"


def test_5_the_models_name_is_no_part_of_what_is_said(house: Gatehouse, smuggle: Smuggle) -> None:
    assert house.opening.model == "big-1"
    assert smuggle(says("2345678 personas")) == "masked"
    assert smuggle(says("1 2 3 4 5 6 7 8 Z"), NIF) == "masked"


# 6 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [spelled(WORDS)(NIF.text), spelled(ENGLISH, ", ")(NIF.text), spelled(WORDS, "-")(PHONE.text)],
)
def test_6_spelled_out_digits(smuggle: Smuggle, text: str) -> None:
    for canary in (NIF, PHONE):
        assert smuggle(says(f"Apunta: {text}, gracias"), canary) == "masked"


# 7 -------------------------------------------------------------------------------------


def _deep(levels: int, value: Any) -> str:
    for _ in range(levels):
        value = json.dumps({"inner": value})
    return str(value)


PLACES: dict[str, dict[str, Any]] = {
    "arguments": {"arguments": json.dumps({"who": SAID})},
    "keys of arguments": {"arguments": json.dumps({SAID: 1})},
    "numbers": {"arguments": '{"id": 4111111111111111, "phone": 612349876}'},
    "number with an exponent": {"arguments": '{"id": 4.111111111111111e15}'},
    "JSON in JSON in JSON": {"arguments": _deep(3, SAID)},
    "escaped": {"arguments": json.dumps({"who": "".join(f"\\u{ord(c):04x}" for c in SAID)})},
    "twice the same key": {"arguments": '{"who": "12345678Z", "who": "x"}'},
    "no JSON at all": {"arguments": f"who = {SAID}"},
    "JSON cut off": {"arguments": f'{{"who": "{SAID}'},
    "the name": {"name": "look_up_12345678Z", "arguments": "{}"},
}


@pytest.mark.parametrize("place", PLACES)
def test_7_tool_calls(smuggle: Smuggle, place: str) -> None:
    function = {"name": "look_up"} | PLACES[place]
    call = {"type": "function", "id": f"call {NIF.text}", "function": function}
    messages = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"call {NIF.text}", "content": json.dumps({"row": SAID, SAID: 0})},
        {"role": "user", "content": "and?"},
    ]
    assert smuggle({"messages": messages, "tools": [TOOL]}, *ALL) == "masked"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {NIF.text: {"type": "string"}}},
        {"type": "string", "enum": [SAID, "x"]},
        {"type": "string", "const": SAID},
        {"type": "string", "default": {"deep": [SAID]}},
        {"type": "string", "pattern": NIF.text, "description": SAID},
        {"type": "number", "examples": [4111111111111111, 612349876]},
        {"type": "object", "required": [NIF.text], "$defs": {SAID: {}}},
        {"type": "string", "x-unheard-of": {"a": [{SAID: SAID}]}},
        {"$ref": f"https://example.org/{NIF.text}", "$comment": SAID},
    ],
)
def test_7_schemas(smuggle: Smuggle, schema: dict[str, Any]) -> None:
    tool = {"type": "function", "function": {"name": "f", "description": SAID, "parameters": schema}}
    formatted = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    assert smuggle(says("hi", tools=[tool]), *ALL) == "masked"
    assert smuggle(says("hi", response_format=formatted), *ALL) == "masked"


# 8 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"user": SAID}, {"safety_identifier": SAID}, {"prompt_cache_key": SAID}, {"stop": [SAID, NIF.text]},
        {"stop": SAID}, {"metadata": {"who": SAID}}, {"metadata": {SAID: "who"}},
        {"prediction": {"type": "content", "content": SAID}},
        {"tool_choice": {"type": "function", "function": {"name": f"f_{NIF.text}"}}},
        {"functions": [{"name": "f", "description": SAID}]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "description": SAID}}},
    ],
    ids=lambda more: next(iter(more)),
)  # fmt: skip
def test_8_every_field_that_holds_a_text(smuggle: Smuggle, more: dict[str, Any]) -> None:
    assert smuggle(says("hi", **more), *ALL) == "masked"


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant"])
def test_8_every_role_and_its_name(smuggle: Smuggle, role: str) -> None:
    messages = [{"role": role, "content": SAID, "name": NIF.text}, {"role": "user", "content": "hi"}]
    assert smuggle({"messages": messages}, *ALL) == "masked"


@pytest.mark.parametrize(
    "more",
    [
        {"logit_bias": {"12345678": 5}}, {"seed": 612349876}, {"temperature": 1.12345678},
        {"max_tokens": 612349876}, {"top_logprobs": 612349876}, {"model": NIF.text}, {"store": True},
        {"reasoning_effort": NIF.text}, {"service_tier": SAID}, {"response_format": {"type": SAID}},
    ],
    ids=lambda more: next(iter(more)),
)  # fmt: skip
def test_8_structure_holds_nothing_of_anybody(
    house: Gatehouse, provider: FakeProvider, smuggle: Smuggle, more: dict[str, Any]
) -> None:
    reason = smuggle(says("hi", **more), *ALL)
    assert reason == ("masked" if "model" in more else "blocked.shape")
    assert all(request["model"] == "big-1" for request in provider.requests)


def test_8_whom_it_is_about_is_not_told_either(smuggle: Smuggle, provider: FakeProvider) -> None:
    assert smuggle(says("The file of c-118, please", user="c-118", metadata={"id": "C-118"})) == "masked"
    assert b"118" not in provider.received.split(b"\r\n\r\n", 1)[1]


# 9, 12 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": f"https://example.org/{NIF.text}.png"}},
        {"type": "input_audio", "input_audio": {"data": b64(SAID), "format": "wav"}},
        {"type": "file", "file": {"filename": f"{NIF.text}.pdf", "file_data": b64(SAID)}},
        {"type": "file", "file": {"file_id": NIF.text}},
        {"type": "text", "text": "hi", "exif": SAID},
    ],
    ids=["image", "audio", "pdf", "file id", "exif"],
)
def test_9_what_nobody_can_look_into(smuggle: Smuggle, part: dict[str, Any]) -> None:
    assert smuggle(says([part]), *ALL) == "blocked.shape"


@pytest.mark.parametrize(
    "content",
    [
        {"prompt": [15339, 1917]}, {"prompt": [[1, 2], [3, 4]]}, {"messages": [1, 2]},
        says([15339, 1917]), {"input": [1, 2], **says("hi")},
    ],
)  # fmt: skip
def test_12_token_ids(smuggle: Smuggle, content: dict[str, Any]) -> None:
    assert smuggle(content, NIF) == "blocked.shape"


# 10 ------------------------------------------------------------------------------------


def test_10_headers_and_query_of_the_client_stop_here(house: Gatehouse, provider: FakeProvider) -> None:
    carried = {
        "User-Agent": f"agent {NIF.text}",
        "traceparent": "00-12345678000000000000000012345678-1234567812345678-01",
        "X-Note": SAID,
        "Cookie": f"who={NIF.text}",
        "Referer": f"https://example.org/{NIF.text}",
        "Authorization": f"Bearer {NIF.text}",
        "OpenAI-Organization": NIF.text,
        "X-Forwarded-For": "10.1.2.3",
        "X-Sazon-Subject": "c-118",
        "X-Sazon-Class": "personal",
        "X-Sazon-Conversation": "12345678Z",
    }
    with running(house.passage) as url, openai.OpenAI(base_url=f"{url}/v1", api_key=NIF.text) as client:
        raw = client.chat.completions.with_raw_response.create(
            model=PROVIDER,
            messages=[{"role": "user", "content": "hi"}],
            extra_headers=carried,
            extra_query={"who": NIF.text},
        )
    assert raw.headers["x-sazon-answered-by"] == "provider"
    head = provider.received.split(b"\r\n\r\n")[0].decode().lower().split("\r\n")
    assert head[0] == "post /v1/chat/completions http/1.1"
    assert {line.split(":")[0] for line in head[1:]} == {
        "host", "accept", "accept-encoding", "content-type", "content-length", "user-agent", "authorization",
    }  # fmt: skip
    assert f"authorization: bearer {KEY}" in head
    assert not any(leaked(provider.received, one) for one in ALL)
    assert b"c-118" not in provider.received


# 11 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"unheard_of": SAID}, {"api_base": "http://127.0.0.1:9/v1"}, {"base_url": "http://127.0.0.1:9/v1"},
        {"extra_headers": {"X-Note": SAID}}, {"extra_body": {"x": SAID}}, {"api_key": "sk-mine"},
        {"proxy": "http://127.0.0.1:9"}, {"timeout": 1}, {"web_search_options": {}}, {"n": 2}, {"": SAID},
    ],
    ids=lambda more: next(iter(more)) or "empty",
)  # fmt: skip
def test_11_unknown_fields(smuggle: Smuggle, more: dict[str, Any]) -> None:
    assert smuggle(says("hi", **more), *ALL) == "blocked.shape"
    message = {"role": "user", "content": "hi", **more}
    if "n" not in more:
        assert smuggle({"messages": [message]}, *ALL) == "blocked.shape"


# 13 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["DNI: 12345678A", "mi dni es 12345678", "n.i.f. 12.345.678 B"])
def test_13_a_typing_error_beside_its_word(smuggle: Smuggle, text: str) -> None:
    assert smuggle(says(f"{text}, gracias"), NIF) == "masked"


# 14 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit", ["a" * 50 + "@", "1 ", "(" * 30, "dos tres ", "\\u003", "%2", "&#", "\\\\", "[[PERSON_", '{"a":']
)
def test_14_texts_made_to_be_slow_take_a_bounded_time(smuggle: Smuggle, unit: str) -> None:
    began = time.monotonic()
    assert smuggle(says(unit * (1_000_000 // len(unit))), NIF) in ("blocked.too_large", "blocked.shape")
    smuggle(says(unit * (90_000 // len(unit))), NIF)
    assert time.monotonic() - began < 60.0  # two inspections within their deadlines, not hours
