"""The files that say what capekit needs agree with each other and with what is installed."""

import importlib.util
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
NAMED = 'torch torchvision mmengine mmcv-lite mmpose numpy opencv-python pycocotools xtcocotools'.split()
PYTHONS = ('3.10', '3.11', '3.12')


def load_tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / 'tools' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parse(lines):
    """Requirements of a file's lines; comments and options (`-r other.txt`) are left out."""
    lines = (re.split(r'(?:^|\s)#', line)[0].strip() for line in lines)
    return [Requirement(line) for line in lines if line and not line.startswith('-')]


def read(name):
    return parse((ROOT / name).read_text().splitlines())


def setup_values():
    return runpy.run_path(str(ROOT / 'setup.py'))


def chosen(requirements, python):
    """{name: [specifier]} of the requirements that count for a Python version on x86-64 Linux."""
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
    """{name: version}: the lock, and the two that are built where there is no ready-made one."""
    files = read('requirements.lock') + read('requirements-source.txt')
    versions = {}
    for name, specifiers in chosen(files, python).items():
        found = {next(iter(specifier)).version for specifier in specifiers}
        assert len(found) == 1, f'{name} has two versions on Python {python}: {found}'
        versions[name] = found.pop()
    return versions


def test_the_packages_the_users_named_are_required():
    assert {requirement.name for requirement in read('requirements.txt')} >= set(NAMED)
    assert {Requirement(line).name for line in setup_values()['INSTALL_REQUIRES']} >= set(NAMED)


@pytest.mark.parametrize('python', PYTHONS)
def test_lock_fixes_every_requirement_once_and_within_its_range(python):
    locked = locked_versions(python)
    values = setup_values()
    asked = {
        'requirements.txt': read('requirements.txt'),
        'requirements-dev.txt': read('requirements-dev.txt'),
        'setup.py': parse(values['INSTALL_REQUIRES'] + values['DEV_REQUIRES']),
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


def test_setup_and_requirements_name_the_same_packages():
    in_setup = {Requirement(line).name for line in setup_values()['INSTALL_REQUIRES']}
    build_only = {'cython'}
    assert {requirement.name for requirement in read('requirements.txt')} - build_only == in_setup
    assert {str(r) for r in read('requirements-dev.txt')} == {str(r) for r in parse(setup_values()['DEV_REQUIRES'])}


def test_source_file_repeats_the_pins_of_requirements():
    pins = {requirement.name: requirement.specifier for requirement in read('requirements.txt')}
    for requirement in read('requirements-source.txt'):
        assert pins[requirement.name] == requirement.specifier


def test_installed_packages_are_within_the_ranges():
    assert load_tool('check_env').find_unmet() == []


def test_a_missing_package_is_named_with_its_mend(monkeypatch):
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


def test_setup_says_when_a_compiler_is_missing(monkeypatch):
    tool = load_tool('setup_env')
    monkeypatch.setattr(tool.shutil, 'which', lambda name: None)
    monkeypatch.setattr(tool.platform, 'machine', lambda: 'aarch64')
    assert re.search(r'xtcocotools must be compiled.*fix: apt install .*-dev', tool.what_is_missing())


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
