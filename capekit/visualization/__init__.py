"""Figures of what a method saw and what it predicted."""

from .gallery import Caption, Gallery, configured_visualizer
from .given import episode_figure, slots_of
from .shown import draw_episodes, query_figure

__all__ = ['Caption', 'Gallery', 'configured_visualizer', 'draw_episodes', 'episode_figure', 'query_figure',
           'slots_of']
