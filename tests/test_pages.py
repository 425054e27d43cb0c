"""Pages for people and machines agree with the package."""

import re

import capekit


def test_one_version_everywhere(repo):
    citation = (repo / 'CITATION.cff').read_text()
    assert re.search(r'^version: (.+)$', citation, re.M)[1] == capekit.__version__
    assert re.search(rf'^## {re.escape(capekit.__version__)}\b', (repo / 'CHANGELOG.md').read_text(), re.M)


def test_every_method_has_its_page_on_the_site(repo):
    site = (repo / 'mkdocs.yml').read_text()
    for page in repo.glob('configs/*/README.md'):
        assert page.relative_to(repo).as_posix() in site
