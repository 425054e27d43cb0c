"""The files that say what capekit needs agree with each other and with what is installed."""

import ast
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
NAMED = 'torch torchvision mmengine mmcv-lite mmpose numpy opencv-python pycocotools xtcocotools'.split()
PYTHONS = ('3.10', '3.11', '3.12', '3.13', '3.14')


def load_tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / 'tools' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parse(lines):
    """Requirements in a file's lines; comments and options (`-r other.txt`) are left out."""
    lines = (re.split(r'(?:^|\s)#', line)[0].strip() for line in lines)
    return [Requirement(line) for line in lines if line and not line.startswith('-')]


def read(name):
    return parse((ROOT / name).read_text().splitlines())


def declared(*extras):
    """Requirements in pyproject.toml: those of the package, and of the extras named."""
    project = load_tool('check_env').tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
    lists = [project['dependencies'], *(project['optional-dependencies'][extra] for extra in extras)]
    return parse(line for lines in lists for line in lines)


def imported(folder):
    """{module: a file that imports it}: top-level names that are neither Python's nor ours."""
    found = {}
    for path in sorted((ROOT / folder).rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            found.update({name.split('.')[0]: path for name in names})
    ours = {'capekit', 'tests', *(path.stem for path in (ROOT / 'tests').rglob('*.py'))}
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names | ours}


def chosen(requirements, python):
    """{name: [specifier]} of the requirements that apply to a Python version on x86-64 Linux."""
    environment = {
        **default_environment(),
        'python_version': python,
        'python_full_version': f'{python}.9',
        'sys_platform': 'linux',
        'platform_machine': 'x86_64',
    }
    out = {}
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate(environment):
            out.setdefault(canonicalize_name(requirement.name), []).append(requirement.specifier)
    return out


def locked_versions(python):
    """{name: version}: the lock, and the two packages that are built where no wheel is available."""
    files = read('requirements.lock') + read('requirements-source.txt')
    versions = {}
    for name, specifiers in chosen(files, python).items():
        found = {next(iter(specifier)).version for specifier in specifiers}
        assert len(found) == 1, f'{name} has two versions on Python {python}: {found}'
        versions[name] = found.pop()
    return versions


def test_the_packages_the_users_named_are_required():
    assert {requirement.name for requirement in read('requirements.txt')} >= set(NAMED)
    assert {requirement.name for requirement in declared()} >= set(NAMED)


@pytest.mark.parametrize('python', PYTHONS)
def test_lock_fixes_every_requirement_once_and_within_its_range(python):
    locked = locked_versions(python)
    asked = {
        'requirements.txt': read('requirements.txt'),
        'requirements-dev.txt': read('requirements-dev.txt'),
        'pyproject.toml': declared('dev', 'docs', 'lite'),
    }
    for file, requirements in asked.items():
        for name, specifiers in chosen(requirements, python).items():
            for specifier in specifiers:
                assert specifier.contains(locked[name]), f'{name}: {file} {specifier}, locked {locked[name]}'


@pytest.mark.parametrize('name', ['requirements.lock', 'requirements-source.txt'])
def test_locked_files_pin_exactly_and_name_no_host(name):
    for requirement in read(name):
        assert [specifier.operator for specifier in requirement.specifier] == ['=='], requirement
    assert not re.search(r'://|--(extra-)?index|--find-links|--hash', (ROOT / name).read_text())


@pytest.mark.parametrize('python', PYTHONS)
def test_package_and_requirements_name_the_same_packages(python):
    build_only = {'cython'}
    assert chosen(read('requirements.txt'), python).keys() - build_only == chosen(declared('lite'), python).keys()
    assert set(read('requirements-dev.txt')) == set(declared('dev', 'docs')) - set(declared())


@pytest.mark.parametrize('python', PYTHONS)
def test_mmpose_is_there_up_to_python_3_12(python):
    """From the lock or from source; on later versions it is optional, and so is everything that only it needs."""
    there = locked_versions(python).keys()
    only_for_mmpose = {'mmpose', 'xtcocotools', 'chumpy', 'json-tricks', 'munkres', 'cython'}
    assert there & only_for_mmpose == (only_for_mmpose if python in ('3.10', '3.11', '3.12') else set())


def test_source_file_repeats_the_pins_of_requirements():
    pins = {requirement.name: requirement.specifier for requirement in read('requirements.txt')}
    for requirement in read('requirements-source.txt'):
        assert pins[requirement.name] == requirement.specifier


@pytest.mark.parametrize(('folder', 'extras'), [
    ('capekit', ('lite',)), ('tools', ('dev',)), ('tests', ('dev', 'docs'))])
def test_every_import_is_declared(folder, extras):
    """On every Python, so declared without a condition; mmpose and tensorboard are optional."""
    known = chosen(declared(*extras), '3.14').keys() | {'mmpose', 'pip', 'tomllib', 'tensorboard'}
    packages = importlib.metadata.packages_distributions()
    stand_ins = load_tool('check_env').STAND_INS
    for module, path in imported(folder).items():
        names = {canonicalize_name(name) for name in packages.get(module, [module])}
        names |= {name for name, others in stand_ins.items() if names & set(others)}
        assert names & known, f'{path}: {module} is not declared'


def test_installed_packages_are_within_the_ranges():
    assert load_tool('check_env').find_unmet() == []


def test_a_missing_package_is_named_with_its_fix(monkeypatch):
    tool = load_tool('check_env')
    found = tool.installed_version
    monkeypatch.setattr(tool, 'installed_version', lambda name: None if name == 'timm' else found(name))
    assert tool.find_unmet() == [('timm is missing', 'pip install -r requirements.txt')]
    with pytest.raises(SystemExit, match='^timm is missing; fix: pip install -r requirements.txt$'):
        tool.main()


def test_a_version_out_of_range_is_named_with_the_range(monkeypatch):
    tool = load_tool('check_env')
    found = tool.installed_version
    monkeypatch.setattr(tool, 'installed_version', lambda name: '2.7.1' if name == 'torch' else found(name))
    assert tool.find_unmet() == [('torch 2.7.1 is not >=2.8', 'pip install -r requirements.txt')]


def test_setup_says_what_is_missing_to_make_an_environment(monkeypatch):
    tool = load_tool('setup_env')
    monkeypatch.setitem(sys.modules, 'ensurepip', None)
    assert re.search(r'fix: apt install python3\.\d+-venv$', tool.what_is_missing())


@pytest.mark.parametrize(('python', 'machine', 'compiler', 'reason'), [
    ((3, 10), 'x86_64', None, None),
    ((3, 12), 'x86_64', None, r'must be compiled for this Python 3\.12.* apt install gcc python3\.12-dev'),
    ((3, 11), 'aarch64', None, r'must be compiled for this Python 3\.11'),
    ((3, 12), 'x86_64', '/usr/bin/cc', None),
    ((3, 13), 'x86_64', '/usr/bin/cc', r'does not build on Python 3\.13; .*PYTHON=python3\.11'),
])
def test_setup_goes_without_mmpose_where_it_must(monkeypatch, python, machine, compiler, reason):
    tool = load_tool('setup_env')
    monkeypatch.setattr(tool.sys, 'version_info', (*python, 0))
    monkeypatch.setattr(tool.platform, 'machine', lambda: machine)
    monkeypatch.setattr(tool.shutil, 'which', lambda name: compiler)
    monkeypatch.setattr(tool.os.path, 'exists', lambda path: True)
    found = tool.reason_without_mmpose()
    assert found is None if reason is None else re.search(reason, found)


def test_optional_packages_may_be_missing_only_where_pip_brings_none(monkeypatch):
    tool = load_tool('check_env')
    found = tool.installed_version
    monkeypatch.setattr(tool, 'installed_version', lambda name: None if name in tool.OPTIONAL else found(name))
    brought = chosen(declared(), '{}.{}'.format(*sys.version_info)).keys()
    expected = [f'{name} is missing' for name in tool.OPTIONAL if name in brought]
    assert [what for what, _ in tool.find_unmet()] == expected
    assert not any(what.startswith(tool.OPTIONAL) for what, _ in tool.find_broken())


def test_setup_tells_a_supported_python_from_others(monkeypatch):
    tool = load_tool('setup_env')
    assert tool.supported(sys.executable)
    assert not tool.supported(sys.executable, 'no_such_module')
    assert not tool.supported('no-such-python')
    monkeypatch.setattr(tool, 'BEYOND', sys.version_info[:2])
    assert not tool.supported(sys.executable)


def test_import_capekit_stays_light():
    heavy = ('mmpose', 'mmcv', 'timm', 'matplotlib.pyplot')
    code = f'import sys, capekit; print(*[name for name in {heavy} if name in sys.modules])'
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout.split() == []


def test_opencv_without_windows_is_put_in_once_more_by_a_second_setup(monkeypatch):
    """It shares its files with opencv-python, which is removed before it, so pip must not consider it installed."""
    tool, calls = load_tool('setup_env'), []
    broken = subprocess.CompletedProcess([], 1, '', 'ImportError: libGL.so.1: cannot open shared object file')
    monkeypatch.setattr(tool.subprocess, 'run', lambda *args, **options: broken)
    monkeypatch.setattr(tool.subprocess, 'check_output', lambda *args, **options: '4.11.0.86\n')
    monkeypatch.setattr(tool.subprocess, 'call', lambda command: calls.append(command) or 0)
    tool.do_without_windows('python')
    assert [command[command.index('pip') + 2] for command in calls] == ['uninstall', 'install']
    assert {'--force-reinstall', 'opencv-python-headless==4.11.0.86'} <= set(calls[1])
