"""Images of what a method saw and what it answered."""

from .panels import draw_rows

__all__ = ['draw_rows']
