"""Drafts of the papers that data protection law asks for, from what is configured and what has happened.

    facts = pipeline.papers.facts_of(recipe)
    markdown(dpia(facts), "es")        impact assessment, GDPR article 35
    jsonld(ropa(facts), "en")          record of processing activities, article 30

`facts` is everything that is known, `history` counts the log, `measures` and `risks` follow from the facts
by plain rules, `paper` puts them in order. What no program can know is left as a marked gap.
"""

from sazon.policy.papers.facts import Facts
from sazon.policy.papers.jsonld import jsonld
from sazon.policy.papers.markdown import markdown
from sazon.policy.papers.paper import Paper, dpia, ropa

__all__ = ["Facts", "Paper", "dpia", "jsonld", "markdown", "ropa"]
