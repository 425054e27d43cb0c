"""From annotation files to instances: the recorded protocol, the rules one by one, and the errors for bad input."""

import json

import numpy as np
import pytest
from coco_files import HEIGHT, WIDTH, content, write, write_images
from hypothesis import given
from hypothesis import strategies as st

from capekit.datasets import SPLITS, EpisodeKey, MP100Dataset, resolve_categories
from capekit.datasets import dataset as module
from capekit.datasets.annotations import clip_box
from capekit.datasets.splits import CROSS_SUPERCATEGORIES, MP100, SUPERCATEGORY_MEMBERS
from capekit.errors import CapekitError
from capekit.registry import DATASETS


@pytest.fixture
def tiny(tmp_path):
    """Annotation file and image folder of two small categories."""
    data = content()
    return write(tmp_path / 'tiny.json', data), write_images(tmp_path / 'images', data)


@pytest.fixture
def log(monkeypatch) -> list:
    """What the data set logs."""
    lines = []
    monkeypatch.setattr(module, 'print_log', lambda line, logger, level: lines.append(line))
    return lines


def error_of(call) -> str:
    """The message of the CapekitError that `call` raises: one line."""
    with pytest.raises(CapekitError) as caught:
        call()
    assert '\n' not in str(caught.value)
    return str(caught.value)


# The published files ---------------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def annotation_files(shared):
    return sorted((shared / 'data/mp100/annotations').glob('*.json'))


@pytest.fixture(scope='module')
def joined(annotation_files):
    return MP100Dataset(annotation_files)


def test_recorded_instances(shared):
    recorded = json.loads((shared / 'reference/protocol/mp100_split1_test.json').read_text())
    dataset = MP100Dataset(recorded['annotations'], data_root=shared / 'data/mp100/annotations')
    case = recorded['1shot_200episodes']
    assert len(dataset) == case['instances']
    assert list(dataset.categories) == case['category_order']
    first = [f"{instance['image_id']}:{[round(float(value), 2) for value in instance['bbox']]}"
             for instance in map(dataset.instance, range(5))]
    assert first == case['first_instances']


def test_joined_files(joined, annotation_files):
    assert len(joined.categories) == 100
    assert sorted(joined.categories) == list(range(1, 101))
    # Validation and test files overlap: joined, an annotation counts once.
    keys = {(joined.instance(i)['category_id'], joined.instance(i)['annotation_id']) for i in range(len(joined))}
    assert len(keys) == len(joined) < sum(len(MP100Dataset(path)) for path in annotation_files)
    # Two categories are named "face" and list no keypoint names: ids are the key, annotations give the count.
    assert [joined.categories[id_].name for id_ in (18, 40)] == ['face', 'face']
    assert [joined.categories[id_].num_keypoints for id_ in (18, 40)] == [19, 68]
    assert joined.categories[40].keypoint_names == ()


def test_supercategories_of_the_published_files(joined):
    found = {}
    for category in joined.categories.values():
        found.setdefault(category.supercategory, set()).add(category.id)
    assert found == {name: set(members) for name, members in SUPERCATEGORY_MEMBERS.items()}


def test_splits_filter_the_published_files(shared, annotation_files):
    one = MP100Dataset(shared / 'data/mp100/annotations/mp100_split3_test.json')
    assert list(one.categories) == SPLITS['split3/test']
    over_all = MP100Dataset(annotation_files, categories='split3/test')
    assert set(over_all.categories) == set(SPLITS['split3/test'])
    assert set(over_all.category_ids.tolist()) == set(SPLITS['split3/test'])
    for name, held_out in (('human_body', {72}), ('human_face', {18, 40}), ('vehicle', {32, 38, 51})):
        assert set(MP100Dataset(annotation_files, categories=f'cross/{name}/test').categories) == held_out


def test_split_table():
    tests = [id_ for number in range(1, 6) for id_ in SPLITS[f'split{number}/test']]
    assert sorted(tests) == list(range(1, 101)) == sorted(MP100)
    for number in range(1, 6):
        parts = [SPLITS[f'split{number}/{part}'] for part in ('train', 'val', 'test')]
        assert [len(part) for part in parts] == [70, 10, 20]
        assert sorted(sum(parts, [])) == sorted(MP100)
    for name in CROSS_SUPERCATEGORIES:
        train, test = (resolve_categories(f'cross/{name}/{part}') for part in ('train', 'test'))
        assert sorted(train + test) == sorted(MP100)
        assert set(test) == set(SUPERCATEGORY_MEMBERS[name])
    assert len({category.folder for category in MP100.values()}) == 100


# Instances -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('change', [
    dict(iscrowd=1), dict(bbox=None), dict(bbox=[]), dict(area=0), dict(area=-1), dict(bbox=[5, 5, 1, 10]),
    dict(bbox=[WIDTH + 3, 5, 10, 10]), dict(keypoints=None), dict(keypoints=[0.0] * 9), dict(num_keypoints=0)])
def test_annotations_that_do_not_count(tmp_path, change):
    data = content()
    data['annotations'][1].update(change)
    dataset = MP100Dataset(write(tmp_path / 'a.json', data))
    assert len(dataset) == 7
    assert 101 not in [dataset.instance(i)['annotation_id'] for i in range(7)]


def test_optional_keys_may_be_absent(tmp_path):
    data = content()
    for annotation in data['annotations']:
        for key in ('area', 'iscrowd', 'num_keypoints'):
            del annotation[key]
    for category in data['categories']:
        for key in ('skeleton', 'supercategory', 'keypoints'):
            del category[key]
    dataset = MP100Dataset(write(tmp_path / 'a.json', data))
    assert len(dataset) == 8
    assert [category.num_keypoints for category in dataset.categories.values()] == [3, 4]
    assert dataset.categories[1].links.shape == (0, 2)


def test_order_is_the_image_lists(tmp_path):
    data = content()
    data['images'].reverse()
    second = dict(data['annotations'][2], id=999, image_id=data['annotations'][0]['image_id'])
    data['annotations'].append(second)
    dataset = MP100Dataset(write(tmp_path / 'a.json', data))
    assert [dataset.instance(i)['annotation_id'] for i in range(9)] == [203, 202, 201, 200, 103, 102, 101, 100, 999]
    assert dataset.instances_of(1).tolist() == [4, 5, 6, 7, 8]


def test_joined_files_count_an_annotation_once(tmp_path):
    data = content()
    first = dict(data, images=data['images'][:5], annotations=data['annotations'][:5])
    second = dict(data, images=data['images'][3:], annotations=data['annotations'][3:])
    paths = [write(tmp_path / 'first.json', first), write(tmp_path / 'second.json', second)]
    assert len(MP100Dataset(paths)) == 8
    # The same annotation id in another category is another annotation.
    other = content(categories=[(7, 'fish', 3)], per_category=2)
    for annotation, image, number in zip(other['annotations'], other['images'], (100, 101), strict=True):
        annotation['id'] = annotation['image_id'] = image['id'] = number
    assert len(MP100Dataset([paths[0], write(tmp_path / 'other.json', other)])) == 7


def test_category_filter(tiny):
    dataset = MP100Dataset(tiny[0], categories=[2])
    assert list(dataset.categories) == [2]
    assert len(dataset) == 4
    assert MP100Dataset(tiny[0], categories=[2, 1]).source['categories'] == [2, 1]
    assert list(MP100Dataset(tiny[0], categories=[2, 1]).categories) == [1, 2]


def test_named_split_over_part_of_its_files_warns(tmp_path, log):
    path = write(tmp_path / 'a.json', content(categories=[(72, 'person', 3), (99, 'capybara_face', 4)]))
    dataset = MP100Dataset(path, categories='split1/train')
    assert list(dataset.categories) == [72, 99]
    assert len(log) == 1 and '68 of the 70 categories of split1/train' in log[0]
    assert [category.supercategory for category in dataset.categories.values()] == ['human_body', 'animal_face']


@pytest.mark.parametrize('id_, name, own, expected', [
    (72, 'person', 'person', 'human_body'), (72, 'human_body', 'x', 'human_body'), (72, 'cup', 'x', 'x'),
    (1, 'cup', 'vehicle', 'vehicle'), (18, 'face', 'person', 'human_face')])
def test_supercategory(tmp_path, id_, name, own, expected):
    data = content(categories=[(id_, name, 3)])
    data['categories'][0]['supercategory'] = own
    assert MP100Dataset(write(tmp_path / 'a.json', data)).categories[id_].supercategory == expected


def test_instances_are_copies(tiny):
    dataset = MP100Dataset(tiny[0])
    before = dataset.instance(0)
    dataset.instance(0)['keypoints'][:] = 0
    assert np.array_equal(dataset.instance(0)['keypoints'], before['keypoints'])
    assert before['keypoints'].shape == (3, 3) and before['keypoints'].dtype == np.float64


@given(st.floats(-50, 130), st.floats(-50, 130), st.floats(-5, 200), st.floats(-5, 200))
def test_clipped_box(x, y, w, h):
    box = clip_box([x, y, w, h], WIDTH, HEIGHT)
    if box is None:
        assert w <= 1 + 1e-9 or h <= 1 + 1e-9 or x >= WIDTH - 1 or y >= HEIGHT - 1
        return
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    assert 0 <= left and 0 <= top and right <= WIDTH - 1 + 1e-9 and bottom <= HEIGHT - 1 + 1e-9
    assert left == max(0, x) and top == max(0, y)
    assert 0 < box[2] <= max(0, w - 1) + 1e-9 and 0 < box[3] <= max(0, h - 1) + 1e-9


def test_clipping_takes_a_pixel_even_from_a_box_inside():
    assert clip_box([10, 10, 20, 30], 80, 60).tolist() == [10, 10, 19, 29]
    assert clip_box([-5, 50, 200, 30], 80, 60).tolist() == [0, 50, 79, 9]


# Bad files -------------------------------------------------------------------------------------------------------


def test_missing_annotation_file(tmp_path):
    assert 'nowhere.json' in error_of(lambda: MP100Dataset(tmp_path / 'nowhere.json'))
    assert 'ann_file' in error_of(lambda: MP100Dataset([]))


def test_invalid_json(tmp_path):
    path = tmp_path / 'broken.json'
    path.write_text('{"images": [],\n  "categories": [,]}')
    message = error_of(lambda: MP100Dataset(path))
    assert 'broken.json' in message and 'line 2, column 18' in message


@pytest.mark.parametrize('key', ['images', 'annotations', 'categories'])
def test_not_a_keypoint_file(tmp_path, key):
    data = content()
    del data[key]
    message = error_of(lambda: MP100Dataset(write(tmp_path / 'a.json', data)))
    assert 'a.json' in message and f"'{key}'" in message
    path = tmp_path / 'list.json'
    path.write_text('[1, 2]')
    assert 'list.json' in error_of(lambda: MP100Dataset(path))


def test_record_without_a_key(tmp_path):
    data = content()
    del data['images'][2]['width']
    message = error_of(lambda: MP100Dataset(write(tmp_path / 'a.json', data)))
    assert 'images[2]' in message and 'width' in message


@pytest.mark.parametrize('names', [True, False])
def test_keypoints_of_the_wrong_length(tmp_path, names):
    data = content()
    data['annotations'][0]['keypoints'] = data['annotations'][0]['keypoints'][:-1]
    if not names:
        data['categories'][0]['keypoints'] = []
    message = error_of(lambda: MP100Dataset(write(tmp_path / 'a.json', data)))
    assert 'a.json' in message and 'annotation 100' in message and "'cup' (id 1)" in message
    assert '3 * 3 = 9' in message and ' 8 ' in message


@pytest.mark.parametrize('change, expected', [
    (dict(bbox=[1, 2, 3]), 'bbox'), (dict(category_id=9), 'category 9'),
    (dict(keypoints=[float('nan')] * 9), 'annotation 100 has a non-finite keypoint')])
def test_broken_annotations(tmp_path, change, expected):
    data = content()
    data['annotations'][0].update(change)
    assert expected in error_of(lambda: MP100Dataset(write(tmp_path / 'a.json', data)))


def test_links(tmp_path):
    data = content()
    data['categories'][0]['skeleton'] = [[0, 1], [0, 1], [1, 2]]
    data['categories'][1]['skeleton'] = []
    dataset = MP100Dataset(write(tmp_path / 'a.json', data))
    assert dataset.categories[1].links.tolist() == [[0, 1], [0, 1], [1, 2]]
    assert dataset.categories[2].links.shape == (0, 2)
    data['categories'][0]['skeleton'] = [[0, 7]]
    assert '0 to 7' in error_of(lambda: MP100Dataset(write(tmp_path / 'a.json', data)))


def test_no_instances_at_all(tmp_path):
    data = content()
    for annotation in data['annotations']:
        annotation['iscrowd'] = 1
    assert 'no usable instance' in error_of(lambda: MP100Dataset(write(tmp_path / 'a.json', data)))


def test_files_that_contradict_each_other(tmp_path):
    first = write(tmp_path / 'first.json', content())
    second = write(tmp_path / 'second.json', content(categories=[(1, 'fish', 3)]))
    message = error_of(lambda: MP100Dataset([first, second]))
    assert "'fish'" in message and "'cup'" in message and 'second.json' in message


def test_annotation_of_an_unlisted_image_is_left_out(tmp_path, log):
    data = content()
    del data['images'][0]
    assert len(MP100Dataset(write(tmp_path / 'a.json', data))) == 7
    assert len(log) == 1 and "1 annotation(s) do not count: image not in 'images'" in log[0] and 'a.json' in log[0]


@pytest.mark.parametrize('settings, expected', [
    (dict(categories='split9/test'), 'split1/train'), (dict(categories=[1, 99]), 'valid: [1, 2]'),
    (dict(categories=['cup']), 'category ids'), (dict(categories=[]), 'category ids'),
    (dict(missing_images='ignore'), 'is not one of error, skip'), (dict(augment=dict(flip=True)), 'rotation_prob')])
def test_unknown_settings_name_the_valid_ones(tiny, settings, expected):
    assert expected in error_of(lambda: MP100Dataset(tiny[0], **settings))


# Images --------------------------------------------------------------------------------------------------------


def test_missing_images_are_counted_and_named(tiny, log):
    annotations, images = tiny
    for name in ('cup/0.jpg', 'cup/2.jpg', 'bird/1.jpg'):
        (images / name).unlink()
    message = error_of(lambda: MP100Dataset(annotations, images))
    assert '3 of 8' in message and str(images) in message and "'cup' (id 1: 2 instances)" in message
    assert 'bird/1.jpg, cup/0.jpg' in message and "missing_images='skip'" in message
    kept = MP100Dataset(annotations, images, missing_images='skip')
    assert len(kept) == 5
    assert len(log) == 1 and "'cup' (id 1) 2, 'bird' (id 2) 1" in log[0]
    assert kept.source['images'] == str(images) and kept.source['instances'] != MP100Dataset(annotations).source[
        'instances']


def test_wrong_image_folder_is_guessed(tiny):
    annotations, images = tiny
    assert f'they are under {images}' in error_of(lambda: MP100Dataset(annotations, images.parent))


def test_paths_are_below_data_root(tiny):
    annotations, images = tiny
    dataset = MP100Dataset('tiny.json', 'images', data_root=str(annotations.parent))
    assert dataset.crop(0).image.shape == (256, 256, 3)


def test_no_image_folder(tiny):
    assert '`images`' in error_of(lambda: MP100Dataset(tiny[0]).crop(0))


def test_truncated_image_names_file_and_category(tiny):
    annotations, images = tiny
    dataset = MP100Dataset(annotations, images)
    data = (images / 'cup/0.jpg').read_bytes()
    (images / 'cup/0.jpg').write_bytes(data[:len(data) // 2])
    message = error_of(lambda: dataset.crop(0))
    assert 'cup/0.jpg' in message and 'truncated' in message and "'cup' (id 1)" in message


@pytest.mark.parametrize('ann_file', [['a.json', 3], [None]])
def test_annotation_files_are_paths(ann_file):
    assert error_of(lambda: MP100Dataset(ann_file)).startswith('ann_file has ')


def test_registered_and_indexed_by_episodes(tiny):
    dataset = DATASETS.build(dict(type='MP100Dataset', ann_file=str(tiny[0]), images=str(tiny[1]), image_size=64))
    episode = dataset[EpisodeKey((4, 5, 6))]
    assert episode.support_images.shape == (1, 2, 3, 64, 64) and str(episode.support_images.dtype) == 'torch.uint8'
    assert episode.query_images.shape == (1, 3, 64, 64)
    assert episode.support_points.shape == (1, 2, 4, 2) and episode.query_visible.shape == (1, 4)
    assert episode.num_keypoints.tolist() == [4] and episode.links[0].tolist() == [[0, 1], [1, 2], [2, 3]]
    meta = episode.meta[0]
    assert meta['category_id'] == 2 and meta['category'] == 'bird' and meta['instances'] == (4, 5, 6)
    assert meta['image_files'] == ['bird/0.jpg', 'bird/1.jpg', 'bird/2.jpg']
    assert meta['crop_to_image'].shape == (3, 2, 3) and meta['bbox'].shape == (3, 4)
    assert 'EpisodeKey' in error_of(lambda: dataset[0])
    assert 'different categories' in error_of(lambda: dataset[EpisodeKey((0, 4))])


def test_instances_on_the_images_of_another_file_are_left_out(tmp_path):
    """Also those that only share the image, such as a second person on an image of the test."""
    data = content(per_category=4)
    second = dict(data['annotations'][0], id=999, keypoints=[7, 8, 2] * 3, num_keypoints=3)
    path = write(tmp_path / 'all.json', dict(data, annotations=[*data['annotations'], second]))
    held = [0, 5]  # one of each category
    other = write(tmp_path / 'test.json', dict(
        data, images=[data['images'][n] for n in held], annotations=[data['annotations'][n] for n in held]))
    dataset = MP100Dataset('all.json', data_root=tmp_path, exclude='test.json')
    ids = {dataset.instance(i)['annotation_id'] for i in range(len(dataset))}
    assert ids == {record['id'] for n, record in enumerate(data['annotations']) if n not in held}
    assert f'3 of 9 instances left out: their images are in {other}' in dataset.notes
    assert dataset.source['exclude'] == [str(other)] and 'exclude' not in MP100Dataset(path).source
    with pytest.raises(CapekitError, match='9 of 9 instances left out: .*nothing is left'):
        MP100Dataset(path, exclude=[path])
    with pytest.raises(CapekitError, match='none.json'):
        MP100Dataset(path, exclude=tmp_path / 'none.json')


def test_the_oracle_trains_on_no_image_of_its_test(shared):
    """Here of split 2's validation file, which holds 200 instances of split 1's test file."""
    folder = shared / 'data/mp100/annotations'
    test = MP100Dataset(folder / 'mp100_split1_test.json')
    train = MP100Dataset(folder / 'mp100_split2_val.json', exclude=folder / 'mp100_split1_test.json')
    assert len(train) == len(MP100Dataset(folder / 'mp100_split2_val.json')) - 200
    assert not set(train._image_files) & set(test._image_files)
