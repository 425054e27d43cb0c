"""SLEAP's analysis HDF5: arrays over all frames of one video. Needs h5py (`capekit[sleap]`)."""

import json
from typing import Any

import numpy as np

from capekit.errors import CapekitError

from .dlc_table import animal_slots, individuals_of
from .format import EMPTY, FRAMES, LINKS, NAMES, SCORE, SCORES, SEVERAL, Format
from .hdf5 import opened, text, write_whole
from .labelset import LabelledImage, LabelSet

# The axes of the arrays as SLEAP writes them; sleap-io states others in `dims`.
_DIMS = dict(tracks=('track', 'xy', 'node', 'frame'), point_scores=('track', 'node', 'frame'),
             instance_scores=('track', 'frame'))
_OURS = ('frame', 'track', 'node', 'xy')


def read_analysis(path: str, *, video: str | None = None) -> LabelSet:
    """The predictions in a file; every frame is an image.

    Args:
        path: the file.
        video: the video; None is the one that the file names.
    """
    with opened(path, 'an analysis file of SLEAP') as file:
        points, scores, animal_scores = (_array(file, name) for name in _DIMS)
        tracks = [text(name) for name in file['track_names'][:]]
        names = [text(name) for name in file['node_names'][:]]
        links = file['edge_inds'][:] if 'edge_inds' in file else np.zeros((0, 2))
        name = video or (text(file['video_path'][()]) if 'video_path' in file else '')
        if not name:
            raise CapekitError('it names no video; give one (video=, --video)')
        images = []
        for frame, tracked in enumerate(points):
            image = LabelledImage(name.replace('\\', '/'), frame=frame)
            for place in np.flatnonzero(~np.isnan(tracked).all(axis=(1, 2))).tolist():
                values, score = scores[frame, place], float(animal_scores[frame, place])
                image.add(tracked[place], scores=None if np.isnan(values).all() else values,
                          score=None if np.isnan(score) else score, name=tracks[place] if tracks else None)
            images.append(image)
        return LabelSet(images, names, links)


def _array(file: Any, name: str) -> np.ndarray:
    """An array with its axes in the order of `_OURS`."""
    data = file[name]
    dims = json.loads(text(data.attrs['dims'])) if 'dims' in data.attrs else _DIMS[name]
    return np.transpose(data[:].astype(np.float64), [dims.index(dim) for dim in _OURS if dim in dims])


def write_analysis(path: str, labels: LabelSet) -> None:
    """Write the file, with the axes in SLEAP's own order. Animals without a name take tracks in their order within the
    frame.

    Args:
        path: the file.
        labels: frames of one video.
    """
    videos = {image.file for image in labels.images if image.frame is not None}
    if len(videos) != 1 or any(image.frame is None for image in labels.images):
        raise CapekitError(f'{path}: an analysis file is of the frames of one video; the labels are of '
                           f'{len(labels.images)} images and frames of {len(videos)} videos')
    tracks = individuals_of(path, labels)
    count, frames = len(tracks or ['']), max(image.frame or 0 for image in labels.images) + 1
    points = np.full((frames, count, len(labels.keypoints), 2), np.nan)
    scores, animal_scores = np.full(points.shape[:3], np.nan), np.full(points.shape[:2], np.nan)
    slots = animal_slots(labels, tracks)
    for image in labels.images:
        for track, animal in slots(image):
            place = image.frame, track
            points[place] = animal.points
            if animal.scores is not None:
                scores[place] = animal.scores
            if animal.score is not None:
                animal_scores[place] = animal.score
    write_whole(path, lambda file: _fill(file, labels, tracks or [], videos.pop(), points, scores, animal_scores))


def _fill(file: Any, labels: LabelSet, tracks: list[str], video: str, points: np.ndarray, scores: np.ndarray,
          animal_scores: np.ndarray) -> None:
    def names(values: list) -> np.ndarray:
        return np.array([name.encode() for name in values], dtype='S' if values else 'S1')

    for name, data in (('tracks', points), ('point_scores', scores), ('instance_scores', animal_scores)):
        file.create_dataset(name, data=np.transpose(data, [_OURS.index(dim) for dim in _DIMS[name]]))
    file['tracking_scores'] = np.full(animal_scores.T.shape, np.nan)
    file['track_occupancy'] = (~np.isnan(points).all(axis=(2, 3))).astype(np.uint8)
    file['node_names'] = names(list(labels.keypoints))
    file['edge_names'] = names([labels.keypoints[end] for end in labels.links.ravel()]).reshape(-1, 2)
    file['edge_inds'] = labels.links
    file['track_names'] = names(tracks)
    file['video_path'] = video
    file['video_ind'] = 0
    file['provenance'] = '{}'


ANALYSIS = Format('sleap-analysis', 'SLEAP analysis HDF5', read_analysis, write_analysis,
                  frozenset({SEVERAL, FRAMES, EMPTY, SCORES, SCORE, LINKS, NAMES}),
                  libraries=('h5py',))
