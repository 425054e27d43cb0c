"""The frames of a video, and the token that a project keeps."""

import os
import stat

import cv2
import numpy as np
import pytest

from capekit.annotate.guard import kept_token
from capekit.commands.annotate import frames_of
from capekit.errors import CapekitError


def film(path, frames=7):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    return path


def frames(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != 'capekit')


def test_another_stride_is_refused_before_anything_is_written(tmp_path):
    video = film(tmp_path / 'film.avi')
    folder = frames_of(video, 2)
    before = frames(folder)
    assert before == [f'film_{number:06d}.png' for number in (0, 2, 4, 6)]
    with pytest.raises(CapekitError, match='holds film_000002.png, which --stride 3 does not take'):
        frames_of(video, 3)
    assert frames(folder) == before and frames_of(video, 2) == folder
    assert frames(frames_of(video, 1)) == [f'film_{number:06d}.png' for number in range(7)]


def test_frames_that_were_not_all_written_are_completed(tmp_path):
    video = film(tmp_path / 'film.avi')
    folder = frames_of(video, 2)
    (folder / 'film_000004.png').unlink()
    assert len(frames(frames_of(video, 2))) == 4


def test_another_video_never_shows_the_frames_of_this_one(tmp_path):
    frames_of(film(tmp_path / 'film.avi'), 2)
    other = film(tmp_path / 'film.mkv', 5)
    with pytest.raises(CapekitError, match=r'holds the frames of film.avi \(\d+ bytes\), not of .*film.mkv'):
        frames_of(other, 2)
    film(tmp_path / 'film.avi', 5)
    with pytest.raises(CapekitError, match='rename the video'):
        frames_of(tmp_path / 'film.avi', 2)


def test_a_video_without_frames_leaves_nothing(tmp_path):
    (tmp_path / 'film.avi').write_bytes(b'nothing')
    with pytest.raises(CapekitError, match='not a readable video'):
        frames_of(tmp_path / 'film.avi', 2)
    assert [path.name for path in tmp_path.iterdir()] == ['film.avi']


def test_a_token_outlives_the_server_and_is_nobody_elses(tmp_path):
    path = tmp_path / 'token'
    token = kept_token(path)
    assert len(token) == 32 and kept_token(path) == token and stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    others = kept_token(path)
    assert others != token and stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text('short')
    assert len(kept_token(path)) == 32
    (tmp_path / 'theirs').write_text('x' * 32)
    path.unlink()
    os.symlink(tmp_path / 'theirs', path)
    assert kept_token(path) != 'x' * 32 and (tmp_path / 'theirs').read_text() == 'x' * 32
