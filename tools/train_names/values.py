"""Invented values: names from the shipped lists in the forms people use, streets, postcodes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeVar

import numpy as np

from sazon.policy.detect.names.features import entries

Random = np.random.Generator
T = TypeVar("T")
UNLISTED = 0.18
"""Share of names that no list holds: the beginning of one and the end of another."""

listed = cache(entries)
_PARTICLES = ("de la", "del", "de", "van", "von", "da", "De la", "Del")
_AFTER_MARIA = ("del Carmen", "de los Ángeles", "del Mar", "José", "de la O", "del Pilar", "Jesús")
_WAYS_ES = (
    "calle|c/|C/|Calle|avda.|Avda.|Avenida|avenida|av.|plaza|Plaza|Pza.|paseo|Paseo|P.º|camino|Camino|ronda|"
    "Ronda|travesía|Travesía|carretera de|Ctra.|glorieta|pasaje|Pasaje|rambla|Rambla|carrer|Carrer de|"
    "calle de|Calle del|Calle de la|rúa|urbanización|Urb.|polígono|barrio|cuesta|jirón|Jr.|carrera|Cra.|"
    "calle Dr.|callejón|bulevar"
).split("|")
_STREETS_ES = (
    "Mayor|Real|del Sol|de la Luna|Alcalá|Gran Vía|de la Constitución|de España|del Carmen|San Juan|San José|"
    "Santa Ana|de las Flores|del Pozo|de la Fuente|Nueva|del Mar|de Colón|Cervantes|Goya|Velázquez|"
    "Lope de Vega|de la Paz|de la Libertad|de los Olivos|del Molino|de la Iglesia|de la Estación|Ancha|"
    "del Norte|de los Reyes|Serrano|Ramón y Cajal|de la Rosa|del Río|9 de Julio|Corrientes|Reforma|"
    "Insurgentes|Independencia|Bolívar|San Martín|Sarmiento|Rivadavia|5 de Mayo|de los Álamos|Clavel|"
    "Tejedores|Cantarranas|Amaniel|Trafalgar"
).split("|")
_FLOORS = ("", "", "", "", ", 3º B", ", 2º dcha", " 1ºA", ", piso 4", " bajo", ", 5-2", " 4 izq", " bis")
_WAYS_EN = (
    "Street|Road|Avenue|Lane|Drive|Close|Court|Way|Place|Crescent|Gardens|Terrace|St|Rd|Ave|Blvd|Square|Hill"
).split("|")
_STREETS_EN = (
    "High|Church|Station|Park|Victoria|Green|Manor|Kings|Queens|Mill|School|Oak|Maple|Elm|Cedar|Main|Washington|"
    "Lake|Hillside|Grange|Richmond|Albert|York|Chester|Springfield|Stanley|Windsor|Baker|Willow|Orchard|Meadow|"
    "Bridge"
).split("|")


def one(random: Random, values: Sequence[T]) -> T:
    """One of some values."""
    return values[int(random.integers(len(values)))]


def name_of(random: Random, kind: str) -> str:
    """A name of a list (`given`, `surnames`, `places`), at times one that no list holds."""
    values = listed(kind)
    chosen = one(random, values)
    if random.random() < UNLISTED:
        other = one(random, values)
        head, tail = chosen[: int(random.integers(2, 5))], other[-int(random.integers(2, 6)) :]
        chosen = head + tail.lower()
    return chosen


def surname(random: Random) -> str:
    """A surname, rarely of two words or with a hyphen."""
    chance, name = random.random(), name_of(random, "surnames")
    if chance < 0.03:
        return f"{name}-{name_of(random, 'surnames')}"
    return f"{one(random, _PARTICLES)} {name}" if chance < 0.06 else name


def given(random: Random) -> str:
    """A given name, at times a double one."""
    chance, name = random.random(), name_of(random, "given")
    if chance < 0.1:
        return f"{name} {name_of(random, 'given')}"
    return f"María {one(random, _AFTER_MARIA)}" if chance < 0.13 else name


def full(random: Random) -> str:
    """A person's name in one of the usual forms."""
    first, last = given(random), surname(random)
    forms = (
        (0.40, lambda: f"{first} {last} {surname(random)}"),
        (0.40, lambda: f"{first} {last}"),
        (0.07, lambda: f"{first[0]}. {last}"),
        (0.03, lambda: f"{first[0]}.{one(random, ('', ' '))}{name_of(random, 'given')[0]}. {last}"),
        (0.04, lambda: f"{last} {surname(random)}, {first}"),
        (0.03, lambda: f"{first} {last[0]}."),
        (0.03, lambda: f"{first} {name_of(random, 'surnames')} y {surname(random)}"),
    )
    return forms[int(random.choice(len(forms), p=[share for share, _ in forms]))][1]()


def address(random: Random, language: str = "es") -> str:
    """A street with a number, at times with a floor."""
    number = int(random.integers(1, 250))
    if language == "en":
        street = one(random, _STREETS_EN) if random.random() < 0.6 else name_of(random, "surnames")
        flat = one(random, ("", "", "", "Flat 3, ", "Apt 4B, ", "Unit 12, "))
        return f"{flat}{number} {street} {one(random, _WAYS_EN)}"
    chance = random.random()
    if chance < 0.5:
        street = one(random, _STREETS_ES)
    elif chance < 0.85:
        street = name_of(random, one(random, ("surnames", "places")))
    else:
        street = f"{name_of(random, 'given')} {name_of(random, 'surnames')}"
    between = one(random, (" ", ", ", " nº ", ", nº ", " número ", " #", " No. "))
    tail = f"{between}{number}{one(random, _FLOORS)}"
    if random.random() < 0.12:
        tail = one(random, (" s/n", ", s/n", ""))
    return f"{one(random, _WAYS_ES)} {street}{tail}"


def postcode(random: Random) -> str:
    """A Spanish postcode."""
    return f"{int(random.integers(1, 53)):02d}{int(random.integers(1000)):03d}"
