"""MP-100's layout from the folders of its sources: real ids and names, small images."""

import json
import re
import shutil
import sys

import coco_files
import cv2
import numpy as np
import pytest

from capekit.commands import prepare_mp100
from capekit.datasets.mp100_sources import SOURCES
from capekit.datasets.prepare import prepare, wanted_images
from capekit.datasets.splits import SUPERCATEGORY_MEMBERS
from capekit.errors import CapekitError

SIZE = (40, 30)


def _image(path, size=SIZE, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng([seed, *str(path).encode()]).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path


def _annotations(path, category, name, files, size=SIZE, boxes=None):
    """An annotation file with one annotation per image, or per box."""
    data = dict(images=[], annotations=[], categories=[dict(id=category, name=name, keypoints=['a', 'b'], skeleton=[])])
    for number, file in enumerate(files):
        data['images'].append(dict(id=number, file_name=file, width=size[0], height=size[1]))
        for box in [[2, 3, 20 + number, 10]] if boxes is None else boxes[number]:
            x, y, w, h = box
            data['annotations'].append(dict(
                id=len(data['annotations']), image_id=number, category_id=category, bbox=list(box), area=w * h,
                iscrowd=0, num_keypoints=2, keypoints=[x + 1, y + 1, 2, x + w - 1, y + 1, 2]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


def test_every_category_has_one_source():
    ids = [id_ for source in SOURCES.values() for id_ in source.categories]
    assert sorted(ids) == sorted(id_ for members in SUPERCATEGORY_MEMBERS.values() for id_ in members)
    assert len(ids) == 100


@pytest.mark.parametrize('copy', [False, True])
def test_species_are_merged_and_a_stopped_run_goes_on(copy, tmp_path):
    files = [f'woodpecker_body/{name}_Woodpecker_000{n}.jpg' for n, name in enumerate(['Pileated', 'Red_Bellied'])]
    ann = _annotations(tmp_path / 'ann.json', 14, 'Woodpecker', files)
    source = tmp_path / 'CUB'
    first = _image(source / 'images/188.Pileated_Woodpecker/Pileated_Woodpecker_0000.jpg')
    second = _image(source / 'images/189.Red_Bellied_Woodpecker/Red_Bellied_Woodpecker_0001.jpg')
    hidden = second.rename(second.with_suffix('.part'))
    wanted = wanted_images([ann, ann], SOURCES['cub'])
    result = prepare(wanted, source, tmp_path / 'images', copy)
    assert (result.placed, list(result.problems)) == (1, [files[1]])
    assert result.problems[files[1]] == f'not below {source}'
    hidden.rename(second)
    result = prepare(wanted, source, tmp_path / 'images', copy)
    assert (result.kept, result.placed, result.problems) == (1, 1, {})
    target = tmp_path / 'images' / files[0]
    assert target.is_symlink() is not copy
    assert target.read_bytes() == first.read_bytes()
    assert len(list((tmp_path / 'images').rglob('*'))) == 3


def test_a_broken_link_is_replaced_and_another_image_is_not(tmp_path):
    ann = _annotations(tmp_path / 'ann.json', 72, 'person', ['human_body/1.jpg', 'human_body/2.jpg'])
    _image(tmp_path / 'coco/train2017/1.jpg')
    _image(tmp_path / 'coco/train2017/2.jpg')
    other = _image(tmp_path / 'images/human_body/2.jpg', (5, 5))
    (tmp_path / 'images/human_body/1.jpg').symlink_to(tmp_path / 'gone.jpg')
    result = prepare(wanted_images([ann], SOURCES['coco']), tmp_path / 'coco', tmp_path / 'images')
    assert result.placed == 1
    problem = 'is there already and has 5 x 5 pixels; the annotation file says 40 x 30'
    assert problem in result.problems['human_body/2.jpg']
    assert other.exists() and not other.is_symlink()


def test_folders_in_the_name_decide_before_anything_else(tmp_path):
    ann = _annotations(tmp_path / 'ann.json', 84, 'bed', ['bed/1.jpg'])
    right = _image(tmp_path / 'keypoint-5/images/bed/1.jpg')
    _image(tmp_path / 'keypoint-5/images/sofa/1.jpg')
    assert prepare(wanted_images([ann], SOURCES['keypoint5']), tmp_path / 'keypoint-5', tmp_path / 'images').placed == 1
    assert (tmp_path / 'images/bed/1.jpg').resolve() == right


def test_of_equal_names_the_size_decides_then_the_folder_of_the_others(tmp_path):
    files = [f'skirt/{n}.jpg' for n in range(8)]
    ann = _annotations(tmp_path / 'ann.json', 1, 'skirt', files)
    source = tmp_path / 'DeepFashion2'
    for n in range(8):
        _image(source / f'train/image/{n}.jpg')
        if n < 7:
            _image(source / f'validation/image/{n}.jpg', (31, 30) if n < 5 else SIZE)
    shutil.copy(source / 'train/image/6.jpg', source / 'validation/image/6.jpg')
    result = prepare(wanted_images([ann], SOURCES['deepfashion2']), source, tmp_path / 'images')
    assert (result.placed, result.by_folder, result.problems) == (8, 1, {})
    assert {(tmp_path / 'images' / file).resolve().parts[-3] for file in files} == {'train'}
    # Where too few others say which folder it is, nothing is guessed.
    ann = _annotations(tmp_path / 'two.json', 75, 'shorts', ['shorts/5.jpg', 'shorts/7.jpg'])
    result = prepare(wanted_images([ann], SOURCES['deepfashion2']), source, tmp_path / 'images')
    assert result.placed == 1
    assert 'may be' in result.problems['shorts/5.jpg']


def test_renamed_images_are_found_by_their_boxes(tmp_path):
    box, other = [2.2, 3, 20, 10], [5, 5, 8, 8]
    ann = _annotations(tmp_path / 'ann.json', 32, 'car', ['car/1300724694.jpg', 'car/2.jpg', 'car/3.jpg'],
                       boxes=[[box, other], [other], [[1, 1, 3, 3]]])
    names = ['car_penn1/images/1_10.jpg', 'car_penn2/images/1_10.jpg', 'car_penn2/images/2_11.jpg']
    labels = _annotations(tmp_path / 'source/car_keypoints_train.json', 1, 'car', names,
                          boxes=[[box], [other, [2.3, 3, 20, 10]], [other, [0, 0, 9, 9]]])
    # The keypoints decide between two images with the same box.
    data = json.loads(labels.read_text())
    data['annotations'][1]['keypoints'][0] += 3
    labels.write_text(json.dumps(data))
    for name in names:
        _image(tmp_path / 'source/train' / name)
    wanted = wanted_images([ann], SOURCES['carfusion'])
    result = prepare(wanted, tmp_path / 'source', tmp_path / 'images', labels=[labels])
    assert (tmp_path / 'images/car/1300724694.jpg').resolve() == tmp_path / 'source/train' / names[1]
    assert (tmp_path / 'images/car/2.jpg').resolve() == tmp_path / 'source/train' / names[2]
    assert result.problems == {'car/3.jpg': 'no image has these boxes'}


def test_names_that_lead_out_of_the_folder_are_refused(tmp_path):
    ann = _annotations(tmp_path / 'ann.json', 72, 'person', ['human_body/../../1.jpg'])
    with pytest.raises(CapekitError, match='leads out of the image folder'):
        wanted_images([ann], SOURCES['coco'])


def test_command(tmp_path, monkeypatch, capsys):
    ann = _annotations(tmp_path / 'ann.json', 72, 'person', ['human_body/1.jpg', 'human_body/2.jpg'])
    _image(tmp_path / 'coco/1.jpg')

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['capekit prepare-mp100', *map(str, (ann, '--images', tmp_path / 'images',
                                                                            *arguments))])
        return prepare_mp100.main()

    source = f"coco={tmp_path / 'coco'}"
    assert run('--source', source, '--json', tmp_path / 'missing.json') == 1
    out = capsys.readouterr().out
    assert 'coco: 2 images; 0 were there, 1 placed, 1 missing\n  human_body/2.jpg: not below' in out
    assert list(json.loads((tmp_path / 'missing.json').read_text())['coco']) == ['human_body/2.jpg']
    _image(tmp_path / 'coco/2.jpg')
    assert run('--source', source, '--decode') == 0
    assert 'coco: 2 images; 1 were there, 1 placed, 0 missing' in capsys.readouterr().out
    for arguments, message in ((('--source', 'cocoa=x'), "no source data set 'cocoa'; valid: coco"),
                               (('--source', 'coco'), 'expected NAME=DIR'),
                               (('--source', 'carfusion=x'), '--carfusion-labels'),
                               (('--source', source, '--carfusion-labels', 'x'), 'needs --source carfusion=DIR'),
                               (('--source', f'ap10k={tmp_path / "none"}'), 'none: no such folder')):
        with pytest.raises(CapekitError, match=message):
            run(*arguments)


def test_every_image_of_the_real_files_has_a_source(shared):
    folder = shared / 'data/mp100/annotations'
    files = sorted(folder.glob('mp100_split1_*.json'))
    found = {image.file for source in SOURCES.values() for image in wanted_images(files, source)}
    named = {image['file_name'] for file in files for image in json.loads(file.read_text())['images']}
    assert found == named


def test_page_of_the_sources(repo):
    page = (repo / 'docs/prepare_mp100.md').read_text()
    for name, source in SOURCES.items():
        assert f'| `{name}` | [{source.title}]({source.link}) | {len(source.categories)} |' in page


def test_commands_of_the_page_run(repo, tmp_path, monkeypatch, capsys):
    """In order, in a folder with the sources that they name."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / 'data/mp100/annotations'
    _annotations(folder / 'a.json', 14, 'Woodpecker', ['woodpecker_body/w.jpg'])
    _annotations(folder / 'b.json', 72, 'person', ['human_body/1.jpg'])
    _annotations(folder / 'c.json', 2, 'horse_body', ['horse_body/2.jpg'])
    _annotations(folder / 'd.json', 32, 'car', ['car/9.jpg'])
    _annotations(tmp_path / 'downloads/car_fusion/annotations/cars.json', 1, 'car', ['penn/1_2.jpg'])
    for name in ('CUB_200_2011/images/x/w.jpg', 'coco/train2017/1.jpg', 'ap-10k/data/2.jpg', 'car_fusion/penn/1_2.jpg'):
        _image(tmp_path / 'downloads' / name)
    page = (repo / 'docs/prepare_mp100.md').read_text()
    commands = [line.split() for line in page.splitlines() if line.startswith('capekit prepare-mp100')]
    assert len(commands) == 3
    for command in commands:
        words = [[str(path) for path in sorted(tmp_path.glob(word))] if '*' in word else [word] for word in command[1:]]
        monkeypatch.setattr(sys, 'argv', [word for group in words for word in group])
        assert prepare_mp100.main() == 0
    assert (tmp_path / 'data/mp100/images/car/9.jpg').exists()


def test_config_of_the_page_on_other_files_reads_them(repo, tmp_path, monkeypatch):
    from capekit.engine.config import load_config
    from capekit.registry import DATASETS
    monkeypatch.chdir(tmp_path)
    page = (repo / 'docs/poseimagenet.md').read_text()
    text = re.search(r'```python\n(.*?)```', page, re.S)[1]
    (tmp_path / 'my_config.py').write_text(text.replace("'configs/", f"'{repo}/configs/"))
    categories = [(id_, f'animal {id_}', 3) for id_ in range(1, 7)]
    data = coco_files.content(categories=categories, per_category=20)
    (tmp_path / 'data/poseimagenet').mkdir(parents=True)
    coco_files.write(tmp_path / 'data/poseimagenet/annotations.json', data)
    coco_files.write_images(tmp_path / 'data/poseimagenet/images', data)
    config = load_config('my_config.py')
    for part, ids in (('train', [1, 2, 3]), ('val', [4]), ('test', [5, 6])):
        assert list(DATASETS.build(config[f'{part}_dataloader'].dataset).categories) == ids
