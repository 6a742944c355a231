"""Spanish, English, both, or honestly unknown."""

import pytest

from sazon.data import demo
from sazon.data.language import detect
from sazon.data.table import read


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("hola queria cambiar mi cita del martes", "es"),
        ("hi, I need to change my appointment", "en"),
        ("Hi! Tengo el seguro del trabajo, do I pay first and then le pido reembolso?", "mixed"),
        ("", None),
        ("12345 ???", None),
        ("👍👍", None),
        ("Ibuprofeno 600", None),
        ("Bonjour, je voudrais changer mon rendez-vous avec le docteur, merci", None),
        ("Guten Tag, ich möchte einen Termin für meine Frau", None),
        ("Olá, preciso de uma consulta com o médico, obrigado, não posso amanhã", None),
    ],
)
def test_known_texts(text: str, language: str | None) -> None:
    assert detect(text) == language


def test_agrees_with_the_writers_of_the_demo() -> None:
    columns = read(demo.path()).columns
    said = columns["language"]
    found = [detect(text) for text in columns["text"]]
    agree = sum(a == b for a, b in zip(said, found, strict=True))
    assert agree / len(said) >= 0.95
