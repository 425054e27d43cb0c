"""Whatever a format has a place for comes back from a file that we wrote, with names, order and coordinates.

That others read these files, and that we read theirs, is tested in the other modules of this folder.
"""

import importlib.util

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capekit.interop.labels import FORMATS, Animal, LabelledImage, LabelSet, read, write
from capekit.interop.labels.format import (
    BOXES,
    CATEGORY,
    EMPTY,
    ERRORS,
    FRAMES,
    HIDE,
    LINKS,
    NAMES,
    REVIEW,
    SCORE,
    SCORES,
    SEVERAL,
    SIZES,
)

NEEDS = {'dlc-h5': ('pandas', 'tables'), 'slp': ('h5py',), 'sleap-analysis': ('h5py',)}
ENDING = {'dlc-h5': '.h5', 'slp': '.slp', 'sleap-analysis': '.h5', 'cvat-xml': '.xml', 'labelme': '',
          'dlc': '.csv', 'lp': '.csv', 'csv': '.csv'}
TABLES = ('dlc', 'dlc-h5', 'lp')
# Those that list marks without saying how keypoints are ordered: the names are given when reading.
UNORDERED = ('labelme', 'label-studio', 'cvat-xml')
NAME = st.text('abÄ _-.', min_size=1, max_size=4).filter(lambda name: name.strip(' .') == name)
PIXEL = st.floats(-50, 500, allow_nan=False, width=64)


def available(format):
    for library in NEEDS.get(format, ()):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f'{library} is not installed')


@st.composite
def label_sets(draw, holds, analysis=False):
    """Labels with everything that the format has a place for."""
    count = draw(st.integers(1, 4))
    keypoints = draw(st.lists(NAME, min_size=count, max_size=count, unique=True))
    frames = FRAMES in holds and (analysis or draw(st.booleans()))

    def per_keypoint(part, points):
        if part not in holds:
            return None
        values = draw(st.lists(st.floats(0, 1), min_size=count, max_size=count))
        return np.where(np.isnan(points[:, 0]), np.nan, values)

    def animal(name):
        points = np.array(draw(st.lists(st.tuples(PIXEL, PIXEL), min_size=count, max_size=count)))
        absent = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)))
        absent[draw(st.integers(0, count - 1))] = False
        points[absent] = np.nan
        hidden = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)))
        visibility = np.where(absent, 0, np.where(hidden & (HIDE in holds), 1, 2))
        scores = per_keypoint(SCORES, points)
        return Animal(
            points, visibility, scores, per_keypoint(ERRORS, points),
            box=[*draw(st.tuples(PIXEL, PIXEL)), 10.5, 7.25] if BOXES in holds else None,
            score=draw(st.floats(0, 1, width=32)) if SCORE in holds and scores is not None else None, name=name,
            status=draw(st.sampled_from(['predicted', 'accepted'])) if REVIEW in holds else None)

    images = []
    files = draw(st.lists(NAME, min_size=1, max_size=3, unique_by=lambda name: name.rsplit('.', 1)[0]))
    for place, file in enumerate(files):
        several = draw(st.integers(1, 3)) if SEVERAL in holds else 1
        names = [f'name {number}' if NAMES in holds else None for number in range(several)]
        images.append(LabelledImage(
            'video.mp4' if frames else f'{file}.png', (640, 480) if SIZES in holds else None,
            [animal(name) for name in names], place if frames else None))
    if EMPTY in holds and not frames:
        images.append(LabelledImage('empty.png', (640, 480) if SIZES in holds else None))
    links = [[0, count - 1]] if LINKS in holds and count > 1 else []
    return LabelSet(images, keypoints, links, 'some animal' if CATEGORY in holds else 'animal')


def same(a: LabelSet, b: LabelSet, format: str):
    """Assert that two label sets are equal: names and order exactly, numbers to 1e-6."""
    assert a.keypoints == b.keypoints
    assert a.links.tolist() == b.links.tolist()
    assert a.category == b.category
    # A folder's files are read in alphabetical order.
    first, second = ((sorted(a.images, key=str), sorted(b.images, key=str)) if format == 'labelme'
                     else (a.images, b.images))
    assert [image.key for image in first] == [image.key for image in second]
    for one, other in zip(first, second, strict=True):
        if one.animals or format != 'label-studio':  # which states sizes with the marks
            assert one.size == other.size
        assert len(one.animals) == len(other.animals)
        for x, y in zip(one.animals, other.animals, strict=True):
            np.testing.assert_allclose(x.points, y.points, rtol=1e-9, atol=1e-6)
            assert x.visibility.tolist() == y.visibility.tolist()
            for field in ('scores', 'errors', 'box', 'score'):
                left, right = getattr(x, field), getattr(y, field)
                assert (left is None) == (right is None), field
                if left is not None:
                    np.testing.assert_allclose(left, right, rtol=1e-6, atol=1e-6)
            assert (x.name, x.status, x.rank) == (y.name, y.status, y.rank)


@pytest.mark.parametrize('format', FORMATS)
def test_what_a_format_holds_comes_back(format, tmp_path_factory, announced):
    available(format)
    holds = FORMATS[format].holds

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(label_sets(holds, format == 'sleap-analysis'))
    def check(labels):
        announced.clear()
        path = tmp_path_factory.mktemp('files') / f'labels{ENDING.get(format, ".json")}'
        write(path, format, labels, **({'likelihood': True} if format in TABLES else {}))
        assert not [line for line in announced if 'left out' in line]
        options = {'keypoints': list(labels.keypoints)} if format in UNORDERED else {}
        frames = any(image.frame is not None for image in labels.images)
        if frames and format in TABLES:
            options['video'] = 'video.mp4'
        same(labels, read(path, format, **options), format)
    check()
