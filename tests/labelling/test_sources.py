"""Images of folders, patterns and videos."""

import cv2
import numpy as np
import pytest

from capekit.errors import CapekitError
from capekit.labelling import sources


def test_images_of_folders_and_patterns_are_named_relative_to_them(tmp_path):
    for name in ('a/1.png', 'a/b/2.JPG', 'a/notes.txt', 'c/3.png'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    assert sources.list_images(tmp_path) == ['a/1.png', 'a/b/2.JPG', 'c/3.png']
    assert sources.list_images(f'{tmp_path}/*/*.png') == ['a/1.png', 'c/3.png']
    assert sources.folder_of(f'{tmp_path}/*/*.png') == tmp_path
    assert sources.list_images(tmp_path / 'a/1.png') == ['1.png']
    broken = next(sources.read_pictures(['a/1.png'], tmp_path))
    assert broken.image is None and 'a/1.png' in broken.fault


def test_frames_of_a_video(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / 'a.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    for value in range(7):
        writer.write(np.full((48, 64, 3), 30 * value, np.uint8))
    writer.release()
    frames = list(sources.read_frames(tmp_path / 'a.avi', stride=2))
    assert [frame.frame for frame in frames] == [0, 2, 4, 6] and sources.count_frames(tmp_path / 'a.avi', 2) == 4
    assert [round(frame.image.mean() / 30) for frame in frames] == [0, 2, 4, 6]
    assert [frame.frame for frame in sources.read_frames(tmp_path / 'a.avi', 2, start=4)] == [4, 6]
    (tmp_path / 'b.mp4').write_bytes(b'no video')
    with pytest.raises(CapekitError, match='b.mp4'):
        list(sources.read_frames(tmp_path / 'b.mp4'))


def test_what_runs_have_drawn_is_left_out(tmp_path, monkeypatch):
    for name in ('a/1.png', 'a/run.json', 'a/drawn/2.png', 'b/3.png', 'b/drawn/deep/4.png', 'b/contact_sheet.jpg'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('{}')
    (tmp_path / 'b/run.json').write_text('{"state": "running", "request": {}}')
    assert sources.list_images(tmp_path) == ['a/1.png', 'a/drawn/2.png', 'b/3.png']
    assert sources.list_images(f'{tmp_path}/**/*.png') == ['a/1.png', 'a/drawn/2.png', 'b/3.png']
    assert sources.list_images(tmp_path / 'b') == ['3.png']
    assert sources.list_images(tmp_path / 'b/drawn') == ['deep/4.png']
    monkeypatch.chdir(tmp_path / 'b')
    assert sources.list_images('.') == ['3.png']
