"""Tell Spanish from English in short, careless messages, and say when it cannot be told.

Counted are the function words that belong to one language alone, and letters that only Spanish
uses. Words of a third language (French, Portuguese, Italian, German, Catalan) count against both.
"""

from __future__ import annotations

import re
from typing import Final, Literal

Detected = Literal["es", "en", "mixed"]

_SPANISH: Final = frozenset(
    """
    el los las un una unos unas del al lo le les se su sus mi mis tu tus yo tú ella ellos nosotros
    usted ustedes vosotros que qué porque cuando cuándo donde dónde como cómo cual cuál quien quién
    cuanto cuánto cuesta para por con sin sobre desde hasta entre hacia pero aunque sino también
    tambien muy más mas menos ya aún aun todavía todavia ahora hoy ayer mañana manana aquí aqui allí
    ahí ahi este esta esto estos estas ese esa eso es son está esta están estoy estamos era fue ser
    estar hay haber he hemos han había tengo tiene tienen tenemos tener puedo puede pueden podemos
    podría podria quiero quiere quisiera querría necesito necesita hacer hace hago hecho dar dice
    dicen dijo ir voy va vamos ver saber si sí bien gracias hola buenas buenos días dias tardes
    noches favor señor señora cita hora médico medico doctora hijo hija madre padre marido mujer
    pago pagar factura tarjeta cuenta dinero pedir pedido vosotros os nos me te q pq xq tb alguien
    algo nada nadie todo toda todos todas otro otra vez solo sólo llamar llamo cambiar anular receta
    """.split()
)
_ENGLISH: Final = frozenset(
    """
    the an and or but of to in on at for from with without about into is are was were be been being
    am i you he she it we they my your his her its our their this that these those what when where
    which who why how can could would should will shall may might must do does did done have has had
    having get got not don't doesn't didn't can't won't isn't it's i'm i've i'd i'll you're there
    here then than so if because while until please thanks thank hello hi hey just only also still
    again any some all more much many need want like know think see make take give tell ask call
    appointment card money bill im ive dont cant doesnt didnt wont u ur pls thx yes up out off over
    after before
    """.split()
)
_ELSEWHERE: Final = frozenset(
    """
    je vous nous est sont avec pour dans les des une qui ne pas mais très où être suis votre notre
    merci bonjour não você obrigado obrigada uma um com os as ao são está meu minha eu ele ela isso
    preciso posso il gli di che è sono per una non grazie buongiorno vorrei mio mia della nel anche
    der die das und ist nicht ich sie wir mit für auf ein eine einen haben kann guten danke bitte
    amb els les és meu meva puc vull gràcies bon dia
    """.split()
)
# A word two lists share tells nothing.
_ONLY_SPANISH: Final = _SPANISH - _ENGLISH - _ELSEWHERE
_ONLY_ENGLISH: Final = _ENGLISH - _SPANISH - _ELSEWHERE
_ONLY_ELSEWHERE: Final = _ELSEWHERE - _SPANISH - _ENGLISH

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_SPANISH_MARKS: Final = re.compile(r"[ñ¿¡]")
_READ_CHARACTERS: Final = 4_000


def detect(text: str) -> Detected | None:
    """The language of a text: `es`, `en`, `mixed` of both, or None where it cannot be told.

    Only the first 4,000 characters are read.
    """
    words = [w.replace("’", "'") for w in _WORD.findall(text[:_READ_CHARACTERS].casefold())]
    marks = len(_SPANISH_MARKS.findall(text[:_READ_CHARACTERS].casefold()))
    spanish = sum(w in _ONLY_SPANISH for w in words) + min(marks, 2)
    english = sum(w in _ONLY_ENGLISH for w in words)
    elsewhere = sum(w in _ONLY_ELSEWHERE for w in words)
    more, less = max(spanish, english), min(spanish, english)
    if more == 0 or elsewhere > more:
        return None
    if less >= 2 and less >= 0.2 * more:
        return "mixed"
    if less == more:
        return None
    return "es" if spanish > english else "en"
