"""Every command on the pages is accepted by its program; those of some pages run, in order, on small generated data.

The runs take minutes: `make docs-check` asks for them, the suite leaves them out.
"""

import argparse
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from animals import coco, draw

from capekit.__main__ import COMMANDS, main

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(str(path.relative_to(ROOT)) for pattern in ('*.md', 'docs/*.md', 'data/*.md', 'configs/*/*.md')
               for path in ROOT.glob(pattern) if path.name != 'CHANGELOG.md')
RUN = ['docs/get_started.md', 'docs/protocol.md', 'docs/your_data.md', 'docs/your_method.md']
# Page -> options that make its commands shorter, by how they begin.
SHORTER = {'capekit label': ['--adapt', '2']}
# What is not run: commands that match -> why not. All of them are still parsed.
NOT_RUN = {
    r'^pip ': 'installs into the environment that runs the tests',
    r'^make ': 'minutes to an hour; .ci/run calls setup, lint, docs and test',
    r'^capekit annotate': 'serves a page until it is stopped; tests/annotate walks its screens',
    r'^capekit convert-labels': 'on docs/label_formats.md: run by tests/interop/labels/test_page.py',
    r'^(capekit|python tools/)\S* (?=.*_mp100\.py)|^tools/dist_': 'MP-100: its images, ImageNet weights, a GPU, days',
    r'data/(mp100|poseimagenet)/|downloads/': 'files that their publishers give out',
    r'\b(CONFIG|CHECKPOINT|ANNOTATIONS)\b|(PUBLISHED|THEIRS|theirs|epoch_100)\.pth':
        "a user's own files; tests/tools run these commands on small ones",
    r'(train|test)(\.py)? configs/synthetic/': 'minutes; tests/tools train and test smaller copies of these configs',
    r'analysis/labelling\.py ': 'minutes; tests/tools/test_benchmark_labelling.py runs it with less',
    r'(benchmark|crop_speed|cost_growth)\.py': 'minutes; tests/tools/test_benchmarks.py runs them with less',
    r'compare_speed\.py': 'needs two checkouts',
    r'-m tests\.reliability': 'minutes; tests/reliability runs it with less',
    r'\bmy/|my_config\.py|predictions\.npz|flies_labelled|my/labelled': 'run on the page that says more about it: '
                                                                       'get_started, your_data, protocol',
    r'^capekit (sweep|compare|report) |no_identifier\.py|^capekit synthesize data/synthetic$|\bRUNS\b':
        'docs/ablations.md: run by tests/tools/test_ablations.py on small data',
    r'^capekit configs \.$': 'tests/tools/test_outputs.py and docs/your_data.md'}


def commands_of(page: str) -> list:
    """The commands in the page's fenced blocks, continued lines joined, without comments."""
    blocks = re.findall(r'^```\w*\n(.*?)^```', (ROOT / page).read_text(), re.M | re.S)
    lines = '\n'.join(blocks).replace('\\\n', ' ').splitlines()
    found = [shlex.join(shlex.split(line, comments=True)) for line in lines
             if re.match(r'(capekit|pip|make|tools/\w+\.sh|python (tools/|-m ))', line)]
    return [re.sub(r'\s+', ' ', command) for command in found]


EVERY = sorted({(page, command) for page in PAGES for command in commands_of(page)})


class Parsed(BaseException):
    """The arguments were accepted."""


@pytest.fixture
def parse(monkeypatch):
    """Give a command line to the argparse of its program, and no further."""
    for name in ('parse_args', 'parse_intermixed_args'):
        original = getattr(argparse.ArgumentParser, name)

        def stop(self, *arguments, original=original):
            original(self, *arguments)
            raise Parsed
        monkeypatch.setattr(argparse.ArgumentParser, name, stop)

    def run(words):
        if words[0].endswith('.sh'):  # CONFIG [CHECKPOINT] GPUS ...
            name, gpus = ('train', 2) if 'train' in words[0] else ('test', 3)
            assert words[gpus].isdigit()
            words = ['python', f'tools/{name}.py', *words[1:gpus], *words[gpus + 1:]]
        before = dict(capekit=0, python=2 if words[1] == '-m' else 1)[words[0]]
        monkeypatch.setattr(sys, 'argv', words[before:])
        monkeypatch.syspath_prepend(str(ROOT))
        with pytest.raises(Parsed):
            if words[0] == 'capekit':
                main()
            elif words[1] == '-m':
                runpy.run_module(words[2], run_name='__main__')
            else:
                runpy.run_path(str(ROOT / words[1]), run_name='__main__')
    return run


@pytest.mark.parametrize(('page', 'command'), EVERY, ids=lambda value: value[:60])
def test_every_command_is_accepted(page, command, parse):
    words = shlex.split(command)
    if words[0] == 'make':
        assert re.search(rf'^{words[1]}:', (ROOT / 'Makefile').read_text(), re.M)
    elif words[0] != 'pip':
        parse(words)
    for word in words:
        if word.startswith('configs/') and word.endswith('.py'):
            assert (ROOT / word).is_file()


@pytest.mark.parametrize('command', [
    'capekit test a.py b.pth --shot-dir x', 'python tools/train.py', 'capekit nothing',
    """capekit train a.py --cfg-options model.backbone="dict(type='A', b=1)" """])
def test_a_wrong_command_is_noticed(command, parse, capsys):
    with pytest.raises((SystemExit, pytest.fail.Exception)):
        parse(shlex.split(command))


def test_what_is_not_run_is_listed_with_its_reason():
    others = [command for page, command in EVERY if page not in RUN]
    assert not [command for command in others if not any(re.search(pattern, command) for pattern in NOT_RUN)]
    unused = [pattern for pattern in NOT_RUN if not any(re.search(pattern, command) for command in others)]
    assert not unused, 'these match nothing'


def test_every_command_of_capekit_is_on_a_page():
    text = '\n'.join((ROOT / page).read_text() for page in PAGES)
    dashed = {name: name.replace('_', '-') for name in COMMANDS}
    assert not [name for name, dash in dashed.items()
                if f'capekit {dash}' not in text and not re.search(rf'tools/\S*{name}\.py|make {dash}\b', text)
                and name != 'benchmark_labelling']  # it stands there as tools/analysis/labelling.py


def test_every_command_but_one_is_a_script_as_the_readme_says():
    same = {path.name: re.match('"""The same as `capekit (\\S+)`', path.read_text())
            for path in (ROOT / 'tools').rglob('*.py')}
    assert {found[1].replace('-', '_') for found in same.values() if found} == COMMANDS.keys() - {'configs'}
    assert {name for name, found in same.items() if not found} == {
        'check_env.py', 'setup_env.py', 'update_tables.py', 'compare_speed.py', 'cost_growth.py', 'crop_speed.py'}


def five_flies(folder: Path) -> None:
    """What get_started begins with: a folder of images, five of them labelled."""
    rng, truth = np.random.default_rng(0), {}
    (folder / 'flies').mkdir()
    for number in range(8):
        image, truth[f'{number}.png'] = draw(rng)
        cv2.imwrite(str(folder / f'flies/{number}.png'), image[..., ::-1])
    (folder / 'five.json').write_text(json.dumps(coco(dict(list(truth.items())[:5]))))


@pytest.mark.skipif(not os.environ.get('CAPEKIT_DOCS_CHECK'), reason='minutes: make docs-check')
@pytest.mark.parametrize('page', RUN)
def test_the_commands_of_a_page_run(page, tmp_path):
    for name, content in re.findall(r'^`([\w/]+\.py)`[^\n]*:\n\n```python\n(.*?)^```', (ROOT / page).read_text(),
                                    re.M | re.S):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    five_flies(tmp_path)
    environment = dict(os.environ, PYTHONPATH=f'{ROOT}{os.pathsep}{tmp_path}')
    ran = 0
    for command in commands_of(page):
        if not command.startswith('capekit'):
            continue
        more = [option for begin, options in SHORTER.items() if command.startswith(begin) for option in options]
        done = subprocess.run([sys.executable, '-m', *shlex.split(command), *more], cwd=tmp_path, env=environment,
                              capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, f'{command}\n{done.stderr[-3000:]}'
        ran += 1
    assert ran > 1


def test_the_example_of_a_method_is_the_one_that_is_tested():
    tested = runpy.run_path(str(ROOT / 'tests/tools/test_outside_package.py'))['MODULES']['network']
    assert f'```python\n{tested.strip()}\n```' in (ROOT / 'docs/your_method.md').read_text()
