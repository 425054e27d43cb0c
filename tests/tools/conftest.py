"""A small data set, a config for it, and the tools run in this process."""

import os
import runpy
import socket
import subprocess
import sys

import pytest
from coco_files import content, write, write_images
from mmengine.logging import MessageHub, MMLogger
from mmengine.visualization import Visualizer


@pytest.fixture(scope='session')
def small(tmp_path_factory):
    """Folder with `annotations/{train,val,test}.json` and `images`, three categories each."""
    root = tmp_path_factory.mktemp('small')
    (root / 'annotations').mkdir()
    for number, stage in enumerate(('train', 'val', 'test')):
        ids = [10 * number + n for n in (1, 2, 3)]
        data = content(categories=[(i, f'{stage}{i}', 3 + i % 5) for i in ids], per_category=6, seed=number)
        write(root / 'annotations' / f'{stage}.json', data)
        write_images(root / 'images', data)
    return root


DATA = """
_base_ = {base!r}
_data = dict(data_root={root!r}, image_size=32)
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=_data,
                        sampler=dict(episodes_per_category=4))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=_data, sampler=dict(queries=2, episodes=2))
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=_data, sampler=dict(queries=2, episodes=3))
del _data
"""
CAPEFORMER = """
model = dict(backbone=dict(name='resnet10t.c3_in1k', strides=(16,), weights=None),
             head=dict(channels=16, num_heads=2, hidden_channels=16))
train_cfg = dict(max_epochs=3, val_interval=2)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(max_keep_ckpts=-1))
"""


@pytest.fixture(scope='session')
def write_config(small, repo):
    """A function that writes a config: a shipped one of configs/synthetic on `small`, and more lines."""
    def write(path, base, more):
        path.write_text(DATA.format(base=str(repo / f'configs/synthetic/{base}.py'), root=str(small)) + more)
        return path
    return write


@pytest.fixture(scope='session')
def config(small, write_config):
    """A config file that trains the smallest CapeFormer on `small`."""
    return write_config(small / 'config.py', 'capeformer_r18_synthetic_1shot', CAPEFORMER)


def run_tool(repo, name, *arguments):
    """Run tools/<name>.py in this process; returns its exit status."""
    for manager in (MMLogger, MessageHub, Visualizer):
        # Runs are named by the second in which they start, and a process of its own has none before.
        manager._instance_dict.clear()
    argv, sys.argv = sys.argv, [f'tools/{name}.py', *map(str, arguments)]
    try:
        runpy.run_path(str(repo / f'tools/{name}.py'), run_name='__main__')
    except SystemExit as stop:
        return stop.code or 0
    finally:
        sys.argv = argv
    raise AssertionError(f'tools/{name}.py did not end by exit()')


@pytest.fixture
def tool(repo, capsys):
    """Run tools/<name>.py with arguments; returns exit status, stdout and stderr."""
    def run(name, *arguments):
        capsys.readouterr()
        status = run_tool(repo, name, *arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err
    return run


@pytest.fixture
def in_processes(repo):
    """Run tools/dist_<name>.sh with arguments on the CPU; it must end well."""
    def run(name, *arguments):
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        path = f'{os.path.dirname(sys.executable)}{os.pathsep}{os.environ["PATH"]}'
        done = subprocess.run([str(repo / f'tools/dist_{name}.sh'), *map(str, arguments)],
                              env=dict(os.environ, PATH=path, PORT=str(port), OMP_NUM_THREADS='1'),
                              capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr[-2000:]
    return run


@pytest.fixture(scope='session')
def trained(config, repo, tmp_path_factory):
    """Work directory of an uninterrupted run: three epochs."""
    work_dir = tmp_path_factory.mktemp('trained')
    assert run_tool(repo, 'train', config, '--work-dir', work_dir, '--deterministic') == 0
    return work_dir
