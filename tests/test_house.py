"""The rules of the house that a machine can check: who imports whom, file lengths, repeated code."""

import ast
import re
from collections import defaultdict
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'capekit'
MODULES = sorted(PACKAGE.rglob('*.py'))
LONGEST, RUN = 300, 10
BASE = {'choices', 'errors', 'files', 'registry', 'structures', 'progress', 'checkpoint', 'shipped', 'cli', 'locks'}
# Room -> the rooms below it, which it may import in addition to itself and the base.
BELOW = dict(
    datasets=set(), models=set(), interop={'datasets'}, synthetic={'datasets'}, evaluation={'datasets'},
    visualization={'datasets', 'models', 'evaluation'}, engine={'datasets', 'models', 'evaluation'},
    labelling={'datasets', 'models', 'interop', 'visualization'},
    apis={'labelling', 'engine', 'models', 'datasets', 'evaluation', 'interop'},
    annotate={'apis', 'labelling', 'interop', 'datasets'},
    sweeps={'apis', 'engine', 'models', 'datasets', 'evaluation'},
    reports={'sweeps', 'evaluation'},
    commands={'apis', 'annotate', 'reports', 'sweeps', 'labelling', 'engine', 'models', 'datasets', 'evaluation',
              'interop', 'synthetic', 'visualization'})


def _imports(path: Path) -> set:
    """Full names of the capekit modules imported anywhere in a file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parent = ['capekit', *path.relative_to(PACKAGE).parts[:-node.level]] if node.level else []
            module = '.'.join(filter(None, [*parent, node.module]))
            names |= {module, *(f'{module}.{alias.name}' for alias in node.names)}
    return {name for name in names if name.split('.')[0] == 'capekit'}


@pytest.mark.parametrize('path', [path for path in MODULES if path.parent != PACKAGE],
                         ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_run_down(path):
    room, *inside = path.relative_to(PACKAGE).parts
    for name in _imports(path):
        parts = name.split('.')[1:]
        if not parts or not (PACKAGE / parts[0]).exists() and not (PACKAGE / f'{parts[0]}.py').exists():
            continue
        assert parts[0] in BASE | BELOW[room] | {room}, f'{room} imports {name}'
        if room == 'models' and inside[0] == 'layers':
            assert parts[0] != 'models' or parts[1:2] == ['layers'], f'a layer imports {name}'
        if room == 'models' and inside[0] == 'heads' and inside[-1] != '__init__.py':
            assert parts[1:2] != ['heads'] or parts[2:3] == [path.stem], f'a head imports {name}'


def test_the_base_imports_no_room():
    for path in (PACKAGE / f'{name}.py' for name in BASE):
        rooms = {name.split('.')[1] for name in _imports(path) if name.count('.')} - BASE
        assert not rooms & BELOW.keys(), f'{path.name} imports {rooms}'


def test_a_module_can_be_read_in_a_sitting():
    """Except for the generated data, which has long lists of shapes and looks."""
    lengths = {path.name: len(path.read_text().splitlines()) for path in MODULES if 'synthetic' not in path.parts}
    assert not {name: length for name, length in lengths.items() if length > LONGEST}


def test_configs_are_settings_not_copies():
    assert len(list((ROOT / 'configs').rglob('*.py'))) <= 90


def test_no_run_of_ten_lines_stands_twice():
    """Blank lines, comments, imports and lone punctuation do not count."""
    places = defaultdict(list)
    for path in chain(MODULES, (ROOT / 'tools').rglob('*.py'), (ROOT / 'configs').rglob('*.py')):
        lines = [(number, line.strip()) for number, line in enumerate(path.read_text().splitlines(), 1)]
        lines = [(number, line) for number, line in lines
                 if re.search(r'\w', line) and not line.startswith(('#', 'import ', 'from '))]
        for start in range(len(lines) - RUN + 1):
            run = tuple(line for _, line in lines[start:start + RUN])
            places[run].append(f'{path.relative_to(ROOT)}:{lines[start][0]}')
    assert not [where for where in places.values() if len(where) > 1]


def test_modules_of_tests_have_names_of_their_own():
    """They are imported by name alone: of two with the same name, pytest takes the first for both."""
    seen = defaultdict(list)
    for path in sorted((ROOT / 'tests').rglob('*.py')):
        seen[path.name].append(str(path.relative_to(ROOT)))
    assert not {name: paths for name, paths in seen.items() if len(paths) > 1 and name != 'conftest.py'}
