"""Every string of a request is seen and can be replaced; what is not understood is refused."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.core.errors import PolicyRefused
from sazon.core.words import LANGUAGES
from sazon.policy.chat import CHAT, MESSAGE
from sazon.policy.detect import Span
from sazon.policy.leaves import check_shape, leaves, replaced, replaced_in_json
from sazon.policy.pseudonyms import Conversation, cover_request
from sazon.policy.shape import Anything, Size, objection

CANARY = "canary 12345678Z"

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
key = st.text("abñ_ 1", min_size=1, max_size=5)
number = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), number, text),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(key, inner, max_size=3)),
    max_leaves=6,
)
hidden = st.one_of(text, anything.map(json.dumps), anything.map(json.dumps).map(json.dumps))


def some(required, /, **optional):
    """An object with all required fields and any of the others."""
    return st.fixed_dictionaries(required, optional=optional)


schema = st.recursive(
    some(
        {}, type=st.sampled_from(["string", "integer"]), description=text, enum=st.lists(anything, max_size=2)
    ),
    lambda inner: some(
        {"type": st.just("object"), "properties": st.dictionaries(key, inner, max_size=3)},
        required=st.lists(key, max_size=2),
        title=text,
        anyOf=st.lists(inner, max_size=2),
        additionalProperties=st.one_of(st.booleans(), inner),
        **{"$defs": st.dictionaries(key, inner, max_size=2), "x-more": anything},
    ),
    max_leaves=4,
)
content = st.one_of(hidden, st.lists(some({"type": st.just("text"), "text": hidden}), min_size=1, max_size=3))
call = some({"id": text, "type": st.just("function"), "function": some({"name": text, "arguments": hidden})})
message = st.one_of(
    some({"role": st.sampled_from(["system", "developer", "user"]), "content": content}, name=text),
    some(
        {"role": st.just("assistant")},
        content=st.one_of(st.none(), content),
        refusal=text,
        reasoning_content=text,
        tool_calls=st.lists(call, max_size=2),
    ),
    some({"role": st.just("tool"), "content": content, "tool_call_id": text}),
)
function = some({"name": text}, description=text, parameters=schema, strict=st.booleans())
named = some({"type": st.just("function"), "function": some({"name": text})})
requests = some(
    {"model": text, "messages": st.lists(message, min_size=1, max_size=4)},
    temperature=st.sampled_from([0, 0.7, 2]),
    n=st.integers(1, 4),
    max_tokens=st.integers(1, 4096),
    seed=st.integers(0, 999_999),
    stream=st.booleans(),
    stop=st.one_of(text, st.lists(text, max_size=4)),
    user=text,
    metadata=st.dictionaries(key, text, max_size=3),
    tools=st.lists(some({"type": st.just("function"), "function": function}), max_size=2),
    tool_choice=st.one_of(st.sampled_from(["none", "auto", "required"]), named),
    response_format=st.one_of(
        st.just({"type": "json_object"}),
        some({"type": st.just("json_schema"), "json_schema": some({"name": text}, schema=schema)}),
    ),
    prediction=some({"type": st.just("content"), "content": content}),
)


def places(value, path=()):
    """Every string position of a request: values and keys."""
    if isinstance(value, str):
        yield path, "value"
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*path, name), "key"
            yield from places(inner, (*path, name))
    if isinstance(value, list):
        for i, inner in enumerate(value):
            yield from places(inner, (*path, i))


def planted(request, path, kind, canary):
    """The request with a canary at one place."""
    request = copy.deepcopy(request)
    node = request
    for step in path[:-1]:
        node = node[step]
    if kind == "key":
        node[canary] = node.pop(path[-1])
    else:
        node[path[-1]] = canary
    return request


@given(requests, st.data())
def test_a_canary_anywhere_is_seen_and_can_be_replaced(request, data):
    check_shape(request)
    path, kind = data.draw(st.sampled_from(list(places(request))))
    canary = data.draw(
        st.sampled_from(
            [CANARY, json.dumps({"a": [CANARY]}), json.dumps(json.dumps({CANARY: 1})), f'"{CANARY}"']
        )
    )
    dirty = planted(request, path, kind, canary)
    assert any(CANARY in leaf.text for leaf in leaves(dirty))
    clean = replaced(dirty, lambda leaf: leaf.text.replace(CANARY, "⟦OTHER_ABC234⟧"))
    assert "canary" not in json.dumps(clean, ensure_ascii=False)
    assert all(CANARY not in leaf.text for leaf in leaves(clean))


@given(requests)
def test_structure_stays_and_what_no_leaf_changed_stays_to_the_last_character(request):
    assert replaced(request, lambda leaf: leaf.text) == request
    marked = replaced(request, lambda leaf: "x" if leaf.place == "value" else leaf.text)
    for first, second in zip(request["messages"], marked["messages"], strict=True):
        assert first["role"] == second["role"]
    assert request.get("temperature") == marked.get("temperature")


@given(anything)
def test_without_a_shape_every_string_number_and_key_is_a_leaf(value):
    def count(one):
        if isinstance(one, dict):
            return len(one) + sum(map(count, one.values()))
        if isinstance(one, list):
            return sum(map(count, one))
        return int(one is not None and not isinstance(one, bool))

    plain = json.loads(json.dumps(value).replace('\\"', "").replace("[]", "1"))
    assert len(leaves(plain, Anything())) >= count(plain)


def test_json_in_a_string_is_opened_down_to_its_numbers_and_to_keys_given_twice():
    inner = json.dumps({"dni": 12345678, "e": 1.50})
    arguments = '{"a" : "hidden", "a": "seen", "more": ' + json.dumps(inner) + ', "u": "\\u0031\\u0032"}'
    request = {
        "model": "m",
        "messages": [
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
                ],
            },
            {"role": "tool", "tool_call_id": "c", "content": '{"row": "uno"}\n{"row": "dos"}\n'},
        ],
    }
    check_shape(request)
    found = {leaf.text: leaf for leaf in leaves(request)}
    assert {"hidden", "seen", "12345678", "12", "uno", "dos", "dni"} <= set(found)
    assert found["12345678"].place == "number"
    assert found["dni"].place == "key"
    assert found["12345678"].path[-2:] == ("more", "dni")
    clean = replaced(request, lambda leaf: "⟦X⟧" if leaf.text in ("hidden", "12345678") else leaf.text)
    told = clean["messages"][0]["tool_calls"][0]["function"]["arguments"]
    assert told.startswith('{"a" : "⟦X⟧", "a": "seen", "more": ')
    assert json.loads(json.loads(told)["more"]) == {"dni": "⟦X⟧", "e": 1.5}
    assert told.endswith('"u": "\\u0031\\u0032"}')


def test_a_string_that_is_no_json_is_one_leaf():
    for plain in ("[hola", "{a: 1}", "hola {}", '"a" b', "12345678", "[1,]", ""):
        assert [leaf.text for leaf in leaves({"model": plain})] == [plain]


def test_an_unchecked_request_hides_nothing():
    request = {
        "unknown": {"role": "user"},
        "messages": [{"role": "wizard", "x": [True, None, 7]}],
        "seed": 10**9,
    }
    assert [leaf.text for leaf in leaves(request)] == [
        "unknown", "role", "user", "role", "wizard", "x", "7", "1000000000",
    ]  # fmt: skip


def test_a_replaced_number_becomes_a_string_and_another_stays_a_number():
    request = {"metadata": {"a": 612345678, "b": 0.1}}
    assert replaced(request, lambda leaf: "⟦PHONE⟧" if leaf.text == "612345678" else leaf.text) == {
        "metadata": {"a": "⟦PHONE⟧", "b": 0.1}
    }


def test_two_keys_that_would_become_one_are_refused():
    with pytest.raises(PolicyRefused, match="the same"):
        replaced({"metadata": {"José": "a", "Jose": "b"}}, lambda leaf: leaf.text.replace("é", "e"))


@pytest.mark.parametrize("bottom", ["[" * 5000 + "]" * 5000, "[" * 5000])
def test_what_is_too_deep_is_refused_in_words(bottom):
    with pytest.raises(PolicyRefused):
        replaced_in_json(bottom, lambda leaf: leaf.text)
    text = "x"
    for _ in range(9):
        text = json.dumps([text])
    with pytest.raises(PolicyRefused):
        leaves({"user": text})


def test_the_work_is_bounded_by_the_number_of_leaves_and_marks(monkeypatch):
    monkeypatch.setattr("sazon.policy.leaves._MOST", 1000)
    assert len(leaves({"user": '"a" ' * 400})) == 400
    for many in ('"a" ' * 600, "[]" * 600, "[" + "1," * 600 + "1]"):
        with pytest.raises(PolicyRefused, match="too large"):
            leaves({"user": many})
    with pytest.raises(PolicyRefused, match="too large"):
        leaves({"stop": ["a"] * 1001})


def replace_b(text):
    return [Span(start=i, end=i + 1, kind="OTHER", detector="test") for i, c in enumerate(text) if c in "b1"]


@given(requests)
def test_a_request_covered_and_restored_says_the_same(request):
    conversation = Conversation()
    sent = cover_request(request, conversation, lambda leaf: replace_b(leaf.text))
    assert all("b" not in leaf.text for leaf in leaves(sent))
    back = replaced(sent, lambda leaf: conversation.restore(leaf.text))
    assert [leaf.text for leaf in leaves(back)] == [leaf.text for leaf in leaves(request)]


GOOD = {"model": "m", "messages": [{"role": "user", "content": "hola"}]}
SECRET = "12345678Z"


def part(**fields):
    return {"messages": [{"role": "user", "content": [fields]}]}


def with_parameters(schema):
    return {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}


REFUSED = {
    "unknown field": ({SECRET: 1}, "request"),
    "unknown field inside": ({"messages": [{"role": "user", "content": "", SECRET: ""}]}, "messages[0]"),
    "no messages": ({"messages": None}, "messages"),
    "a role that is none": ({"messages": [{"role": SECRET, "content": "a"}]}, "messages[0].role"),
    "messages as text": ({"messages": SECRET}, "messages"),
    "token ids": ({"prompt": [1, 2, 3]}, "prompt"),
    "token ids in a message": ({"messages": [{"role": "user", "content": [1, 2]}]}, "messages[0].content[0]"),
    "logit bias": ({"logit_bias": {"50256": -100}}, "logit_bias"),
    "an image": (part(type="image_url", image_url={"url": SECRET}), "messages[0].content[0].type"),
    "audio": (part(type="input_audio", input_audio={"data": SECRET}), "messages[0].content[0].type"),
    "a file": (part(type="file", file={"filename": SECRET}), "messages[0].content[0].type"),
    "audio out": ({"audio": {"voice": "alloy"}}, "audio"),
    "audio as a modality": ({"modalities": ["audio"]}, "modalities[0]"),
    "a temperature out of range": ({"temperature": 12345678}, "temperature"),
    "digits in a temperature": ({"temperature": 0.12345678}, "temperature"),
    "no number": ({"temperature": float("nan")}, "temperature"),
    "a seed as long as a phone number": ({"seed": 612345678}, "seed"),
    "n as a word": ({"n": "1"}, "n"),
    "n as a switch": ({"n": True}, "n"),
    "stored": ({"store": True}, "store"),
    "kept in a cache for a day": ({"prompt_cache_retention": "24h"}, "prompt_cache_retention"),
    "metadata with more than texts": ({"metadata": {SECRET: [SECRET]}}, "metadata.*"),
    "a tool of another kind": ({"tools": [{"type": SECRET}]}, "tools[0].type"),
    "a schema of another type": (
        with_parameters({"properties": {SECRET: {"type": SECRET}}}),
        "tools[0].function.parameters.properties.*.type",
    ),
    "a choice that is none": ({"tool_choice": SECRET}, "tool_choice"),
    "half a character": ({"user": "\ud800"}, "request"),
    "too deep": (with_parameters({"enum": json.loads("[" * 70 + "]" * 70)}), "request"),
    "bytes": ({"user": b"x"}, "request"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_understood_is_refused_without_repeating_it(case):
    change, where = REFUSED[case]
    check_shape(GOOD)
    with pytest.raises(PolicyRefused) as refused:
        check_shape(GOOD | change)
    assert refused.value.where == where
    assert SECRET not in str(refused.value)
    found = objection(GOOD | change, CHAT)
    assert all(found.words(language) for language in LANGUAGES)


def test_the_model_must_be_one_of_those_given_and_the_size_has_a_limit():
    check_shape(GOOD, models={"m"})
    with pytest.raises(PolicyRefused):
        check_shape(GOOD, models={"n"})
    with pytest.raises(PolicyRefused):
        check_shape(GOOD | {"user": "a" * 100}, size=Size(characters=50))
    with pytest.raises(PolicyRefused):
        check_shape(GOOD | {"stop": ["a"] * 10}, size=Size(values=10))


@given(anything)
def test_any_json_is_read_or_refused_in_words(value):
    for one in (
        value,
        {"messages": value, "model": value},
        GOOD | {"tools": value, "response_format": value},
    ):
        try:
            check_shape(one)
        except PolicyRefused:
            continue
        leaves(one)


def test_every_field_we_know_is_one_of_the_published_client():
    from typing import get_type_hints

    from openai.types import chat
    from openai.types.chat.completion_create_params import CompletionCreateParamsBase

    # `prompt` is known in order to be refused; reasoning comes from servers of open models.
    assert set(CHAT.known) - {"prompt", "stream"} <= set(get_type_hints(CompletionCreateParamsBase))
    ours = {"reasoning", "reasoning_content", "annotations"}
    for role, shape in MESSAGE.options.items():
        theirs = getattr(chat, f"ChatCompletion{role.capitalize()}MessageParam")
        assert set(shape.known) - ours <= set(get_type_hints(theirs)) | {"name"}
        assert set(get_type_hints(theirs)) <= set(shape.known)
