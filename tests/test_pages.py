"""Pages for people and machines agree with the package."""

import json
import re

import pytest

import capekit
from capekit.engine.config import load_config


def test_one_version_everywhere(repo):
    citation = (repo / 'CITATION.cff').read_text()
    assert re.search(r'^version: (.+)$', citation, re.M)[1] == capekit.__version__
    assert re.search(rf'^## {re.escape(capekit.__version__)}\b', (repo / 'CHANGELOG.md').read_text(), re.M)


def test_every_method_has_its_page_on_the_site(repo):
    site = (repo / 'mkdocs.yml').read_text()
    for page in repo.glob('configs/*/README.md'):
        assert page.relative_to(repo).as_posix() in site


def test_the_site_has_every_page_that_its_navigation_names(repo):
    """A strict build only notes a page that is excluded, such as its home."""
    config = pytest.importorskip('mkdocs.config').load_config(str(repo / 'mkdocs.yml'))
    from mkdocs.structure.files import get_files, set_exclusions
    files = config.plugins.on_files(get_files(config), config=config)
    set_exclusions(files, config)
    built = {file.src_uri for file in files.documentation_pages()}
    named = set(re.findall(r'[\w./-]+\.md', json.dumps(config['nav'])))
    assert 'README.md' in named and named <= built


def _training_commands(repo) -> list:
    """(page, config, GPUs, other arguments) of the training commands for MP-100 on every page."""
    pattern = re.compile(r'(?:train\.py|dist_train\.sh) +(configs/\S+_mp100\.py)(?: (\d+)\b)?((?:[^\n#]|\\\n)*)')
    return [(page.parent.name, config, int(gpus or 1), arguments.replace('\\\n', ' ').split())
            for page in [repo / 'README.md', *sorted(repo.glob('configs/*/README.md'))]
            for config, gpus, arguments in pattern.findall(page.read_text())]


def test_training_commands_have_the_batch_that_the_rate_is_for(repo):
    commands = _training_commands(repo)
    assert len(commands) > 15
    for page, path, gpus, arguments in commands:
        options = dict(argument.split('=') for argument in arguments if '=' in argument)
        config = load_config(repo / path)
        batch = gpus * int(options.get('train_dataloader.batch_size', config.train_dataloader.batch_size))
        batch *= int(options.get('optim_wrapper.accumulative_counts', 1))
        assert '--auto-scale-lr' in arguments or batch == config.auto_scale_lr.base_batch_size, (page, path, arguments)
