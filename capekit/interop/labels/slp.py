"""SLEAP's `.slp`, HDF5 with one skeleton. Needs h5py (`capekit[sleap]`)."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from capekit.errors import CapekitError

from .format import BARE, CATEGORY, EMPTY, FRAMES, LINKS, NAMES, SCORE, SCORES, SEVERAL, SIZES, Format, announce
from .hdf5 import opened, text, write_whole
from .labelset import LabelledImage, LabelSet

FORMAT_ID = 1.2
CENTRES_SINCE = 1.1  # before, (0, 0) was the corner of the first pixel
USER, PREDICTED = 0, 1
_EDGE = 1  # 2 is a pair of mirrored keypoints
_FRAME = [('frame_id', 'u8'), ('video', 'u4'), ('frame_idx', 'u8'), ('instance_id_start', 'u8'),
          ('instance_id_end', 'u8')]
_INSTANCE = [('instance_id', 'i8'), ('instance_type', 'u1'), ('frame_id', 'u8'), ('skeleton', 'u4'), ('track', 'i4'),
             ('from_predicted', 'i8'), ('score', 'f4'), ('point_id_start', 'u8'), ('point_id_end', 'u8'),
             ('tracking_score', 'f4')]
_POINT = [('x', 'f8'), ('y', 'f8'), ('visible', '?'), ('complete', '?')]


def read_slp(path: str) -> LabelSet:
    """The labels and predictions in a file. Points that are not visible in SLEAP count as not labelled, as there.

    Args:
        path: the file.
    """
    with opened(path, 'a .slp file as SLEAP writes it') as file:
        return _read(path, file)


def _read(path: str, file: Any) -> LabelSet:
    attributes = file['metadata'].attrs
    shift = 0.0 if float(attributes['format_id']) >= CENTRES_SINCE else -0.5
    metadata = json.loads(text(attributes['json']))
    if len(metadata['skeletons']) != 1:
        raise CapekitError(f"{len(metadata['skeletons'])} skeletons in the file; expected one")
    skeleton = metadata['skeletons'][0]
    skeleton = skeleton.get('nx_graph', skeleton)
    nodes = [node['id'] for node in skeleton['nodes']]
    links = np.array([(nodes.index(source), nodes.index(target)) for source, target in _edges(skeleton['links'])])
    tracks = [json.loads(text(track))[1] for track in file['tracks_json'][:]]
    videos = [_video(json.loads(text(video)), file) for video in file['videos_json'][:]]
    points = {USER: file['points'][:], PREDICTED: file['pred_points'][:]}
    instances = file['instances'][:]
    unseen = 0
    images: dict[tuple, LabelledImage] = {}
    for frame in file['frames'][:]:
        image = _image(videos[frame['video']], int(frame['frame_idx']))
        image = images.setdefault(image.key, image)
        for instance in instances[int(frame['instance_id_start']):int(frame['instance_id_end'])]:
            kind = int(instance['instance_type'])
            rows = points[kind][int(instance['point_id_start']):int(instance['point_id_end'])]
            xy = np.column_stack([rows['x'], rows['y']]) + shift
            gone = ~rows['visible'].astype(bool) & ~np.isnan(xy[:, 0])
            unseen += int(gone.sum())
            xy[gone] = np.nan
            score = float(instance['score'])
            image.add(xy, scores=rows['score'] if kind == PREDICTED else None,
                      score=score if kind == PREDICTED and not np.isnan(score) else None,
                      name=tracks[int(instance['track'])] if instance['track'] >= 0 else None)
    if unseen:
        announce(f'{path}: {unseen} points are marked as not visible in SLEAP; read as not labelled')
    return LabelSet(list(images.values()), [metadata['nodes'][node]['name'] for node in nodes], links,
                    skeleton['graph'].get('name') or 'animal')


def _edges(links: Iterable[dict]) -> list[tuple[int, int]]:
    """The links that are edges. A type is written out where it first occurs, then by its number, as jsonpickle does."""
    kinds: list[int] = []
    edges = []
    for link in links:
        if 'py/reduce' in link['type']:
            kinds.append(link['type']['py/reduce'][1]['py/tuple'][0])
            kind = kinds[-1]
        else:
            place = link['type']['py/id']
            kind = kinds[place - 1] if place <= len(kinds) else place
        if kind == _EDGE:
            edges.append((link['source'], link['target']))
    return edges


def _video(record: dict, file: Any) -> dict:
    """The record of a video; where images are embedded, of the video that they are from."""
    backend = record['backend']
    if backend.get('filename') != '.':
        return record
    source = f"{backend['dataset'].removesuffix('/video')}/source_video"
    return json.loads(text(file[source].attrs['json']))


def _image(video: dict, frame: int) -> LabelledImage:
    backend = video['backend']
    shape = backend.get('shape')
    size = (int(shape[2]), int(shape[1])) if shape else None
    names = backend.get('filenames') or backend.get('filename') or video['filename']
    if isinstance(names, list):
        return LabelledImage(names[frame].replace('\\', '/'), size)
    return LabelledImage(names.replace('\\', '/'), size, frame=frame)


def write_slp(path: str, labels: LabelSet) -> None:
    """Write the file. Animals with scores are predictions, the others labels. Images become one video per image size,
    which is a list of files; SLEAP 1.5 had trouble with such lists.

    Args:
        path: the file.
        labels: what to write.
    """
    if any(image.frame is None for image in labels.images):
        announce(f'{path}: SLEAP 1.5 damages files whose video is a list of images (sleap #2546) when it saves them; '
                 'keep a copy')
    write_whole(path, lambda file: _fill(file, labels))


def _fill(file: Any, labels: LabelSet) -> None:
    tracks = list(dict.fromkeys(animal.name for _, animal in labels.animals if animal.name is not None))
    videos, places = _videos(labels)
    frames: list[tuple] = []
    instances: list[tuple] = []
    points: dict[int, list] = {USER: [], PREDICTED: []}
    for frame_id, (image, (video, index)) in enumerate(zip(labels.images, places, strict=True)):
        first = len(instances)
        for animal in image.animals:
            kind = USER if animal.scores is None and animal.score is None else PREDICTED
            start = len(points[kind])
            scores = np.full(len(animal.points), np.nan) if animal.scores is None else animal.scores
            points[kind] += [(x, y, visible, False, *([score] if kind == PREDICTED else [])) for (x, y), visible, score
                             in zip(animal.points.tolist(), animal.labelled.tolist(), scores.tolist(), strict=True)]
            instances.append((len(instances), kind, frame_id, 0, -1 if animal.name is None else tracks.index(
                animal.name), -1, np.nan if animal.score is None else animal.score, start, len(points[kind]), 0))
        frames.append((frame_id, video, index, first, len(instances)))
    metadata = file.create_group('metadata').attrs
    metadata['format_id'] = FORMAT_ID
    metadata['json'] = np.bytes_(json.dumps(_metadata(labels)).encode())
    for name, records in (('videos_json', videos), ('tracks_json', [[0, track] for track in tracks]),
                          ('suggestions_json', [])):
        lines = [json.dumps(record).encode() for record in records]
        file.create_dataset(name, data=np.array(lines, dtype=f'S{max(map(len, lines), default=1)}'))
    for name, rows, dtype in (('frames', frames, _FRAME), ('instances', instances, _INSTANCE),
                              ('points', points[USER], _POINT),
                              ('pred_points', points[PREDICTED], [*_POINT, ('score', 'f8')])):
        file.create_dataset(name, data=np.array(rows, dtype=dtype))


def _videos(labels: LabelSet) -> tuple[list[dict], list[tuple[int, int]]]:
    """The records of the videos, and for every image its video and number in it."""
    groups: dict[tuple, list[LabelledImage]] = {}
    places = []
    for image in labels.images:
        # The frames of a video have one record; so do all image files of one size.
        key = (image.file, None) if image.frame is not None else (None, image.size)
        group = groups.setdefault(key, [])
        places.append((list(groups).index(key), len(group) if image.frame is None else image.frame))
        group.append(image)
    records = []
    for (video, _), group in groups.items():
        size = next((image.size for image in group if image.size), None)
        count = len(group) if video is None else max(image.frame or 0 for image in group) + 1
        shape = {} if size is None else dict(shape=[count, size[1], size[0], 3])
        names = [image.file for image in group]
        backend = dict(type='MediaVideo', filename=video) if video is not None else dict(
            type='ImageVideo', filename=names[0], filenames=names)
        records.append(dict(filename=names if video is None else video,
                            backend=backend | shape | dict(grayscale=False)))
    return records, places


def _metadata(labels: LabelSet) -> dict:
    edge = {'py/reduce': [{'py/type': 'sleap.skeleton.EdgeType'}, {'py/tuple': [_EDGE]}]}
    links = [dict(edge_insert_idx=place, key=0, source=source, target=target, type={'py/id': 1} if place else edge)
             for place, (source, target) in enumerate(labels.links.tolist())]
    graph = dict(name=labels.category, num_edges_inserted=len(links))
    skeleton = dict(directed=True, graph=graph, links=links, multigraph=True,
                    nodes=[dict(id=place) for place in range(len(labels.keypoints))])
    return dict(version='2.0.0', skeletons=[skeleton], nodes=[dict(name=name, weight=1.0) for name in labels.keypoints],
                videos=[], tracks=[], suggestions=[], negative_anchors={}, provenance={})


SLP = Format('slp', 'SLEAP .slp', read_slp, write_slp,
             frozenset({SEVERAL, FRAMES, EMPTY, BARE, SCORES, SCORE, LINKS, NAMES, SIZES, CATEGORY}),
             libraries=('h5py',))
