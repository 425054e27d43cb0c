"""The commands of docs/ablations.md, on tiny data."""

import json
import re

import pytest
import yaml
from coco_files import content, write, write_images
from test_sweep_command import OPTIONS

EPOCHS = 2


@pytest.fixture
def folder(repo, tmp_path, monkeypatch):
    """What the page starts from, and its files; its working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'configs').symlink_to(repo / 'configs')  # `capekit configs .`
    for number, stage in enumerate(('train', 'val', 'test')):
        data = content([(10 * number + n, f'{stage}{n}', 3 + n) for n in (1, 2, 3)], per_category=6, seed=number)
        (tmp_path / 'data/synthetic/annotations').mkdir(parents=True, exist_ok=True)
        write(tmp_path / f'data/synthetic/annotations/{stage}.json', data)
        write_images(tmp_path / 'data/synthetic/images', data)
    (tmp_path / 'no_identifier.py').write_text(''.join(_blocks(repo, 'python')))
    (tmp_path / 'mine.yml').write_text(''.join(_blocks(repo, 'yaml')))
    return tmp_path


def _blocks(repo, language: str) -> list:
    """The page's blocks in a language; '' for commands."""
    blocks = re.findall('^```(\\w*)\n(.*?)^```$', (repo / 'docs/ablations.md').read_text(), re.S | re.M)
    return [text for its, text in blocks if its == language]


def _commands(repo, *without) -> list:
    """Words of the page's commands, those with a word of `without` left out."""
    lines = [line.split()[1:] for block in _blocks(repo, '') for line in block.splitlines()]
    return [line for line in lines if not any(word in line for word in without)]


@pytest.mark.slow
def test_the_page(tool, repo, folder):
    commands = _commands(repo, 'synthesize', 'slurm', 'configs/papers.yml')
    assert [line[0] for line in commands] == ['train', 'train', 'test', 'test', 'compare', 'sweep', 'compare',
                                             'report']
    for name, *arguments in commands:
        arguments = [word.replace('epoch_7', f'epoch_{EPOCHS}') for word in arguments]
        if name == 'sweep':
            arguments[arguments.index('--seeds') + 1] = 1
        if name in ('train', 'test', 'sweep'):
            arguments += ['--cfg-options', *OPTIONS]
        status, out, err = tool(name, *arguments)
        assert status == 0, err
        if name == 'compare':
            assert 'PCK@0.2' in out and '18 paired' in out
        if name == 'report':
            assert 'no identifier' in out
    record = json.loads((folder / 'work_dirs/mine/mine/identifier/none/seed0.json').read_text())
    assert record['changes'] == {'model.head.identifier': 'none'} and record['data']['name'] == 'synthetic'


def test_its_lists_are_lists(tool, repo, folder):
    sweeps = [line for line in _commands(repo) if line[0] == 'sweep']
    assert len(sweeps) == 5
    for name, *arguments in sweeps:
        status, out, err = tool(name, *[word for word in arguments if word != '--list'], '--list')
        assert status == 0 and len(out.splitlines()) >= 4, err


def test_the_row_changes_the_line_that_the_config_does(folder):
    row = yaml.safe_load((folder / 'mine.yml').read_text())['papers']['mine']['tables']['identifier']['rows']['none']
    assert row['changes'] == {'model.head.identifier': 'none'}
    assert "identifier='none'" in (folder / 'no_identifier.py').read_text()
