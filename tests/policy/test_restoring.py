"""A text restored in pieces is the text restored whole, however it was cut.

Reduced here; `make campaigns` runs it in full.
"""

import asyncio
import json
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sazon.policy.detect import KINDS, Span
from sazon.policy.pseudonyms import (
    Conversation,
    Restoring,
    RestoringBytes,
    RestoringEvents,
    marker,
    restore_answer,
)

CHUNKINGS = 20_000 if os.environ.get("SAZON_CAMPAIGNS") == "full" else 1_500
VALUES = {
    "PERSON": "Ana López",
    "BIRTH_DATE": "1/11/1980",
    "IP": "10.0.0.1",
    "ADDRESS": 'Calle "Mayor" 3\n28001 Madrid \\ España',
    "OTHER": "⟦PERSON_ABC234⟧ [x",
}


def talk():
    """A conversation, and the code of each of its values."""
    conversation = Conversation()
    codes = {}
    for kind, value in VALUES.items():
        sent = conversation.cover(value, [Span(start=0, end=len(value), kind=kind, detector="test")])
        codes[kind] = marker.code_of(marker.FULL.search(sent))
    return conversation, codes


def fragment(chance, codes):
    """A piece of what a model may write: markers in many spellings, broken ones, and what resembles them."""
    kind = chance.choice(list(codes))
    code = codes[kind] if chance.random() < 0.8 else "ABC234"
    spelt = chance.choice([kind, kind.lower(), kind.replace("_", " "), "PERSONA", "fecha de", "x"])
    code = chance.choice([code, code, code.lower()])
    gap = chance.choice(["", "", "", " ", "**", "`", "  ", "     "])
    opening = chance.choice(["⟦", "⟦", "[", "[[", "{{", "<", "【", "\\u27e6", "\\\\u27e6", "", "⟦⟦", "\\"])
    closing = chance.choice(["⟧", "⟧", "]", "]]", "}}", ">", "】", "\\u27e7", "\\\\u27e7", "", "⟧⟧", "\\"])
    join = chance.choice(["_", "_", "-", " ", "\\_", ": ", "", "____"])
    whole = opening + gap + spelt + join + code + gap + closing
    if chance.random() < 0.3:
        start = chance.randrange(len(whole) + 1)
        whole = whole[start:] if chance.random() < 0.5 else whole[:start]
    around = ["", "", " ", "\n", "hola", "DATE", "(", ")", "PER", "BIRTH_", "é", "😀", "\\u27", "«", "9", "_"]
    return chance.choice(around) + whole + chance.choice(around)


def cut(chance, text):
    """A text in random pieces, some of them empty."""
    widest = chance.choice([1, 2, 4, 9, 40])
    pieces, at = [], 0
    while at < len(text):
        size = chance.randint(0, widest)
        pieces.append(text[at : at + size])
        at += size
    return pieces


def through(restoring, pieces):
    return [*(restoring.feed(piece) for piece in pieces), restoring.end()]


def restored(conversation, text, *, in_json):
    """The whole text at once."""
    if not in_json:
        return conversation.restore(text)
    return "".join(through(Restoring(conversation, in_json=True), [text]))


@pytest.mark.campaign
def test_no_chunking_changes_what_comes_out():
    conversation, codes = talk()
    chance = random.Random(7)  # reproducible, not secret
    changed = 0
    for _ in range(CHUNKINGS):
        text = "".join(fragment(chance, codes) for _ in range(chance.randint(1, 4)))
        in_json = chance.random() < 0.3
        whole = restored(conversation, text, in_json=in_json)
        changed += whole != text
        pieces = cut(chance, text)
        assert "".join(through(Restoring(conversation, in_json=in_json), pieces)) == whole, pieces
        in_bytes = cut(chance, text.encode())
        assert b"".join(through(RestoringBytes(conversation, in_json=in_json), in_bytes)) == whole.encode()
    assert changed > CHUNKINGS / 3


@given(st.data())
def test_no_chunking_of_any_text_changes_what_comes_out(data):
    conversation, codes = talk()
    atoms = ["⟦", "⟧", "[", "]", "{", ">", "PERSON", "person", "_", "-", " ", "*", "\\", "u27e6", "\\u27e7"]
    alphabet = st.sampled_from([*atoms, codes["PERSON"], codes["PERSON"].lower(), "IP", "a", "7", "ñ"])
    pieces = data.draw(st.lists(st.lists(alphabet, max_size=6).map("".join), max_size=6))
    whole = conversation.restore("".join(pieces))
    assert "".join(through(Restoring(conversation), pieces)) == whole


@settings(max_examples=15)
@given(st.from_regex(marker.FULL, fullmatch=True))
def test_a_stream_waits_at_every_beginning_of_every_spelling(spelling):
    found = marker.FULL.match(spelling)
    assert found is not None
    assert found.end() < marker.LONGEST
    for end in range(1, found.end()):
        growing = marker.GROWING.search(spelling[:end])
        assert growing is not None, end
        assert growing.start() == 0


def boundary_texts(codes):
    ana, date = codes["PERSON"], codes["BIRTH_DATE"]
    yield f"Hola ⟦PERSON_{ana}⟧, nacida el ⟦BIRTH_DATE_{date}⟧ 😀."
    yield f"[person {ana.lower()}] y **⟦ persona-{ana} ⟧** y PERSON_{ana}, [[BIRTH_DATE_{date}]]"
    yield f"\\u27e6PERSON_{ana}\\u27e7 PERSON\\_{ana} ⟦⟦PERSON_{ana}⟧⟧ ⟦PERSON_{ana}"
    yield f"⟦PERSON_ABC234⟧ ⟦PERSON_{ana}, PERSON_{ana}⟧ <ip_{codes['IP']}> 【PERSON_{ana}】"
    yield f"⟦{'a' * 100} PERSON_{ana} ⟦OTHER_{codes['OTHER']}⟧ [] [[ ⟦"


def test_a_cut_at_any_one_or_two_places_changes_nothing():
    conversation, codes = talk()
    for text in boundary_texts(codes):
        whole = conversation.restore(text)
        for i in range(len(text) + 1):
            assert "".join(through(Restoring(conversation), [text[:i], text[i:]])) == whole
        raw = text.encode()
        for i in range(len(raw) + 1):
            for j in (i, i + 1, i + 2, i + 7):
                pieces = [raw[:i], raw[i:j], raw[j:]]
                assert b"".join(through(RestoringBytes(conversation), pieces)) == whole.encode()
        assert "".join(through(Restoring(conversation), list(text))) == whole


def test_only_an_open_marker_is_held_back():
    conversation, codes = talk()
    restoring = Restoring(conversation)
    plain = "El paciente (varón, 43) toma a[i] <div> {x: 1} y P. Hola ¿qué tal? Per Date date "
    assert "".join(restoring.feed(c) for c in plain) == plain
    assert restoring.feed("Hola ⟦PERS") == "Hola "
    assert restoring.feed(f"ON_{codes['PERSON']}⟧") == "Ana López"
    assert restoring.feed("[PERSON_") == ""
    assert restoring.feed("] y") == "[PERSON_] y"
    longest = max(len(Restoring(conversation).feed("⟦" + "a" * n)) == 0 and n for n in range(200))
    assert longest < marker.LONGEST
    assert restoring.feed("fin ⟦PERSON") == "fin "
    assert restoring.end() == "⟦PERSON"
    assert restoring.end() == ""


def test_no_kind_or_spelling_is_longer_than_the_longest():
    for kind in KINDS:
        spelt = kind.replace("_", "\\_ ") + " - ABC234"
        assert len(f"\\u27e6    {spelt}    \\u27e7") <= marker.LONGEST


def test_bytes_that_are_no_text_pass_unchanged():
    conversation, codes = talk()
    raw = b"\xff\xe2\x9f" + f"⟦PERSON_{codes['PERSON']}⟧".encode() + b"\xe2\x9f"
    assert b"".join(through(RestoringBytes(conversation), [raw])) == b"\xff\xe2\x9fAna L\xc3\xb3pez\xe2\x9f"


# ----------------------------------------------------------------------------- events


def event(delta, index=0, finish=None, **more):
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more}


def as_bytes(events, end="\n"):
    """A stream of events as it comes over the wire."""
    blocks = [f"data: {json.dumps(one, ensure_ascii=False)}{end}{end}" for one in events]
    return "".join([*blocks, f"data: [DONE]{end}{end}"]).encode()


def joined(raw):
    """What a client makes of a stream: every string of every choice put together, and the last line."""
    channels = {}
    blocks = raw.decode().split("\n\n")
    assert blocks.pop() == ""
    for block in blocks:
        data = block.removeprefix("data: ")
        if data == "[DONE]":
            continue
        for choice in json.loads(data)["choices"]:
            delta = choice["delta"]
            for name in ("content", "refusal", "reasoning_content"):
                place = (choice["index"], name)
                channels[place] = channels.get(place, "") + (delta.get(name) or "")
            for call in delta.get("tool_calls", []):
                for name in ("name", "arguments"):
                    place = (choice["index"], call["index"], name)
                    channels[place] = channels.get(place, "") + (call["function"].get(name) or "")
    return {place: text for place, text in channels.items() if text}, blocks[-1]


def call(index, arguments, name=None):
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"tool_calls": [{"index": index, "function": function}]}


def streamed(chance, codes):
    """A stream with several channels, each cut at random, and what a client must see of each."""
    address = f"⟦ADDRESS_{codes['ADDRESS']}⟧"
    texts = {
        (0, "content"): f"Hola ⟦PERSON_{codes['PERSON']}⟧ en {address} ⟦PER",
        (0, "refusal"): f"no [person {codes['PERSON']}]",
        (1, "content"): f"⟦BIRTH_DATE_{codes['BIRTH_DATE']}⟧",
        (1, "reasoning_content"): f"pienso en ⟦PERSON_{codes['PERSON']}",
        (0, 0, "arguments"): json.dumps({"a": address, f"⟦PERSON_{codes['PERSON']}⟧": 1}),
        (0, 1, "arguments"): json.dumps({"a": address}, ensure_ascii=False),
    }
    waiting = [(place, piece) for place, text in texts.items() for piece in cut(chance, text)]
    order = {place: [p for where, p in waiting if where == place] for place in texts}
    events = [event({"role": "assistant", "content": None})]
    for index in (0, 1):
        events.append(event(call(index, "", f"PERSON_{codes['PERSON']}")))
    while any(order.values()):
        place = chance.choice([where for where, pieces in order.items() if pieces])
        piece = order[place].pop(0)
        delta = {place[1]: piece} if len(place) == 2 else call(place[1], piece)
        events.append(event(delta, place[0]))
    return events, texts


@pytest.mark.campaign
def test_events_are_restored_channel_by_channel_however_they_are_cut():
    conversation, codes = talk()
    chance = random.Random(11)  # reproducible, not secret
    for i in range(CHUNKINGS // 100):
        events, texts = streamed(chance, codes)
        finish = [
            event({}, 0, "stop"),
            event({"content": "."}, 1, "stop"),
            {"choices": [], "usage": {"n": 1}},
        ]
        finished = events + (finish if i % 3 else [])
        raw = as_bytes(finished, "\r\n" if i % 2 else "\n")
        out = b"".join(through(RestoringEvents(conversation), cut(chance, raw)))
        seen, last = joined(out)
        assert last == "data: [DONE]"
        whole = {
            place: restored(conversation, text, in_json=place[-1] == "arguments")
            for place, text in texts.items()
        }
        whole[1, "content"] += "." if i % 3 else ""
        assert {place: text for place, text in seen.items() if place[-1] != "name"} == whole
        assert seen[0, 0, "name"] == "Ana López"
        assert json.loads(seen[0, 1, "arguments"]) == {"a": VALUES["ADDRESS"]}
        assert json.loads(seen[0, 0, "arguments"]) == {"a": VALUES["ADDRESS"], "Ana López": 1}


@pytest.mark.parametrize("blank", ["", " \n\t"])
def test_json_within_a_string_of_arguments_is_escaped_twice(blank):
    conversation, codes = talk()
    ana, address = f"[PERSON_{codes['PERSON']}]", f"⟦ADDRESS_{codes['ADDRESS']}⟧"
    told = {
        "body": blank + json.dumps({"to": address, "cc": [address]}, indent=2),
        "note": f'{ana}: "{address}"',
        address: f"[sic] {address}",
        "quoted": f'"{address}"',
    }
    for text in (json.dumps(told), json.dumps(told, ensure_ascii=False)):
        for size in (1, 2, 7, len(text)):
            pieces = [text[at : at + size] for at in range(0, len(text), size)]
            read = json.loads("".join(through(Restoring(conversation, in_json=True), pieces)))
            value = VALUES["ADDRESS"]
            assert json.loads(read.pop("body")) == {"to": value, "cc": [value]}
            assert read == {"note": f'Ana López: "{value}"', value: f"[sic] {value}", "quoted": f'"{value}"'}


def test_what_is_held_comes_out_with_the_finish_or_before_done_or_at_the_end():
    conversation, codes = talk()
    open_one = event({"content": f"⟦PERSON_{codes['PERSON']}"})
    restoring = RestoringEvents(conversation)
    assert joined(restoring.feed(as_bytes([open_one])[: -len("data: [DONE]\n\n")]))[0] == {}
    out = restoring.feed(as_bytes([event({}, 0, "length")]))
    assert joined(out)[0] == {(0, "content"): "Ana López"}
    assert b'"finish_reason":"length"' in out.split(b"\n\n")[0]
    for end in (b"data: [DONE]\n\n", b"", b"data: [DONE]"):
        restoring = RestoringEvents(conversation)
        raw = as_bytes([open_one])[: -len("data: [DONE]\n\n")] + end
        out = b"".join(through(restoring, [raw]))
        assert joined(out)[0] == {(0, "content"): "Ana López"}
        assert json.loads(out.split(b"\n\n")[1].removeprefix(b"data: "))["id"] == "c1"


def test_what_holds_nothing_passes_as_it_came():
    conversation, _ = talk()
    blocks = [
        b": ping",
        b'event: x\nid: 3\ndata: {"choices": [{"delta": {"content": "hola"}}], "x": 1.50}',
        b"data: no json",
        b"data: [1]",
        b'data: {"error": {"message": "\xc3\xb1"}}',
        b"data: [DONE]",
    ]
    raw = b"".join(block + b"\n\n" for block in blocks)
    assert b"".join(through(RestoringEvents(conversation), [raw[:9], raw[9:]])) == raw


def test_half_characters_of_a_provider_survive():
    conversation, _ = talk()
    halves = [event({"content": "\ud83d"}), event({"content": "\ude00"}), event({}, 0, "stop")]
    raw = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in halves)
    out = b"".join(through(RestoringEvents(conversation), [raw]))
    texts = [json.loads(b[6:])["choices"][0]["delta"].get("content", "") for b in out.split(b"\n\n") if b]
    assert json.loads(json.dumps("".join(texts))) == "😀"


def test_json_content_is_escaped_where_the_request_asked_for_json():
    conversation, codes = talk()
    content = json.dumps({"a": f"⟦ADDRESS_{codes['ADDRESS']}⟧"})
    raw = as_bytes([event({"content": content}), event({}, 0, "stop")])
    out = b"".join(through(RestoringEvents(conversation, json_content=True), [raw]))
    assert json.loads(joined(out)[0][0, "content"]) == {"a": VALUES["ADDRESS"]}
    answer = {"choices": [{"message": {"content": content}}]}
    told = restore_answer(answer, conversation, json_content=True)
    assert json.loads(told["choices"][0]["message"]["content"]) == {"a": VALUES["ADDRESS"]}


def test_a_whole_answer_is_restored_in_every_string():
    conversation, codes = talk()
    ana = f"⟦PERSON_{codes['PERSON']}⟧"
    address = f"⟦ADDRESS_{codes['ADDRESS']}⟧"
    nested = json.dumps({"body": json.dumps({"to": address}), ana: [address]})
    message = {
        "role": "assistant",
        "content": f"Hola {ana}",
        "refusal": None,
        "reasoning_content": f"[person {codes['PERSON']}]",
        "tool_calls": [
            {"id": "x", "type": "function", "function": {"name": ana[1:-1], "arguments": nested}},
            {"id": "y", "type": "function", "function": {"name": "f", "arguments": '{"a": "' + address}},
        ],
    }
    answer = {"id": "c", "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
    told = restore_answer(answer, conversation)["choices"][0]["message"]
    assert told["content"] == "Hola Ana López"
    assert told["reasoning_content"] == "Ana López"
    first, second = (one["function"] for one in told["tool_calls"])
    assert first["name"] == "Ana López"
    read = json.loads(first["arguments"])
    assert json.loads(read["body"]) == {"to": VALUES["ADDRESS"]}
    assert read["Ana López"] == [VALUES["ADDRESS"]]
    assert json.loads(second["arguments"] + '"}') == {"a": VALUES["ADDRESS"]}
    assert restore_answer({"error": {"message": ana}}, conversation) == {"error": {"message": ana}}
    assert message["content"] == f"Hola {ana}"


def test_a_hundred_streams_at_once_do_not_mix():
    shared_code = "A2B3C4"

    async def one(i):
        conversation = Conversation(draw=lambda: shared_code)
        whole = Span(start=0, end=len(f"Ana {i}"), kind="PERSON", detector="test")
        sent = conversation.cover(f"Ana {i}", [whole])
        stream, out = RestoringEvents(conversation), b""
        raw = as_bytes([event({"content": c}) for c in f"Hola {sent}."])
        for at in range(0, len(raw), 101):
            out += stream.feed(raw[at : at + 101])
            await asyncio.sleep(0)
        return joined(out + stream.end())[0]

    async def every():
        return await asyncio.gather(*map(one, range(100)))

    assert asyncio.run(every()) == [{(0, "content"): f"Hola Ana {i}."} for i in range(100)]
