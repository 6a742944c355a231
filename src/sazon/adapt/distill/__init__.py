"""Distillation: a small student learns from a teacher candidate, a panel, or recorded answers."""

from sazon.adapt.distill.config import DistillConfig
from sazon.adapt.distill.technique import Distill

__all__ = ["Distill", "DistillConfig"]
