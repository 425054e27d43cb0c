"""SLEAP: sleap-io reads our files, and we read those that it writes."""

import json

import numpy as np
import pytest

from capekit.errors import CapekitError
from capekit.interop.labels import Animal, LabelledImage, LabelSet, read, write


@pytest.fixture
def h5py():
    return pytest.importorskip('h5py')


@pytest.fixture
def sleap_io(h5py):
    return pytest.importorskip('sleap_io')


def _found(sleap_labels):
    """(video, frame, [(track, points)]) of every frame that sleap-io found."""
    return [(frame.video.filename, frame.frame_idx,
             [(instance.track.name if instance.track else None, instance.numpy()) for instance in frame.instances])
            for frame in sleap_labels]


def test_sleap_io_reads_our_labels(flies, tmp_path, sleap_io):
    write(tmp_path / 'labels.slp', 'slp', flies)
    labels = sleap_io.load_slp(str(tmp_path / 'labels.slp'), open_videos=False)
    assert labels.skeleton.node_names == ['tail', 'head', 'leg']
    assert labels.skeleton.edge_inds == [(0, 1), (1, 2)]
    assert labels.skeleton.name == 'fly'
    assert [video.filename for video in labels.videos] == [[image.file for image in flies.images]]
    assert tuple(labels.videos[0].shape) == (3, 48, 64, 3)
    found = _found(labels)
    assert [frame for _, frame, _ in found] == [0, 1, 2]
    assert [len(animals) for _, _, animals in found] == [1, 1, 0]
    for (_, _, animals), image in zip(found[:2], flies.images[:2], strict=True):
        np.testing.assert_allclose(animals[0][1], image.animals[0].points, atol=1e-6)
    assert {type(instance).__name__ for frame in labels for instance in frame.instances} == {'Instance'}


def test_sleap_io_reads_our_predictions(clip, tmp_path, sleap_io):
    clip.images[0].animals[0].score = 0.75
    write(tmp_path / 'labels.slp', 'slp', clip)
    labels = sleap_io.load_slp(str(tmp_path / 'labels.slp'), open_videos=False)
    found = _found(labels)
    assert [(video, frame) for video, frame, _ in found] == [('clip.mp4', 0), ('clip.mp4', 2)]
    assert [[name for name, _ in animals] for _, _, animals in found] == [['mus', 'ratte'], ['ratte']]
    np.testing.assert_allclose(found[0][2][1][1], clip.images[0].animals[1].points, atol=1e-6)
    predicted = labels[0].instances[0]
    assert type(predicted).__name__ == 'PredictedInstance'
    assert predicted.score == 0.75
    np.testing.assert_allclose(predicted.numpy(scores=True)[[0, 2], 2], [0.9, 0.5])


def _sleap_labels(sleap_io, filename):
    skeleton = sleap_io.Skeleton(['tail', 'head', 'leg'], edges=[('tail', 'leg')], symmetries=[('head', 'leg')],
                                 name='fly')
    video = sleap_io.Video(filename, backend_metadata=dict(type='MediaVideo', shape=(9, 48, 64, 3)),
                           open_backend=False)
    track = sleap_io.Track('one')
    points = np.array([[1.25, 2], [np.nan, np.nan], [5, 6]])
    user = sleap_io.Instance.from_numpy(points, skeleton=skeleton)
    predicted = sleap_io.PredictedInstance.from_numpy(
        points + 1, skeleton=skeleton, point_scores=np.array([0.1, 0.2, 0.3]), score=0.5, track=track)
    return sleap_io.Labels([sleap_io.LabeledFrame(video=video, frame_idx=4, instances=[user, predicted])],
                           videos=[video], skeletons=[skeleton], tracks=[track])


def test_reads_a_slp_that_sleap_io_wrote(tmp_path, sleap_io):
    _sleap_labels(sleap_io, 'clip.mp4').save(str(tmp_path / 'labels.slp'))
    labels = read(tmp_path / 'labels.slp', 'slp')
    assert (labels.keypoints, labels.links.tolist(), labels.category) == (('tail', 'head', 'leg'), [[0, 2]], 'fly')
    image, = labels.images
    assert (image.file, image.frame, image.size) == ('clip.mp4', 4, (64, 48))
    user, predicted = image.animals
    np.testing.assert_allclose(user.points, [[1.25, 2], [np.nan, np.nan], [5, 6]])
    assert (user.scores, user.score, user.name) == (None, None, None)
    np.testing.assert_allclose(predicted.scores[[0, 2]], [0.1, 0.3])
    assert (predicted.score, predicted.name) == (0.5, 'one')


def test_files_before_1_1_have_corners_at_integers(flies, tmp_path, h5py):
    write(tmp_path / 'labels.slp', 'slp', flies)
    with h5py.File(tmp_path / 'labels.slp', 'r+') as file:
        file['metadata'].attrs['format_id'] = 1.0
    labels = read(tmp_path / 'labels.slp', 'slp')
    np.testing.assert_allclose(labels.images[0].animals[0].points[0], [0.75, 2.0])


def test_points_that_are_not_visible_are_not_labelled_and_announced(flies, tmp_path, h5py, announced):
    write(tmp_path / 'labels.slp', 'slp', flies)
    with h5py.File(tmp_path / 'labels.slp', 'r+') as file:
        points = file['points'][:]
        points['visible'][0] = False
        file['points'][:] = points
    labels = read(tmp_path / 'labels.slp', 'slp')
    assert labels.images[0].animals[0].visibility.tolist() == [0, 0, 2]
    assert '1 points are marked as not visible' in announced[-1]


def test_images_of_two_sizes_are_two_videos_and_keep_their_order(tmp_path, h5py):
    images = [LabelledImage(f'{name}.png', size, [Animal([[1, 2]])])
              for name, size in (('a', (8, 6)), ('b', (9, 6)), ('c', (8, 6)))]
    write(tmp_path / 'labels.slp', 'slp', LabelSet(images, ['x']))
    back = read(tmp_path / 'labels.slp', 'slp')
    assert [(image.file, image.size) for image in back.images] == [(image.file, image.size) for image in images]


def test_embedded_images_are_named_after_their_video(tmp_path, h5py, clip):
    write(tmp_path / 'labels.slp', 'slp', clip)
    with h5py.File(tmp_path / 'labels.slp', 'r+') as file:
        source = file.create_group('video0/source_video')
        source.attrs['json'] = bytes(file['videos_json'][0])
        del file['videos_json']
        backend = dict(type='HDF5Video', filename='.', dataset='video0/video', shape=[2, 48, 64, 3])
        file['videos_json'] = np.array([json.dumps(dict(filename='.', backend=backend)).encode()])
    assert read(tmp_path / 'labels.slp', 'slp').images[0].file == 'clip.mp4'


def test_sleap_io_reads_our_analysis_file(clip, tmp_path, sleap_io):
    write(tmp_path / 'clip.h5', 'sleap-analysis', clip)
    labels = sleap_io.load_analysis_h5(str(tmp_path / 'clip.h5'))
    assert labels.skeleton.node_names == ['snout', 'ear', 'back']
    assert labels.skeleton.edge_inds == [(0, 2)]
    found = _found(labels)
    assert [(video, frame) for video, frame, _ in found] == [('clip.mp4', 0), ('clip.mp4', 2)]
    assert [[name for name, _ in animals] for _, _, animals in found] == [['mus', 'ratte'], ['ratte']]
    np.testing.assert_allclose(found[1][2][0][1], clip.images[1].animals[0].points, atol=1e-6)
    np.testing.assert_allclose(labels[0].instances[0].numpy(scores=True)[[0, 2], 2], [0.9, 0.5])


@pytest.mark.parametrize('preset', ['matlab', 'standard'])
def test_reads_an_analysis_file_that_sleap_io_wrote(preset, tmp_path, sleap_io):
    labels = _sleap_labels(sleap_io, 'clip.mp4')
    labels[0].instances.pop(0)
    sleap_io.save_analysis_h5(labels, str(tmp_path / 'clip.h5'), preset=preset, all_frames=False)
    back = read(tmp_path / 'clip.h5', 'sleap-analysis')
    assert (back.keypoints, back.links.tolist()) == (('tail', 'head', 'leg'), [[0, 2]])
    animal, = [animal for image in back.images for animal in image.animals]
    np.testing.assert_allclose(animal.points, [[2.25, 3], [np.nan, np.nan], [6, 7]])
    assert animal.name == 'one'


def test_analysis_files_are_of_one_video(flies, tmp_path, h5py):
    with pytest.raises(CapekitError, match='frames of one video; the labels are of 3 images'):
        write(tmp_path / 'labels.h5', 'sleap-analysis', flies)


@pytest.mark.parametrize(('format', 'message'), [('slp', r'labels: not a \.slp file'),
                                                 ('sleap-analysis', 'labels: not an analysis file')])
def test_other_files_are_one_line(format, message, tmp_path, h5py):
    (tmp_path / 'labels').write_text('text')
    with pytest.raises(CapekitError, match=message):
        read(tmp_path / 'labels', format)
    with h5py.File(tmp_path / 'labels', 'w') as file:
        file['other'] = 1
    with pytest.raises(CapekitError, match=message):
        read(tmp_path / 'labels', format)


@pytest.mark.parametrize(('name', 'value', 'message'), [
    ('tracks', np.inf, 'clip.mp4, frame 0: a point has infinite coordinates'),
    ('tracks', np.nan, 'clip.mp4, frame 0: a point has only one of x and y'),
    ('point_scores', np.inf, 'clip.mp4, frame 0: scores are .*inf.*; expected finite numbers')])
def test_numbers_of_an_analysis_file_that_are_none_are_named(name, value, message, clip, tmp_path, h5py):
    write(tmp_path / 'clip.h5', 'sleap-analysis', clip)
    with h5py.File(tmp_path / 'clip.h5', 'a') as file:
        file[name][(0,) * file[name].ndim] = value
    with pytest.raises(CapekitError, match=rf'clip\.h5: {message}'):
        read(tmp_path / 'clip.h5', 'sleap-analysis')


def test_points_outside_the_image_stay_where_they_are(clip, tmp_path, h5py):
    clip.images[0].animals[0].points[0] = -5, 1000
    write(tmp_path / 'clip.h5', 'sleap-analysis', clip)
    back = read(tmp_path / 'clip.h5', 'sleap-analysis')
    assert back.images[0].animals[0].points[0].tolist() == [-5, 1000]


@pytest.mark.parametrize(('format', 'place', 'name'), [('slp', 'metadata', 'json'),
                                                       ('sleap-analysis', 'tracks', 'dims')])
def test_json_that_is_very_deep_is_one_line(format, place, name, clip, tmp_path, h5py):
    write(tmp_path / 'labels', format, clip)
    with h5py.File(tmp_path / 'labels', 'a') as file:
        file[place].attrs[name] = '[' * 50_000
    with pytest.raises(CapekitError, match='labels: not an? .*RecursionError'):
        read(tmp_path / 'labels', format)


def test_an_analysis_file_that_states_more_than_memory_holds_is_one_line(clip, tmp_path, h5py):
    write(tmp_path / 'clip.h5', 'sleap-analysis', clip)
    with h5py.File(tmp_path / 'clip.h5', 'a') as file:
        del file['tracks']
        file.create_dataset('tracks', (2, 2, 3, 2 ** 50), 'f8', chunks=(2, 2, 3, 16))
    with pytest.raises(CapekitError, match=r'clip\.h5: not an analysis file of SLEAP .*MemoryError'):
        read(tmp_path / 'clip.h5', 'sleap-analysis')
