"""Pages for people and machines agree with the package."""

import json
import re

import pytest
import yaml
from finished_run import finish

import capekit
from capekit.engine.config import load_config
from capekit.errors import CapekitError
from capekit.files import write_json
from capekit.reports.pages import TABLES, update_tables


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


def test_tables_are_those_of_their_runs(repo):
    assert not update_tables(repo, write=False), 'fix: make tables'
    pages = ''.join(page.read_text() for page in (repo / 'README.md', *repo.glob('docs/*.md')))
    assert all(f'<!-- table: {name} -->' in pages for name in TABLES)


@pytest.mark.parametrize('config', ['protonet_r50', 'pomnet_r50', 'capeformer_r50', 'fmmp_r50', 'sdpnet_r50',
                                    'graphcape_r50', 'edgecape_dinov2-s', 'matching_lite0'])
def test_both_tables_of_costs_count_the_same(repo, config):
    """An episode costs its supports and its query; SwinV2, whose bias costs once per pass, is left out."""
    read = {name: json.loads((repo / f'docs/runs/{name}.json').read_text()) for name in ('costs', 'complexity')}
    assert read['costs']['keypoints'] == read['complexity']['keypoints']
    method, _, backbone = config.partition('_')
    backbone = {'r50': 'ResNet-50', 'dinov2-s': 'DINOv2 ViT-S/14', 'lite0': 'EfficientNet-Lite0'}[backbone]
    (pair,) = [one for one in read['costs']['records'] if (one['method'], one['backbone']) == (method, backbone)]
    (whole,) = [one['shots']['1'] for one in read['complexity']['records']
                if one['config'].endswith(f'/{config}_mp100.py')]
    assert pair['parameters'] == whole['parameters']
    assert f'{pair["flops"] / 1e9:.1f}' == f'{(whole["support_flops"] + whole["query_flops"]) / 1e9:.1f}'


def test_a_table_that_drifted_is_renewed(tmp_path, repo):
    record = dict(method='Ours', shots=1, rows=40, metrics={'PCK@0.2': dict(value=0.715, low=0.7, high=0.73)})
    write_json(tmp_path / 'docs/runs/demo.json', dict(categories=2, records=[record]))
    page = tmp_path / 'README.md'
    page.write_text('before\n<!-- table: demo -->\nold\n<!-- /table -->\nafter\n')
    assert update_tables(tmp_path, write=False) == [page] and 'old' in page.read_text()
    assert update_tables(tmp_path) == [page] and update_tables(tmp_path) == []
    text = page.read_text()
    assert '| 71.5 [70.0, 73.0] |' in text and 'old' not in text
    assert text.startswith('before\n<!-- table: demo -->\n') and text.endswith('|\n<!-- /table -->\nafter\n')
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'configs/papers.yml').symlink_to(repo / 'configs/papers.yml')
    for folder in (repo / 'configs').iterdir():
        if folder.is_dir():
            (tmp_path / 'configs' / folder.name).symlink_to(folder)
    finish(tmp_path / 'docs/runs/papers', 'capeformer/table3/no5', 0.715)
    (tmp_path / 'docs/ablation.md').write_text('<!-- table: papers/capeformer/table3 -->\n<!-- /table -->\n')
    assert update_tables(tmp_path) == [tmp_path / 'docs/ablation.md']
    assert '71.5 [70.5, 72.5]' in (tmp_path / 'docs/ablation.md').read_text()


def test_a_page_that_names_no_table(tmp_path):
    for name, message in (('none', "table 'none' is not one of demo"), ('demo', 'demo.json, which is missing')):
        (tmp_path / 'README.md').write_text(f'<!-- table: {name} -->\n<!-- /table -->\n')
        with pytest.raises(CapekitError, match=message):
            update_tables(tmp_path)


def test_the_model_index_has_every_config(repo):
    index = yaml.safe_load((repo / 'model-index.yml').read_text())
    assert set(index) == {'Import'}
    metafiles = [str(path.relative_to(repo)) for path in repo.glob('configs/*/metafile.yml')]
    assert sorted(index['Import']) == sorted(metafiles)
    listed = []
    for path in index['Import']:
        content = yaml.safe_load((repo / path).read_text())
        (collection,) = content['Collections']
        assert collection.keys() >= {'Name', 'Metadata', 'README', 'Code'}
        assert collection['README'] == str((repo / path).parent.relative_to(repo) / 'README.md')
        assert (repo / collection['README']).is_file() and (repo / collection['Code']['URL']).is_file()
        assert collection['Metadata']['Architecture']
        if 'Paper' in collection:
            title = ' '.join((repo / collection['README']).read_text().split())
            assert collection['Paper']['URL'].startswith('https://') and isinstance(collection['Year'], int)
            assert collection['Paper']['Title'] in title or collection['Name'] in ('ProtoNet', 'MAML', 'Fine-tune')
        for model in content['Models']:
            assert model.keys() == {'Name', 'In Collection', 'Config', 'Metadata'}
            config = repo / model['Config']
            assert config.is_file() and config.stem == model['Name'] and config.parent == (repo / path).parent
            assert model['In Collection'] == collection['Name'] and model['Metadata']['Training Data'] == 'MP-100'
            listed.append(model['Config'])
    assert sorted(listed) == sorted(str(path.relative_to(repo)) for path in repo.glob('configs/*/*_mp100.py'))
