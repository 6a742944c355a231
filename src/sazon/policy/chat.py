"""The shape of a chat request (OpenAI's chat completions), field by field, and nothing beyond it.

Names of fields and closed vocabularies are structure. What a person, a document or a tool can write
is content: texts, names, tags, keys of metadata, names of properties and everything under them.
"""

from __future__ import annotations

from typing import Final

from sazon.policy.shape import (
    Anything,
    Either,
    Fields,
    Flag,
    Forbidden,
    Items,
    Nothing,
    Number,
    Open,
    Shape,
    Tagged,
    Text,
    Word,
)


def _word(*words: str) -> Word:
    return Word(frozenset(words))


def _fields(required: str = "", /, **known: Shape) -> Fields:
    return Fields(known, frozenset(required.split()))


TEXT, NAME, FLAG, ANYTHING = Text(), Text(name=True), Flag(), Anything()
MEDIA = Forbidden("media")

_schema: dict[str, Shape] = {}
SCHEMA: Final = Either((Fields(_schema, closed=False), FLAG))
"""A JSON Schema: keywords are structure, every name and value in it is content."""
_TYPES = _word("string", "number", "integer", "boolean", "object", "array", "null")
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_ONE = ("additionalProperties", "propertyNames", "contains", "not", "if", "then", "else",
        "unevaluatedProperties", "unevaluatedItems")  # fmt: skip
_TEXTS = ("title", "description", "$comment", "$ref", "$id", "$anchor", "$schema", "format", "pattern",
          "contentEncoding", "contentMediaType")  # fmt: skip
_VALUES = ("enum", "const", "default", "examples", "minimum", "maximum", "exclusiveMinimum",
           "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems",
           "minProperties", "maxProperties", "minContains", "maxContains", "dependentRequired",
           "dependencies", "discriminator")  # fmt: skip
_schema |= (
    {name: Open(SCHEMA, names=name == "properties") for name in _MAPS}
    | {name: Items(SCHEMA) for name in _LISTS}
    | dict.fromkeys(_ONE, SCHEMA)
    | dict.fromkeys(_TEXTS, TEXT)
    | dict.fromkeys(_VALUES, ANYTHING)
    | dict.fromkeys(("deprecated", "readOnly", "writeOnly", "uniqueItems", "nullable"), FLAG)
    | {
        "type": Either((_TYPES, Items(_TYPES, most=7))),
        "items": Either((Fields(_schema, closed=False), Items(SCHEMA), FLAG)),
        "required": Either((Items(NAME), FLAG)),
    }
)

_CACHED = _fields(mode=_word("implicit", "explicit"), ttl=_word("30m"))
_TEXT_PART = _fields("type text", type=_word("text"), text=TEXT, prompt_cache_breakpoint=_CACHED)
_REFUSAL_PART = _fields("type refusal", type=_word("refusal"), refusal=TEXT)
PARTS: Final = Items(
    Tagged("type", {"text": _TEXT_PART, "refusal": _REFUSAL_PART}, otherwise="media"), most=2_000
)
CONTENT: Final = Either((TEXT, PARTS, Nothing()))

_CALLED = _fields("name", name=NAME, arguments=TEXT)
_CUSTOM_CALLED = _fields("name", name=NAME, input=TEXT)
_INDEX = Number(0, 999)
_CALLS = Items(
    Tagged(
        "type",
        {
            "function": _fields("function", id=TEXT, index=_INDEX, type=_word("function"), function=_CALLED),
            "custom": _fields("custom", id=TEXT, index=_INDEX, type=_word("custom"), custom=_CUSTOM_CALLED),
        },
    ),
    most=128,
)


def _message(role: str, required: str = "content", **more: Shape) -> Fields:
    return _fields(f"role {required}", role=_word(role), content=CONTENT, name=NAME, **more)


MESSAGE: Final = Tagged(
    "role",
    {
        "system": _message("system"),
        "developer": _message("developer"),
        "user": _message("user"),
        "assistant": _message(
            "assistant",
            "",
            refusal=TEXT,
            reasoning=TEXT,
            reasoning_content=TEXT,
            annotations=ANYTHING,
            tool_calls=_CALLS,
            function_call=_CALLED,
            audio=MEDIA,
        ),
        "tool": _message("tool", "content tool_call_id", tool_call_id=TEXT),
        "function": _message("function", "name"),
    },
)

_FUNCTION = _fields("name", name=NAME, description=TEXT, parameters=SCHEMA, strict=FLAG)
_GRAMMAR = _fields("syntax definition", syntax=_word("lark", "regex"), definition=TEXT)
_FORMAT = Tagged(
    "type",
    {
        "text": _fields("type", type=_word("text")),
        "grammar": _fields("type grammar", type=_word("grammar"), grammar=_GRAMMAR),
    },
)
_CUSTOM = _fields("name", name=NAME, description=TEXT, format=_FORMAT)
TOOL: Final = Tagged(
    "type",
    {
        "function": _fields("function", type=_word("function"), function=_FUNCTION),
        "custom": _fields("custom", type=_word("custom"), custom=_CUSTOM),
    },
)
_NAMED = _fields("name", name=NAME)
_CHOSEN: dict[str, Fields] = {
    "function": _fields("function", type=_word("function"), function=_NAMED),
    "custom": _fields("custom", type=_word("custom"), custom=_NAMED),
}
_ALLOWED = _fields(
    "mode tools", mode=_word("auto", "required"), tools=Items(Tagged("type", _CHOSEN), most=128)
)
TOOL_CHOICE: Final = Either(
    (
        _word("none", "auto", "required"),
        Tagged(
            "type",
            _CHOSEN
            | {
                "allowed_tools": _fields("allowed_tools", type=_word("allowed_tools"), allowed_tools=_ALLOWED)
            },
        ),
    )
)
RESPONSE_FORMAT: Final = Tagged(
    "type",
    {
        "text": _fields(type=_word("text")),
        "json_object": _fields(type=_word("json_object")),
        "json_schema": _fields(
            "json_schema",
            type=_word("json_schema"),
            json_schema=_fields("name", name=NAME, description=TEXT, schema=SCHEMA, strict=FLAG),
        ),
    },
)

_TOKENS = Number(1, 999_999)
CHAT: Final = Fields(
    {
        "model": TEXT,
        "messages": Items(MESSAGE, most=10_000),
        "stream": FLAG,
        "stream_options": _fields(include_usage=FLAG, include_obfuscation=FLAG),
        "n": Number(1, 128),
        "temperature": Number(0, 2, decimals=4),
        "top_p": Number(0, 1, decimals=4),
        "presence_penalty": Number(-2, 2, decimals=4),
        "frequency_penalty": Number(-2, 2, decimals=4),
        "max_tokens": _TOKENS,
        "max_completion_tokens": _TOKENS,
        "seed": Number(0, 999_999),
        "logprobs": FLAG,
        "top_logprobs": Number(0, 20),
        "stop": Either((TEXT, Items(TEXT, most=16))),
        "user": TEXT,
        "safety_identifier": TEXT,
        "prompt_cache_key": TEXT,
        "metadata": Open(TEXT, most=16),
        "tools": Items(TOOL, most=512),
        "tool_choice": TOOL_CHOICE,
        "parallel_tool_calls": FLAG,
        "functions": Items(_FUNCTION, most=128),
        "function_call": Either((_word("none", "auto"), _NAMED)),
        "response_format": RESPONSE_FORMAT,
        "prediction": _fields("type content", type=_word("content"), content=CONTENT),
        "reasoning_effort": _word("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        "verbosity": _word("low", "medium", "high"),
        "service_tier": _word("auto", "default", "flex", "scale", "priority", "fast"),
        "modalities": Items(_word("text"), most=1),
        # To store a request at the provider is to keep it there beyond what was agreed.
        "store": Flag(frozenset({False})),
        # Nor may it lie there in a cache for hours: "24h" is not among the words.
        "prompt_cache_retention": _word("in-memory", "in_memory"),
        "prompt_cache_options": _CACHED,
        "audio": MEDIA,
        "logit_bias": Forbidden("token_ids"),
        "prompt": Forbidden("token_ids"),
    },
    frozenset({"model", "messages"}),
)
"""A chat request. The model's name is content: whoever knows the granted name passes it to `check_shape`."""
