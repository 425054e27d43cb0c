"""Every command of docs/label_formats.md runs, in order, in a folder with the files that it names."""

import importlib.util
import re
import shlex
import sys
import zipfile

import pytest
from PIL import Image

from capekit.commands import convert_labels
from capekit.interop.labels import LabelSet, write

LIBRARIES = {'dlc-h5': ('pandas', 'tables'), '.slp': ('h5py',), 'sleap-analysis': ('h5py',)}


def _commands(page):
    return re.findall(r'^capekit convert-labels .*$', page, re.M)


def test_commands_of_the_page_run(repo, flies, clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for image in flies.images:
        (tmp_path / image.file).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', image.size).save(image.file)
    write('CollectedData_me.csv', 'dlc', flies)
    write('clipDLC_resnet50.csv', 'dlc', clip, scorer='DLC_resnet50')
    write('theirs.json', 'coco', flies, skeleton_base=1)
    write('annotations.xml', 'cvat-xml', flies)
    write('subset.json', 'cvat', flies)
    with zipfile.ZipFile('export.zip', 'w') as file:
        file.write('subset.json', 'annotations/person_keypoints_default.json')
    if importlib.util.find_spec('h5py'):
        write('labels.slp', 'slp', flies)
        write('clip.analysis.h5', 'sleap-analysis', clip)

    commands, ran = _commands((repo / 'docs/label_formats.md').read_text()), 0
    assert len(commands) > 12
    for command in commands:
        lacking = [library for word, libraries in LIBRARIES.items() if word in command for library in libraries
                   if importlib.util.find_spec(library) is None]
        if lacking:
            continue
        arguments = shlex.split(command)[1:]
        if '--category' in arguments:
            category = arguments[arguments.index('--category') + 1]
            write('labels.json', 'coco', LabelSet(flies.images, flies.keypoints, flies.links, category), overwrite=True)
        if arguments[2] == 'labels.json':
            (tmp_path / 'labels.json').unlink(missing_ok=True)
        monkeypatch.setattr(sys, 'argv', arguments)
        convert_labels.main()
        assert (tmp_path / arguments[2]).exists(), command
        ran += 1
    assert ran >= len(commands) - 3
    if ran < len(commands):
        pytest.skip(f'{len(commands) - ran} commands need pandas, tables or h5py; the other {ran} ran')
