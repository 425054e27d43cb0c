"""The papers' tables as runs: every model is built, and rows differ in what they say."""

import json
from collections import defaultdict

import pytest
import torch
from one_table import one_table

from capekit.apis import init_estimator
from capekit.engine.config import build, load_config
from capekit.engine.crop_size import sized_model
from capekit.errors import CapekitError
from capekit.registry import MODELS
from capekit.sweeps import load_papers
from capekit.sweeps.papers import SPLITS, differences

TABLES = dict(pomnet=[8, 4, 5, 6], capeformer=[10, 5, 5, 3, 3, 3, 2], sdpnet=[3, 3, 7, 4, 14], fmmp=[14, 7, 5, 6])


@pytest.fixture(scope='module')
def papers(repo):
    return load_papers(repo / 'configs/papers.yml')


@pytest.fixture(scope='module')
def resolved(papers):
    """Run that is no `same_as` -> its config of MP-100; of the splits only the first."""
    runs = {papers.original(papers.runs(row)[0]) for row in papers.rows.values() if not papers.missing(
        papers.runs(row)[0], 'mp100')}
    return {run: load_config(*papers.source(run)) for run in sorted(runs, key=lambda run: run.id)}


def _key(config) -> str:
    return json.dumps(config, sort_keys=True, default=str)


def test_every_row_of_the_papers_is_there(papers):
    for paper, counts in TABLES.items():
        tables = papers.content['papers'][paper]['tables'].values()
        assert [len(table['rows']) for table in tables] == counts
    assert sum(map(sum, TABLES.values())) == 117


def test_every_mean_is_that_of_its_splits(papers):
    """Within what rounding allows: a slip in copying a table shows here."""
    for row in papers.rows.values():
        values = dict(zip(row.columns, row.published, strict=True))
        splits = [values[name] for name in SPLITS if name in values]
        if 'mean' in values and None not in (values['mean'], *splits):
            assert values['mean'] == pytest.approx(sum(splits) / len(splits), abs=0.021), row.id


def test_rows_that_are_the_same_run_say_so(papers, resolved):
    texts = defaultdict(list)
    for run, config in resolved.items():
        texts[_key(config.to_dict())].append(run.id)
    assert not [ids for ids in texts.values() if len(ids) > 1]
    sources = defaultdict(set)
    for run in papers.select([]):
        if not papers.missing(run, 'mp100'):
            path, options = papers.source(run)
            sources[_key([str(path), options])].add(papers.original(run).id)
    assert not [ids for ids in sources.values() if len(ids) > 1]


def test_an_ablation_differs_from_its_parent_in_what_it_says(papers, resolved):
    checked = 0
    for run, config in resolved.items():
        parent = papers.parent(run)
        assert bool(parent) == bool(run.row.changes)
        if parent is not None:
            assert differences(resolved[papers.original(parent)], config) == run.row.changes, run.id
            checked += 1
    assert checked == 4 + 3 + 4 + 2 + 1 + 2 + 2 + 6 + 3 + 4 + 5 + 2


@pytest.mark.slow
def test_every_model_of_mp100_is_built(resolved):
    """With its own backbone at first, then with a smaller one."""
    seen = set()
    for key, config in {_key(config.model): config for config in resolved.values()}.items():
        backbone = config.model.backbone.name
        if backbone in seen and config.model.backbone.type == 'TimmPyramid':
            config = load_config(config, {f'model.{network}.name': 'resnet10t.c3_in1k' for network in (
                'backbone', 'support_backbone') if network in config.model})
        seen.add(backbone)
        with torch.device('meta'):
            model = build(MODELS, sized_model(config, ['train']), 'model')
        assert sum(parameter.numel() for parameter in model.parameters()) > 1e6, key


@pytest.mark.slow
def test_every_model_takes_a_step_and_predicts(papers, make_episode):
    """As on generated data, with the smallest backbone."""
    models, episode = {}, make_episode(batch=2, shots=1, counts=(5, 8), size=64)
    runs = [run for run in papers.select([]) if not papers.missing(run, 'synthetic')]
    for run in {papers.original(run).row.id: run for run in runs}.values():
        path, options = papers.source(run, 'synthetic')
        networks = ['backbone', 'support_backbone'] if 'pomnet' in path.name else ['backbone']
        small: dict = {f'model.{network}.name': 'resnet10t.c3_in1k' for network in networks}
        small.update({'model.steps': 1} if 'finetune' in path.name or 'maml' in path.name else {})
        config = load_config(path, {**options, **small, 'image_size': 64})
        models.setdefault(_key(config.model), (run.id, config))
    assert len(models) > 30
    for name, config in models.values():
        torch.manual_seed(0)
        estimator = init_estimator(config).train()
        loss, _ = estimator.parse_losses(estimator(episode, mode='loss'))
        loss.backward()
        assert any(parameter.grad is not None for parameter in estimator.parameters()), name
        torch.optim.SGD(estimator.parameters(), 1e-4).step()
        points = estimator.eval()(episode, mode='predict').points
        assert points.shape == (2, 8, 2) and torch.isfinite(points).all(), name


def test_generated_data_have_no_splits(papers):
    run = papers.select(['sdpnet/table5/sdpnet-hrnet32-5shot/split3'])[0]
    path, options = papers.source(run, 'synthetic')
    assert path.name == 'sdpnet_hrnet18_synthetic_1shot.py' and options == {'protocol.shots': 5}
    path, options = papers.source(papers.select(['capeformer/table3/no1'])[0], 'synthetic')
    assert options == {'protocol.shots': 1, 'model.head.encoder': 'detr', 'model.head.identifier': 'none',
                       'model.head.decoder_layers': 0}
    run = papers.select(['pomnet/table4/from9'])[0]
    assert papers.source(run, 'synthetic')[1]['train_dataloader.dataset.categories'] == list(range(1, 10))
    assert 'super-category' in papers.missing(papers.select(['capeformer/table2'])[-1], 'synthetic')
    assert papers.missing(papers.select(['fmmp/table1/scape-1shot'])[0], 'synthetic') == (
        'capekit does not have this method')


def test_what_is_published_for_a_run(papers):
    runs = papers.select(['fmmp/table4/s3q3'])
    assert [run.published for run in runs][1] == {'mPCK@.05:.20': 71.24} and len(runs) == 4
    assert papers.select(['fmmp/table2/fmmp'])[0].published['PCK@0.05'] == 57.3
    assert papers.select(['capeformer/table6/one-stage'])[0].published == {
        'parameters_M': 26.86, 'GFLOPs': 22.65, 'FPS': 36.9, 'memory_GB': 7.5}


def test_selection(papers):
    assert len(papers.select(['capeformer/table3'])) == 5
    assert [run.id for run in papers.select(['capeformer/table5', 'pomnet/table3/no2'])][0] == 'pomnet/table3/no2'
    with pytest.raises(CapekitError, match='capeformer/tabel3: .* has no such .*near: capeformer/table3'):
        papers.select(['capeformer/tabel3'])


@pytest.mark.parametrize(('row', 'message'), [
    ('config: none.py', 'mine/t/less: config none.py: no such file'),
    ('cofig: a.py', "mine/t/less: unknown key 'cofig'; valid: label, published, config"),
    ('parent: mine/t/ful, changes: {a: 1}', "mine/t/less: there is no run 'mine/t/ful'; near: mine/t/full"),
    ('same_as: mine/t/less', 'mine/t/less: same_as leads back to mine/t/less'),
    ('config: null', 'mine/t/less: config is missing; a row has a config, a same_as, a parent with changes, or'),
    ('same_as: mine/t/full, options: {a: 1}', 'mine/t/less: same_as leaves nothing for options to say'),
    ('parent: mine/t/full, changes: {a: 1}, options: {b: 1}', 'mine/t/less: options has no effect without a config'),
    ('parent: mine/t/full, changes: 1', 'mine/t/less: changes=1 must be a dict'),
    ('same_as: mine/t/full, published: [1, 2]', 'mine/t/less: published has 2 values for 1 columns'),
    ('config: papers.py, protocol: {spilt: 2}', "mine/t/less: protocol: unknown key 'spilt'; valid: split, cross"),
])
def test_a_wrong_row_is_named(tmp_path, row, message):
    (tmp_path / 'papers.py').write_text('')
    path = tmp_path / 'mine.yml'
    path.write_text(one_table(full='label: full, published: [1.0], config: papers.py',
                              less=f'label: less, published: [null], {row}'))
    with pytest.raises(CapekitError) as error:
        load_papers(path)
    assert message in str(error.value) and len(str(error.value).splitlines()) == 1


def test_a_file_that_is_no_list_is_named(tmp_path):
    for text, message in (('a: [', 'not a YAML file'), ('- a', 'must be keys with values'), ('b: 1', "key 'b'")):
        (tmp_path / 'mine.yml').write_text(text)
        with pytest.raises(CapekitError, match=message):
            load_papers(tmp_path / 'mine.yml')
    with pytest.raises(CapekitError, match='No such file'):
        load_papers(tmp_path / 'other.yml')
