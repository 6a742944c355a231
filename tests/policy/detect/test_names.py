"""The tagger of names: spans on texts it never learned from, in bounds, bounded, and always the same."""

import hashlib
import json
import threading
from importlib import resources
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sazon.policy.detect.names import find
from sazon.policy.detect.names.features import ROWS, WIDTH, features, folded, tokens
from sazon.policy.detect.names.tagger import CHUNK, CONVOLUTIONS, KINDS, LABELS, REACH, Network, Tagger

PACKAGE = resources.files("sazon.policy.detect.names")


def found(text: str, *kinds: str) -> list[str]:
    return [text[s.start : s.end] for s in find(text) if not kinds or s.kind in kinds]


@pytest.mark.parametrize(
    ("text", "persons"),
    [
        ("Hola, soy Ana Pérez y no puedo entrar", ["Ana Pérez"]),
        ("hola soy ana perez y no puedo entrar", ["ana perez"]),
        ("me llamo josé manuel gutiérrez", ["josé manuel gutiérrez"]),
        ("¿Está hoy la dra. Gómez?", ["Gómez"]),
        ("Tengo que cancelar. Un saludo, J. Martín", ["J. Martín"]),
        ("my name is Sarah Whitfield and I lost my card", ["Sarah Whitfield"]),
        ("Please tell Mr Thornbury that the parcel came", ["Thornbury"]),
        ("Paciente: Begoña Arrizabalaga Uriarte", ["Begoña Arrizabalaga Uriarte"]),
    ],
)
def test_persons_are_found_to_the_character(text, persons):
    assert found(text, "PERSON") == persons


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("Me mudé de Zaragoza a Murcia en otoño", ["Zaragoza", "Murcia"]),
        ("vivo en sevilla desde hace poco", ["sevilla"]),
        ("The office in Manchester was shut", ["Manchester"]),
        ("Localidad/ Provincia: Ciudad Real.", ["Ciudad Real"]),
    ],
)
def test_places_are_found_to_the_character(text, places):
    assert found(text, "PLACE") == places


def test_an_address_with_its_postcode_and_town():
    text = "Mándelo a Calle Mayor, 14, 28013 Madrid"
    assert [(text[s.start : s.end], s.kind) for s in find(text)] == [
        ("Calle Mayor, 14", "ADDRESS"),
        ("28013", "POSTCODE"),
        ("Madrid", "PLACE"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "me duelen las muelas desde ayer por la noche",
        "Tengo dolores en la rodilla al bajar escaleras",
        "le regalé una rosa por su cumpleaños",
        "El pedido llegó tarde y la caja venía abierta.",
        "¿Cuánto cuesta renovar el carné de la biblioteca?",
        "NO ME DEJA PAGAR CON LA TARJETA, AYUDA",
        "Los lunes y los viernes no puedo ir",
        "Hace sol y no hay ni una nube",
        "Necesito el certificado antes del viernes, gracias",
        "Will the shop be open tomorrow morning?",
        "May I get a receipt for that, please",
        "I can't find the button to download my statement",
        "the bill was higher than I expected",
        "PLEASE CALL ME BACK BEFORE NOON",
        "How do I turn off the notifications?",
        "It says my password is wrong but it isn't.",
        "",
        "   \n\n  ",
        "123 456 --- ??? !!!",
    ],
)
def test_nothing_is_found_in_common_sentences(text):
    assert found(text, "PERSON", "PLACE", "ADDRESS", "ORGANISATION") == []


def test_offsets_hold_on_odd_unicode():
    decomposed = "Soy Jose\u0301 Pe\u0301rez, gracias 👋🏽"
    assert found(decomposed, "PERSON") == ["Jose\u0301 Pe\u0301rez"]
    emoji = "👩‍👧‍👦🎉 Hola, soy Lucía Navarro 🎉"
    assert found(emoji, "PERSON") == ["Lucía Navarro"]
    hidden = "me llamo Mar\u200bta Ló\u00adpez"
    assert found(hidden, "PERSON") == ["Mar\u200bta Ló\u00adpez"]


def test_a_name_in_an_address_of_mail_is_not_a_name_of_its_own():
    assert found("escríbame a marta.lopez@example.com", "PERSON") == []
    assert [word for word, _, _ in tokens("a x.y+z@ex-a.co.uk, @b c@")] == [
        "a", "x.y+z@ex-a.co.uk", ",", "@", "b", "c", "@",
    ]  # fmt: skip


odd = st.text(st.characters(codec="utf-8"), max_size=200)
likely = st.lists(
    st.sampled_from(
        ["Ana", "Pérez", "de", "la", "calle", "Mayor", "3", "\n", ".", ",", " ", "Madrid", "@", "é", "\u0301"]
    )
).map(" ".join)


@given(odd | likely)
@example("\u0301")
@example("@@@a@b.c@d.e")
def test_spans_lie_within_the_text_in_order_and_apart(text):
    spans = find(text)
    assert all(0 <= s.start < s.end <= len(text) for s in spans)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    assert all(s.kind in KINDS and s.detector == "names" for s in spans)
    assert find(text) == spans


@given(odd | likely)
def test_words_cover_everything_but_blanks(text):
    words = tokens(text)
    assert all(text[start:end] == word for word, start, end in words)
    covered = {i for _, start, end in words for i in range(start, end)}
    assert all(c.isspace() or not (c.isalnum() or c == "@") for i, c in enumerate(text) if i not in covered)


def test_a_long_text_is_looked_at_in_pieces_with_the_same_result():
    sentence = "Hola, soy Ana Pérez y vivo en Zaragoza con mi gato.\n"
    each = len(tokens(sentence))
    text = sentence * (3 * CHUNK // each)
    once = [(s.start, s.end, s.kind) for s in find(sentence * 3)]
    # The middle sentence has neighbours on both sides, as almost all have in the long text.
    middle = [(a, b, k) for a, b, k in once if len(sentence) <= a < 2 * len(sentence)]
    got = {(s.start, s.end, s.kind) for s in find(text)}
    for i in range(1, 3 * CHUNK // each - 1):
        shift = (i - 1) * len(sentence)
        assert {(a + shift, b + shift, k) for a, b, k in middle} <= got


@pytest.mark.parametrize("unit", ["a", " ", "@", "a@", "\n ", "\u0301", "a.", "a\u200b", "é'", "_1"])
def test_no_repetition_is_costly(unit):
    assert isinstance(find(unit * 15_000), list)  # quadratic work would run into the time limit of the suite


def test_the_weights_are_those_of_the_record():
    record = json.loads((PACKAGE / "weights.json").read_text())
    weights = (PACKAGE / "weights.npz").read_bytes()
    assert record["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert len(weights) < 5_000_000


def random_network(rng: np.random.Generator) -> Network:
    width, hidden = 4, 6
    sizes = [width, hidden, hidden]
    arrays = {f"kernel{i}": rng.normal(size=(w * sizes[i], hidden)) for i, (w, _) in enumerate(CONVOLUTIONS)}
    arrays |= {f"bias{i}": rng.normal(size=hidden) for i in range(len(CONVOLUTIONS))}
    table = rng.integers(-127, 128, size=(ROWS, width)).astype(np.int8)
    table[0] = 0
    arrays |= {"table": table, "scale": np.full(width, 0.01), "head": rng.normal(size=(hidden, LABELS))}
    return Network.of(arrays | {"head_bias": np.zeros(LABELS)})


def test_the_convolutions_are_what_they_say(rng):
    network = random_network(rng)
    vectors = rng.normal(size=(40, 4)).astype(np.float32)
    x = vectors.astype(np.float64)
    for i, (width, dilation) in enumerate(CONVOLUTIONS):
        inner = (width - 1) // 2 * dilation
        rows = []
        for t in range(inner, len(x) - inner):
            seen = np.concatenate([x[t + (k - (width - 1) // 2) * dilation] for k in range(width)])
            rows.append(np.maximum(seen @ network.kernels[i] + network.biases[i], 0) + (x[t] if i else 0))
        x = np.array(rows)
    logits = network.logits(network.shares(vectors), np.arange(len(vectors)))
    assert np.allclose(logits, x @ network.head + network.head_bias, rtol=1e-3, atol=1e-3)


def test_the_memory_of_words_changes_nothing_and_is_safe_with_threads(rng, monkeypatch):
    monkeypatch.setattr("sazon.policy.detect.names.tagger.CHUNK", 40)
    monkeypatch.setattr("sazon.policy.detect.names.tagger._KEPT", 1 + 40 + 2 * REACH)
    network = random_network(rng)
    texts = [" ".join(f"{chr(97 + i)}{chr(97 + j)}b" for j in range(i, 26)) for i in range(13)]
    wanted = [Tagger(network).find(text) for text in texts]
    shared, got = Tagger(network), {}

    def work(offset: int) -> None:
        for i in range(len(texts)):
            at = (i + offset) % len(texts)
            got[offset, at] = shared.find(texts[at])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4 * len(texts)
    assert all(spans == wanted[at] for (_, at), spans in got.items())


def test_weights_of_other_features_are_refused():
    with pytest.raises(ValueError, match="other features"):
        Network.of({"table": np.zeros((8, 4), np.int8), "head": np.zeros((4, LABELS))})


@given(st.text(min_size=1, max_size=60))
def test_features_have_one_width_and_known_rows(word):
    rows = features(word)
    assert len(rows) == WIDTH
    assert all(0 <= row < ROWS for row in rows)


def test_folding_forgets_case_accents_and_hidden_characters():
    assert folded("PÉ\u00adREZ") == folded("pe\u0301rez") == "perez"
    assert folded("Núñez") == "nunez"
