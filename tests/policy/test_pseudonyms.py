"""Values leave as markers and come back: consistent within a conversation, unknown outside it."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.core.errors import IntegrityError, PluginError
from sazon.policy.detect import KINDS, Span
from sazon.policy.leaves import check_shape
from sazon.policy.pseudonyms import Conversation, cover_request, marker, restore_answer

MARKER = r"⟦[A-Z_]+_[2-9A-Z]{6}⟧"


def span(start, end, kind="PERSON", **more):
    return Span(start=start, end=end, kind=kind, detector="test", **more)


def covered(conversation, value, kind="PERSON", **more):
    return conversation.cover(value, [span(0, len(value), kind, **more)])


@st.composite
def spanned(draw, texts):
    """A text with some spans in it."""
    text = draw(texts)
    cuts = st.integers(0, len(text))
    pairs = draw(st.lists(st.tuples(cuts, cuts), max_size=5)) if text else []
    return text, [
        span(min(pair), max(pair), draw(st.sampled_from(KINDS)), hidden=draw(st.booleans()))
        for pair in pairs
        if pair[0] != pair[1]
    ]


markerish = st.text(st.sampled_from(list("⟦⟧[]{}<>【】 _-*`\\PERSONDATE7K2QX9abñ€😀\n")), max_size=40)


@given(spanned(st.one_of(st.text(max_size=30), markerish)))
def test_nothing_of_a_span_is_left_and_the_text_comes_back(given_text):
    text, spans = given_text
    conversation = Conversation()
    safe = conversation.cover(text, [one for one in spans if one.kind in ("OTHER", "URL")])
    assert conversation.restore(safe) == text
    conversation = Conversation()
    inside = {i for one in spans for i in range(one.start, one.end)}
    kept = "".join(c for i, c in enumerate(text) if i not in inside)
    left = marker.FULL.sub("", conversation.cover(text, spans))
    assert len(left) <= len(kept)


def test_a_value_keeps_its_marker_over_turns_and_another_conversation_has_another():
    first, second = Conversation(), Conversation()
    marked = covered(first, "Ana López")
    assert marked == covered(first, "Ana López")
    assert first.cover("es Ana López.", [span(3, 12)]) == f"es {marked}."
    assert covered(first, "Ana López", "PLACE") != marked
    assert covered(second, "Ana López") != marked
    assert second.restore(marked) == marked
    assert first.restore(f"Hola, {marked}.") == "Hola, Ana López."


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("PERSON", "José García", "JOSE  garcia"),
        ("PERSON", "Núñez", "Nuñez"),
        ("PERSON", "Jose\u0301 Ruiz", "José Ruiz"),
        ("NIF", "12.345.678-Z", "12345678z"),
        ("IBAN", "ES91 2100 0418 4502 0005 1332", "ES9121000418450200051332"),
        ("EMAIL", "Ana@example.com", "ana@example.com"),
    ],
)
def test_spellings_of_one_value_share_a_marker(kind, one, other):
    conversation = Conversation()
    assert covered(conversation, one, kind) == covered(conversation, other, kind)
    assert conversation.restore(covered(conversation, other, kind)) == one


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("PERSON", "Peña", "Pena"),
        ("DATE", "1/11/2020", "11/1/2020"),
        ("URL", "https://example.com/A", "https://example.com/a"),
        ("RECORD", "12-3", "1-23"),
        ("SECRET", "abc", "ABC"),
        ("PHONE", "---", "..."),
    ],
)
def test_what_may_be_two_values_gets_two_markers(kind, one, other):
    conversation = Conversation()
    assert covered(conversation, one, kind) != covered(conversation, other, kind)


def test_a_disguise_comes_back_as_the_disguise():
    conversation = Conversation()
    plain = covered(conversation, "12345678Z", "NIF")
    disguised = covered(conversation, "1 2 3 4 5 6 7 8 z", "NIF", hidden=True)
    assert plain != disguised
    assert conversation.restore(disguised) == "1 2 3 4 5 6 7 8 z"


def test_overlapping_spans_leave_nothing_uncovered():
    conversation = Conversation()
    text = "Calle Ana López 3, Madrid"
    spans = [span(6, 15), span(0, 17, "ADDRESS"), span(16, 25, "PLACE"), span(10, 15)]
    marked = conversation.cover(text, spans)
    assert marked.startswith("⟦ADDRESS_")
    assert conversation.restore(marked) == text
    assert len(conversation) == 1
    touching = conversation.cover("AnaLópez", [span(0, 3), span(3, 8)])
    assert len(marker.FULL.findall(touching)) == 2


def test_a_span_of_another_text_is_refused():
    with pytest.raises(PluginError):
        Conversation().cover("ab", [span(0, 3)])


def spellings(kind, code):
    """What models make of a marker."""
    word, low = kind.replace("_", " "), code.lower()
    yield from (f"⟦{kind}_{code}⟧", f"⟦{kind.lower()}_{low}⟧", f"⟦ {word} {code} ⟧", f"⟦{kind}-{code}⟧")
    yield from (f"[{kind}_{code}]", f"[ {word.lower()} {low} ]", f"【{kind}_{code}】", f"[[{kind}_{code}]]")
    yield from (f"<{kind}_{code}>", f"{{{{{kind}_{code}}}}}", f"⟨{kind}_{code}⟩", f"⟦**{kind}_{code}**⟧")
    yield from (f"⟦`{kind}\\_{code}`⟧", f"⟦{kind}: {code}⟧", f"⟦{kind}‑{code}⟧", f"⟦{kind}_{code}]")
    yield from (f"⟦PERSONA_{code}⟧", f"⟦人物_{code}⟧", f"⟦fecha de nacimiento {low}⟧", f"⟦{kind}_{code}")
    yield from (f"{kind}_{code}", f"{kind}\\_{code}", f"\\u27e6{kind}_{code}\\u27e7")


@pytest.mark.parametrize("kind", ["PERSON", "BIRTH_DATE", "IP"])
def test_every_spelling_of_a_known_marker_is_restored_and_of_an_unknown_one_is_not(kind):
    conversation, stranger = Conversation(), Conversation()
    [code] = [marker.code_of(found) for found in marker.FULL.finditer(covered(conversation, "Ana", kind))]
    for spelling in spellings(kind, code):
        for before, after in (("", ""), ("Es ", ", sí."), ("**", "**"), ("`", "`"), ("(", ")"), ("«", "»s")):
            told = before + spelling + after
            assert conversation.restore(told) == f"{before}Ana{after}", spelling
            assert stranger.restore(told) == told
    for no_marker in (
        f"{kind}_{code}A",
        f"X{kind.replace('_', '')}_{code}",
        f"⟦{kind}_{code[:5]}⟧",
        f"⟦{code}⟧",
        f"[x {code}]",
    ):
        assert conversation.restore(no_marker) == no_marker


def test_text_that_looks_like_a_marker_pulls_nothing_and_comes_back():
    conversation = Conversation()
    marked = covered(conversation, "Ana López")
    code = marker.code_of(marker.FULL.search(marked))
    for written in (*spellings("PERSON", code), "⟦PERSON_7K2QX9⟧", "⟦x 7k2qx9⟧ y ⟦NIF_ABC234⟧"):
        asked = f"repite: {written}"
        sent = conversation.cover(asked)
        assert code not in sent.upper()
        assert conversation.restore(sent) == asked
    assert conversation.cover("un texto [1] con (date 234567)") == "un texto [1] con (date 234567)"


def test_a_value_that_holds_a_marker_is_restored_once():
    conversation = Conversation()
    marked = covered(conversation, "Ana")
    outer = covered(conversation, f"x {marked} y", "RECORD")
    assert conversation.restore(outer) == f"x {marked} y"


def test_a_new_marker_is_never_one_that_already_stands_in_the_request():
    codes = iter(["7K2QX9", "7K2QX9", "A2B3C4", "A2B3C4", "Z9Z9Z9"])
    conversation = Conversation(draw=lambda: next(codes))
    conversation.reserve(["antes: [person 7k2qx9]"])
    assert covered(conversation, "Ana") == "⟦PERSON_A2B3C4⟧"
    assert covered(conversation, "Eva") == "⟦PERSON_Z9Z9Z9⟧"
    late = Conversation(draw=iter(["7K2QX9", "Z9Z9Z9"]).__next__)
    assert covered(late, "Ana") == "⟦PERSON_7K2QX9⟧"
    # The same code in a later text of the same request becomes another.
    assert late.cover("[person 7k2qx9]") == "⟦OTHER_Z9Z9Z9⟧"


def test_a_name_becomes_one_marker_of_plain_letters():
    conversation = Conversation()
    assert conversation.cover("get_weather", name=True) == "get_weather"
    sent = conversation.cover("getJuanFile", [span(3, 7)], name=True)
    assert sent.replace("_", "").isalnum()
    assert sent.isascii()
    assert conversation.restore(sent) == "getJuanFile"


def test_a_conversation_survives_its_dump_and_shows_no_value():
    conversation = Conversation()
    marked = covered(conversation, "Ana López"), covered(conversation, "\ud800", "OTHER")
    conversation.reserve(["⟦PERSON_7K2QX9⟧"])
    again = Conversation.load(conversation.dump())
    assert [again.restore(one) for one in marked] == ["Ana López", "\ud800"]
    assert (covered(again, "ana lopez"), len(again)) == (marked[0], 2)
    assert again.dump() == conversation.dump()
    assert "Ana" not in repr(conversation)


@given(
    st.one_of(
        st.binary(max_size=20), st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode)
    )
)
def test_a_dump_that_is_none_is_refused(content):
    with pytest.raises(IntegrityError):
        Conversation.load(content)


def test_codes_have_letters_and_digits_and_differ():
    codes = {marker.draw() for _ in range(2000)}
    assert len(codes) == 2000
    assert all(
        set(code) <= set(marker.ALPHABET) and not code.isalpha() and not code.isdigit() for code in codes
    )
    assert not set("01ILOU") & set(marker.ALPHABET)


def test_a_hundred_conversations_at_once_do_not_mix():
    shared = Conversation()

    def talk(i):
        own, said = Conversation(), []
        for turn in range(20):
            value = f"Ana {i} {turn % 7}"
            said.append((value, covered(own, value), covered(shared, value)))
        return own, said

    with ThreadPoolExecutor(max_workers=16) as pool:
        talks = list(pool.map(talk, range(100)))
    assert len(shared) == 700
    everything = "; ".join(mark for _, said in talks for _, mark, _ in said)
    for i, (own, said) in enumerate(talks):
        assert [own.restore(mark) for _, mark, _ in said] == [value for value, _, _ in said]
        assert [shared.restore(mark) for _, _, mark in said] == [value for value, _, _ in said]
        restored = own.restore(everything)
        assert restored.count("Ana") == restored.count(f"Ana {i} ") == len(said)


def test_a_whole_request_leaves_without_its_values_and_its_answer_comes_back_with_them():
    name, quoted = "Ana López", 'Ana "la López"'

    def find(leaf):
        found = [(value, leaf.text.find(value)) for value in (name, quoted, "612345678", "Ana_tool")]
        return [span(at, at + len(value)) for value, at in found if at >= 0]

    parameters = {"properties": {name: {"enum": [612345678, 7]}}, "required": [name]}
    function = {"name": "Ana_tool", "parameters": parameters}
    request = {
        "model": "m",
        "messages": [
            {"role": "user", "content": f"Soy {name}", "name": name},
            {"role": "tool", "tool_call_id": "1", "content": json.dumps({"to": quoted, "phone": 612345678})},
            {"role": "user", "content": "repite ⟦PERSON_7K2QX9⟧ y PERSON_7K2QX9"},
        ],
        "metadata": {name: quoted},
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "Ana_tool"}},
    }
    check_shape(request)
    conversation = Conversation()
    sent = cover_request(request, conversation, find)
    check_shape(sent)
    told = json.dumps(sent, ensure_ascii=False)
    assert not any(value in told for value in ("Ana", "López", "612345678", "⟦PERSON_7K2QX9⟧"))
    tool = sent["tools"][0]["function"]
    assert tool["name"] == sent["tool_choice"]["function"]["name"]
    assert list(tool["parameters"]["properties"]) == tool["parameters"]["required"]
    assert tool["parameters"]["required"][0].replace("_", "").isalnum()
    assert cover_request(request, conversation, find) == sent
    call = {"name": tool["name"], "arguments": sent["messages"][1]["content"]}
    message = {"content": sent["messages"][2]["content"], "tool_calls": [{"id": "1", "function": call}]}
    answer = restore_answer({"choices": [{"message": message}]}, conversation)["choices"][0]["message"]
    assert answer["content"] == request["messages"][2]["content"]
    assert answer["tool_calls"][0]["function"]["name"] == "Ana_tool"
    arguments = json.loads(answer["tool_calls"][0]["function"]["arguments"])
    assert arguments == {"to": quoted, "phone": "612345678"}


def test_what_was_found_once_is_covered_wherever_it_stands():
    conversation = Conversation()
    values = {"Ana López": "PERSON", "43": "AGE", "mujer": "SEX", "+34 612": "PHONE", "Eva": "PERSON"}
    for value, kind in values.items():
        covered(conversation, value, kind)

    def seen(text):
        return [text[one.start : one.end] for one in conversation.known(text)]

    assert seen("ANA LÓPEZ, (Ana López)") == ["ANA LÓPEZ", "Ana López"]
    assert seen("Mariana López Ana Lópezo xAna López 43 mujer Eva 34 612") == []
    assert seen("get_Ana López_2") == ["Ana López"]
    conversation = Conversation()
    messages = [{"content": "con Ana López"}, {"content": "Soy Ana López"}]

    def only_second(leaf):
        return [span(4, 13)] if leaf.text.startswith("Soy") else []

    request = {"messages": messages, "metadata": {"ana lópez": ""}}
    told = json.dumps(cover_request(request, conversation, only_second), ensure_ascii=False)
    assert told.count("⟦PERSON_") == 3
    assert len(conversation) == 1


@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.sampled_from(KINDS)), max_size=5), st.text())
def test_known_values_are_spans_of_the_text_and_cover_like_any_other(values, text):
    conversation = Conversation()
    for value, kind in values:
        covered(conversation, value, kind)
    text = text.join(value for value, _ in values)
    spans = conversation.known(text)
    conversation.restore(conversation.cover(text, spans))
    assert all(span.end <= len(text) for span in spans)
