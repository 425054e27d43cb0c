"""Generated data: the same bytes for a seed, valid files, and a baseline that leaves something to learn."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from coco_files import content, write

from capekit.apis import init_estimator
from capekit.datasets import MP100Dataset, released_test_episodes
from capekit.datasets.crops import transform_points
from capekit.datasets.episodes import EpisodeKey
from capekit.errors import CapekitError
from capekit.evaluation import score_rows
from capekit.evaluation.baselines import copy_support
from capekit.structures import Episode
from capekit.synthetic import render_from_annotations, write_dataset
from capekit.synthetic.categories import MAX_KEYPOINTS, MIN_KEYPOINTS, make_category, split_categories
from capekit.synthetic.processes import in_processes

SETTINGS = dict(categories=12, instances=4)


def _digest(folder: Path) -> dict:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob('*')) if path.is_file()}


@pytest.fixture(scope='module')
def generated(tmp_path_factory):
    out = tmp_path_factory.mktemp('generated') / 'data'
    write_dataset(out, **SETTINGS, seed=0, workers=2)
    return out


def _files(folder):
    return {name: json.loads((folder / f'annotations/{name}.json').read_text()) for name in ('train', 'val', 'test')}


def test_bytes_depend_on_the_seed_alone(generated, tmp_path):
    write_dataset(tmp_path / 'again', **SETTINGS, seed=0, workers=1)
    write_dataset(tmp_path / 'other', **SETTINGS, seed=1, workers=2)
    assert _digest(tmp_path / 'again') == _digest(generated)
    assert not set(_digest(tmp_path / 'other').values()) & set(_digest(generated).values())


def test_files_are_valid_and_categories_disjoint(generated):
    seen = set()
    for name, data in _files(generated).items():
        ids = {category['id'] for category in data['categories']}
        assert not ids & seen
        seen |= ids
        counts = {category['id']: len(category['keypoints']) for category in data['categories']}
        images = {image['id']: image for image in data['images']}
        assert len(data['annotations']) == len(ids) * SETTINGS['instances']
        for annotation in data['annotations']:
            image = images[annotation['image_id']]
            points = np.reshape(annotation['keypoints'], (-1, 3))
            labelled = points[:, 2] > 0
            assert len(points) == counts[annotation['category_id']]
            assert labelled.sum() == annotation['num_keypoints'] >= 3
            assert ((points[labelled, :2] >= 0) & (points[labelled, :2] < (image['width'], image['height']))).all()
            assert not points[~labelled].any()
            x, y, w, h = annotation['bbox']
            assert 0 <= x and 0 <= y and x + w <= image['width'] and y + h <= image['height'] and annotation['area'] > 0
            pixels = cv2.imread(str(generated / 'images' / image['file_name']))
            assert pixels.shape == (image['height'], image['width'], 3)
        dataset = MP100Dataset(generated / f'annotations/{name}.json', generated / 'images')
        assert len(dataset) == len(data['annotations'])


def test_categories_of_every_kind():
    categories = [make_category(5, index) for index in range(48)]
    counts = [len(category.keypoints) for category in categories]
    assert MIN_KEYPOINTS <= min(counts) <= 10 and max(counts) == MAX_KEYPOINTS == 68
    assert len({category.supercategory for category in categories}) == 8
    for category in categories:
        assert len(set(category.keypoints)) == len(category.keypoints)
        reached, frontier = {0}, {0}
        while frontier:
            frontier = {b for pair in category.links for a, b in (pair, pair[::-1]) if a in frontier} - reached
            reached |= frontier
        assert reached == set(range(len(category.keypoints)))
    train = split_categories(100)['train']
    assert {make_category(0, index).supercategory for index in train} == {c.supercategory for c in categories}


def test_copying_the_support_scores_low(tmp_path):
    write_dataset(tmp_path / 'data', categories=15, instances=9, seed=2)
    dataset = MP100Dataset(tmp_path / 'data/annotations/test.json')
    rows = released_test_episodes(dataset, 1, 8, 20)
    assert score_rows(dataset, rows, copy_support(dataset, rows))['PCK@0.2'] < 0.4


def test_nothing_is_overwritten_or_left_half_written(generated, tmp_path):
    before = _digest(generated)
    with pytest.raises(CapekitError, match='exists and is not empty'):
        write_dataset(generated, **SETTINGS)
    assert _digest(generated) == before
    with pytest.raises(CapekitError, match='ask for at least'):
        write_dataset(tmp_path / 'few', categories=3)
    with pytest.raises(CapekitError, match='instances=0'):
        write_dataset(tmp_path / 'none', categories=15, instances=0)
    assert not list(tmp_path.iterdir())


def test_stand_ins_for_missing_images(tmp_path):
    data = content(per_category=3)
    data['images'][0].update(width=700, height=500)
    ann, images = write(tmp_path / 'ann.json', data), tmp_path / 'images'
    assert render_from_annotations([ann], images, workers=1) == dict(written=6, kept=0)
    first = _digest(images)
    dataset = MP100Dataset(ann, images)
    assert dataset.crop(0).image.std() > 5
    for image in data['images']:
        assert cv2.imread(str(images / image['file_name'])).shape == (image['height'], image['width'], 3)
    next(images.rglob('*.jpg')).unlink()
    assert render_from_annotations([ann], images, workers=2) == dict(written=1, kept=5)
    assert _digest(images) == first


def test_stand_ins_stay_in_their_folder(tmp_path):
    data = content(per_category=1)
    data['images'][0]['file_name'] = '../elsewhere.jpg'
    with pytest.raises(CapekitError, match="'../elsewhere.jpg' leads out of the image folder"):
        render_from_annotations([write(tmp_path / 'ann.json', data)], tmp_path / 'images')


def test_copy_support_is_exact_on_itself(generated):
    dataset = MP100Dataset(generated / 'annotations/test.json')
    points = copy_support(dataset, np.array([[0, 0], [1, 1]]))
    for number in (0, 1):
        keypoints = dataset.instance(number)['keypoints']
        seen = keypoints[:, 2] > 0
        np.testing.assert_allclose(points[number][seen], keypoints[seen, :2], atol=1e-3)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_neither_processes_nor_half_a_data_set(repo, tmp_path, number):
    (tmp_path / 'set.partial').mkdir()  # somebody else's
    (tmp_path / 'set.partial/notes.txt').write_text('mine')
    process = subprocess.Popen([sys.executable, str(repo / 'tools/dataset/synthesize.py'), str(tmp_path / 'set'),
                                '--workers', '2'], stderr=subprocess.PIPE, text=True, start_new_session=True)
    while process.poll() is None and not list(tmp_path.glob('.set.*.partial/images/*/*.jpg')):
        time.sleep(0.1)
    process.send_signal(number)
    error = process.stderr.read()  # ends when the last process that could write to it has
    assert process.wait() in (143, 130) and error in ('', 'interrupted\n')
    assert [path.name for path in tmp_path.iterdir()] == ['set.partial']
    assert (tmp_path / 'set.partial/notes.txt').is_file()


def test_a_dead_process_is_one_line():
    with pytest.raises(CapekitError, match='a process that draws images died'):
        in_processes(os._exit, [1, 1, 1], 2)


def test_the_copying_estimator_does_the_same_through_images(generated, repo):
    dataset = MP100Dataset(generated / 'annotations/test.json', images=generated / 'images', image_size=96)
    rows = np.stack([dataset.instances_of(id_)[:3] for id_ in dataset.categories])
    episode = Episode.collate([dataset[EpisodeKey(tuple(row), None)] for row in rows.tolist()])
    estimator = init_estimator(repo / 'configs/synthetic/copying_synthetic_1shot.py')
    points = estimator.eval()(episode, mode='predict').points.double().numpy() * 96
    for meta, found, expected in zip(episode.meta, points, copy_support(dataset, rows), strict=True):
        found = transform_points(found[:len(expected)], meta['crop_to_image'][-1])
        np.testing.assert_allclose(found, expected, atol=1e-2)
