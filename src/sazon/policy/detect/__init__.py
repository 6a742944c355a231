"""Finding what is sensitive in a text: spans with a kind, never their values."""

from sazon.policy.detect.span import KINDS, Detector, Kind, Span

__all__ = ["KINDS", "Detector", "Kind", "Span"]
