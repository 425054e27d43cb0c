"""Package metadata. The ranges are what may be used; requirements.txt has the versions that were measured."""

import re
from pathlib import Path

# Where xtcocotools has a ready-made wheel. Elsewhere it, and mmpose which needs it, come from requirements-source.txt.
WHEEL = 'python_version < "3.12" and platform_machine == "x86_64"'

INSTALL_REQUIRES = [
    'torch>=2.8',
    'torchvision>=0.23',
    'timm>=1.0.15',
    'mmengine>=0.10.7,<0.11',
    'mmcv-lite>=2.1.0,<2.2',
    f'mmpose>=1.3.2,<1.4 ; {WHEEL}',
    'chumpy<0.67',
    'numpy>=1.26',
    f'numpy<2 ; {WHEEL}',
    'opencv-python>=4.9,<5',
    'pycocotools>=2.0.8',
    f'xtcocotools>=1.14.3 ; {WHEEL}',
    'json-tricks>=3.17',
    'munkres>=1.1.4',
    'scipy>=1.11',
    'matplotlib>=3.8',
    'six>=1.16',
    'tabulate>=0.9',
    'setuptools>=70.1,<81',
]
DEV_REQUIRES = ['pytest>=8', 'hypothesis>=6.100', 'ruff>=0.9', 'packaging>=24']

if __name__ == '__main__':  # tools/check_env.py reads the ranges without it
    from setuptools import find_packages, setup

    root = Path(__file__).parent
    setup(
        name='capekit',
        version=re.search(r"__version__ = '(.+)'", (root / 'capekit' / '__init__.py').read_text())[1],
        description='Category-agnostic pose estimation: methods, data and measurement in one framework',
        packages=find_packages(include=['capekit', 'capekit.*']),
        python_requires='>=3.10,<3.13',
        install_requires=INSTALL_REQUIRES,
        extras_require={'dev': DEV_REQUIRES},
    )
