"""Label sets to write and read back."""

import logging

import numpy as np
import pytest
from mmengine.logging import MMLogger

from capekit.interop.labels import Animal, LabelledImage, LabelSet


@pytest.fixture
def announced():
    """The lines that were announced during the test."""
    lines = []

    class Keep(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    logger, handler = MMLogger.get_current_instance(), Keep()
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


@pytest.fixture
def flies():
    """Two images with one fly each, not in alphabetical order of keypoints, and one without."""
    nan = np.nan
    return LabelSet(
        [LabelledImage('labeled-data/flies/b.png', (64, 48), [Animal([[1.25, 2.5], [nan, nan], [30.125, 40.75]])]),
         LabelledImage('labeled-data/flies/a.png', (64, 48), [Animal([[3, 4], [1 / 3, 2 / 3], [7, 8]])]),
         LabelledImage('labeled-data/flies/c.png', (64, 48))],
        ['tail', 'head', 'leg'], [[0, 1], [1, 2]], 'fly')


@pytest.fixture
def clip():
    """Frames of a video with two named mice and scores; the second has no frame."""
    def mouse(name, shift):
        return Animal([[10.5 + shift, 20.25], [np.nan, np.nan], [30 + shift, 5]], scores=[0.9, np.nan, 0.5], name=name)
    return LabelSet([LabelledImage('clip.mp4', (64, 48), [mouse('mus', 0), mouse('ratte', 7)], frame=0),
                     LabelledImage('clip.mp4', (64, 48), [mouse('ratte', 9)], frame=2)],
                    ['snout', 'ear', 'back'], [[0, 2]], 'mouse')
