"""Images of what a method saw and what it answered."""

from .panels import draw_episodes

__all__ = ['draw_episodes']
