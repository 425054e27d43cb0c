"""Figures of what a method saw and what it predicted."""

from .panels import draw_episodes

__all__ = ['draw_episodes']
