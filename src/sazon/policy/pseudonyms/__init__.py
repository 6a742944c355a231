"""Pseudonyms: what is sensitive leaves as `⟦PERSON_7K2QX9⟧` and comes back as itself."""

from sazon.policy.pseudonyms.conversation import Conversation

__all__ = ["Conversation"]
