"""Say in one line whether this Python environment can run capekit; if not, what is missing and what fixes it.

    python tools/check_env.py
"""

import importlib
import platform
import sys
import warnings
from importlib import metadata
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
INSTALL = 'pip install -r requirements.txt'
INSTALL_SOURCE = 'pip install --no-deps --no-build-isolation -r requirements-source.txt'

# The same modules under another name: the full mmcv does everything that mmcv-lite does.
STAND_INS = {
    'mmcv-lite': ('mmcv',),
    'opencv-python': ('opencv-python-headless', 'opencv-contrib-python', 'opencv-contrib-python-headless'),
}
UNUSED = ('chumpy',)  # only mmpose's metadata asks for it

# Imports that reveal more than a version does: mismatched compiled parts fail here.
IMPORTS = {
    'torchvision': 'pip install torch==2.11.0 torchvision==0.26.0',
    'cv2': INSTALL,
    'pkg_resources': 'pip install "setuptools<81"',
    'pycocotools.mask': INSTALL,
    'xtcocotools.mask': INSTALL_SOURCE + ' --force-reinstall',
    'mmpose.datasets': INSTALL_SOURCE + ' --force-reinstall',
}
OPTIONAL = ('mmpose', 'xtcocotools')  # where pip cannot install them; there only a broken one is an error


def installed_version(name):
    """The version of a package, or of its substitute; None if there is neither."""
    for candidate in (name, *STAND_INS.get(name, ())):
        try:
            return metadata.version(candidate)
        except metadata.PackageNotFoundError:
            pass
    return None


def find_unmet():
    """[(what is wrong, the command that fixes it)] by the ranges of pyproject.toml, without importing any package."""
    from packaging.requirements import Requirement

    unmet = []
    for line in tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']['dependencies']:
        requirement = Requirement(line)
        name, version = requirement.name, installed_version(requirement.name)
        by_pip = requirement.marker is None or requirement.marker.evaluate()
        if name in UNUSED or not (by_pip or (name in OPTIONAL and version)):
            continue
        fix = INSTALL if by_pip else INSTALL_SOURCE
        if version is None:
            unmet.append((f'{name} is missing', fix))
        elif not requirement.specifier.contains(version, prereleases=True):
            unmet.append((f'{name} {version} is not {requirement.specifier}', fix))
    return unmet


def find_broken():
    """[(what fails to import, the command that fixes it)]."""
    broken = []
    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')
    for module, fix in IMPORTS.items():
        if module.split('.')[0] in OPTIONAL and installed_version(module.split('.')[0]) is None:
            continue
        try:
            importlib.import_module(module)
        except Exception as error:  # a broken compiled part may raise anything
            broken.append((f'{module} does not import ({str(error).splitlines()[0]})', fix))
    return broken


def main():
    if not (3, 10) <= sys.version_info[:2] < (3, 15):
        sys.exit('capekit needs Python 3.10 to 3.14; fix: make setup PYTHON=python3.11')
    if installed_version('packaging') is None:
        sys.exit(f'packages are missing; fix: {INSTALL}')
    wrong = find_unmet() or find_broken()
    if wrong:
        commands = dict.fromkeys(fix for _, fix in wrong)
        sys.exit('; '.join(what for what, _ in wrong) + '; fix: ' + ' && '.join(commands))
    versions = ', '.join(f'{name} {installed_version(name)}' for name in ('torch', 'torchvision', 'mmengine', 'numpy'))
    print(f'environment fine: Python {platform.python_version()}, {versions}')


if __name__ == '__main__':
    main()
