import cv2
import numpy as np
import pytest
from serving import serve

from capekit.annotate.project import Project

KEYPOINTS = [dict(id='k1', name='nose'), dict(id='k2', name='tail base')]


@pytest.fixture
def folder(tmp_path):
    """Three small images whose order people and the alphabet see differently."""
    for name in ('frame_2.png', 'frame_10.png', 'frame_1.png'):
        cv2.imwrite(str(tmp_path / name), np.full((40, 60, 3), 90, np.uint8))
    return tmp_path


@pytest.fixture
def project(folder):
    project = Project(folder)
    project.set_schema('mouse', KEYPOINTS, [['k1', 'k2']], [])
    yield project
    project.close()


@pytest.fixture
def page(project):
    """The running server of `project`: `request(method, path, body, **headers)` gives status, bytes, headers."""
    with serve(project) as server:
        yield server
