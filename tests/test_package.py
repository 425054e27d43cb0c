"""The package that pip installs: what is in the wheel, and that it trains and tests outside the repository."""

import configparser
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from capekit import __main__ as dispatcher
from capekit.commands import configs as configs_command
from capekit.engine import provenance
from capekit.engine.config import load_config
from capekit.errors import CapekitError
from capekit.shipped import find_config, shipped_configs

CONFIG = 'configs/synthetic/capeformer_r18_synthetic_1shot.py'


@pytest.fixture(scope='module')
def wheel(repo, tmp_path_factory):
    """A wheel of this repository, built from a copy so that the build leaves nothing in it."""
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'
    for name in ('capekit', 'configs'):
        shutil.copytree(repo / name, source / name, ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('pyproject.toml', 'setup.py', 'README.md'):
        shutil.copy(repo / name, source)
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '--no-index',
                    '-w', folder, source], check=True)
    return next(folder.glob('*.whl'))


def test_wheel_has_every_module_config_and_command(wheel, repo):
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        info = next(name for name in names if name.endswith('entry_points.txt'))
        scripts = configparser.ConfigParser()
        scripts.read_string(file.read(info).decode())
    configs = {f'capekit/{path.relative_to(repo)}' for path in (repo / 'configs').rglob('*.py')}
    modules = {str(path.relative_to(repo)) for path in (repo / 'capekit').rglob('*.py')}
    assert len(configs) > 50
    assert names >= configs | modules
    assert {f'capekit/commands/{name}.py' for name in dispatcher.COMMANDS} <= modules
    assert dict(scripts['console_scripts']) == {'capekit': 'capekit.__main__:main'}
    assert {name.split('/')[0] for name in names if '.dist-info/' not in name} == {'capekit'}


@pytest.mark.slow
def test_installed_wheel_trains_and_tests_outside_the_repository(wheel, tmp_path):
    """In an environment that has everything but capekit: the wheel is what gets imported, in any folder."""
    home = tmp_path / 'environment'
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', home], check=True)
    python, bin_folder = home / 'bin/python', home / 'bin'
    # The packages of this environment, but not its .pth files, one of which leads to the repository. setuptools' own
    # one replaces the distutils that mmengine imports and that Python 3.12 dropped.
    site = next(home.glob('lib/python*/site-packages'))
    shim = 'import _distutils_hack; _distutils_hack.add_shim()'
    (site / 'packages.pth').write_text(f"{sysconfig.get_path('purelib')}\n{shim}\n")
    subprocess.run([sys.executable, '-m', 'pip', '--python', python, 'install', '-q', '--no-deps', '--no-index',
                    '--ignore-installed', wheel], check=True)
    folder = tmp_path / 'work'
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}

    def run(*command):
        done = subprocess.run(list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert Path(run(python, '-c', 'import capekit; print(capekit.__file__)').strip()).is_relative_to(home)
    capekit = bin_folder / 'capekit'
    run(capekit, 'synthesize', 'data/synthetic', '--categories', 11, '--instances', 18)
    run(capekit, 'train', CONFIG, '--no-validate', '--cfg-options', 'train_cfg.max_epochs=1',
        'train_dataloader.sampler.episodes_per_category=2')
    work_dir = folder / 'work_dirs' / Path(CONFIG).stem
    record = json.loads((work_dir / 'run.json').read_text())
    assert (record['revision'], record['changed_files']) == (None, [])

    # A user's config, on top of a copy of the shipped ones.
    assert CONFIG in run(capekit, 'configs').split()
    run(capekit, 'configs', '.')
    (folder / 'mine.py').write_text(f'_base_ = {CONFIG!r}\ntest_dataloader = dict(sampler=dict(queries=2))\n')
    assert 'PCK@0.2' in run(capekit, 'test', 'mine.py', work_dir / 'epoch_1.pth', '--shots', 2, '--episodes', 2)


def test_shipped_configs_are_found_from_any_folder(repo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped_configs() == repo / 'configs'
    assert find_config(CONFIG) == repo / CONFIG
    assert load_config(CONFIG).filename == str(repo / CONFIG)
    for path in ('configs/none.py', 'pyproject.toml', tmp_path / CONFIG):
        with pytest.raises(CapekitError, match='no such file, here or among the shipped ones'):
            find_config(path)
    # The one in this folder takes precedence.
    own = tmp_path / CONFIG
    own.parent.mkdir(parents=True)
    own.write_text('')
    assert find_config(CONFIG) == Path(CONFIG)


def test_configs_beside_the_code_are_those_of_an_installed_package(tmp_path, monkeypatch):
    (tmp_path / 'configs').mkdir()
    monkeypatch.setattr('capekit.shipped.__file__', str(tmp_path / 'shipped.py'))
    assert shipped_configs() == tmp_path / 'configs'


def test_configs_are_copied_once(repo, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['capekit configs', str(tmp_path)])
    configs_command.main()
    count = len(list((repo / 'configs').rglob('*.py')))
    assert capsys.readouterr().out == f'{tmp_path}/configs: {count} configs\n'
    with pytest.raises(CapekitError, match='is there already'):
        configs_command.main()
    (tmp_path / 'mine.py').write_text(f'_base_ = {CONFIG!r}\n')
    assert load_config(tmp_path / 'mine.py').train_cfg == load_config(repo / CONFIG).train_cfg


def test_provenance_without_git_or_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    provenance.write_provenance(tmp_path)
    assert json.loads((tmp_path / 'run.json').read_text())['revision'] is None
    monkeypatch.undo()
    # An environment inside another repository: that repository's revision is not ours.
    subprocess.run(['git', 'init', '-q', tmp_path], check=True)
    monkeypatch.setattr(provenance, '__file__', str(tmp_path / 'lib/capekit/engine/provenance.py'))
    assert provenance._git('status') is None


@pytest.mark.parametrize(('message', 'error'), [
    ('libGL.so.1: cannot open shared object file', CapekitError),
    ("No module named 'capekit.none'", ImportError),
])
def test_libraries_that_opencv_lacks_are_one_line_with_the_fix(monkeypatch, message, error):
    def broken(name):
        raise ImportError(message)
    monkeypatch.setattr(dispatcher.importlib, 'import_module', broken)
    with pytest.raises(error, match=f'^{message}' + ('; fix: pip' if error is CapekitError else '')):
        dispatcher.load('train')
