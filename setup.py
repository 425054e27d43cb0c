"""The metadata are in pyproject.toml. Here is only what it cannot say: the configs travel inside the package."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=['capekit', 'capekit.*']), 'capekit.configs'],
    package_dir={'capekit.configs': 'configs'},
    package_data={'capekit': ['py.typed'], 'capekit.annotate': ['static/*', 'static/screens/*'],
                  'capekit.visualization': ['page.html'],
                  'capekit.configs': ['*.yml', '**/*.py', '**/*.md']},
)
