"""The protocol as a setting: what it writes into a config, what takes precedence over it, what is refused."""

import argparse
from pathlib import Path

import pytest

from capekit.commands.arguments import load_with_protocol
from capekit.engine.config import load_config
from capekit.engine.protocol import renamed, run_name
from capekit.errors import CapekitError

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
MP100 = sorted(path for path in CONFIGS.glob('*/*_mp100.py'))
CAPEFORMER = CONFIGS / 'capeformer/capeformer_r50_mp100.py'
SYNTHETIC = CONFIGS / 'synthetic/protonet_r18_synthetic_1shot.py'
STAGES = ('train', 'val', 'test')
ALL_FILES = [f'annotations/mp100_split{split}_{part}.json' for split in range(1, 6) for part in STAGES]
TEST_FILES = [f'annotations/mp100_split{split}_test.json' for split in range(1, 6)]
SUPERCATEGORIES = dict(human_body=200, human_face=200, vehicle=100, furniture=100)  # released test episodes


def _load(path=CAPEFORMER, options=None, **protocol):
    return load_config(path, {**{f'protocol.{name}': value for name, value in protocol.items()}, **(options or {})})


def _config(tmp_path, text, base=CAPEFORMER) -> Path:
    path = tmp_path / 'own.py'
    path.write_text(f'_base_ = {str(base)!r}\n{text}\n')
    return path


def _arguments(path, **settings) -> argparse.Namespace:
    return argparse.Namespace(config=str(path), cfg_options={}, **{**dict(split=None, cross=None), **settings})


@pytest.mark.parametrize('shots', [1, 5])
@pytest.mark.parametrize('split', range(1, 6))
def test_a_split(split, shots):
    config = _load(split=split, shots=shots)
    for stage, episodes in dict(val=100, test=200).items():
        sampler = config[f'{stage}_dataloader'].sampler
        assert sampler == dict(type='TestEpisodes', shots=shots, queries=15, episodes=episodes, seed=1)
    assert config.train_dataloader.sampler == dict(type='TrainEpisodes', shots=shots)
    for stage in STAGES:
        dataset = config[f'{stage}_dataloader'].dataset
        assert dataset.ann_file == f'annotations/mp100_split{split}_{stage}.json' and 'categories' not in dataset


@pytest.mark.parametrize('name', SUPERCATEGORIES)
def test_a_supercategory(name):
    config = _load(split=None, cross=name)
    for stage, files in (('train', ALL_FILES), ('test', TEST_FILES)):
        dataset = config[f'{stage}_dataloader'].dataset
        assert dataset.ann_file == files and dataset.categories == f'cross/{name}/{stage}'
    assert config.test_dataloader.sampler.episodes == SUPERCATEGORIES[name]
    assert config.val_dataloader is config.val_cfg is config.val_evaluator is None
    assert config.default_hooks.checkpoint.save_best is None


@pytest.mark.parametrize('path', MP100, ids=lambda path: path.stem)
def test_every_config_takes_every_setting(path):
    for protocol in [*(dict(split=n, cross=None) for n in range(1, 6)),
                     *(dict(split=None, cross=name) for name in SUPERCATEGORIES), *(dict(shots=n) for n in (1, 3, 5))]:
        config = _load(path, **protocol)
        assert all(config.protocol.get(name) == value for name, value in protocol.items())
        assert load_config(config).to_dict() == config.to_dict()


def test_what_the_configs_themselves_set():
    for path in MP100:
        protocol = load_config(path).protocol
        shots = 3 if path.stem.startswith('sdpnet-') else 1
        where = dict(cross='human_body') if 'human-body' in path.stem else dict(split=1)
        assert protocol == dict(where, shots=shots)


def test_rows_of_pomnets_table_4_keep_their_categories():
    names = {name: load_config(CONFIGS / f'pomnet/pomnet-human-body-{name}_r50_mp100.py')
             for name in ('from1', 'from9', 'from49', 'oracle')}
    sets = [set(names[name].train_dataloader.dataset.categories) for name in ('from1', 'from9', 'from49')]
    assert [len(ids) for ids in sets] == [1, 9, 49] and sets[0] < sets[1] < sets[2] and 72 not in sets[2]
    assert all(names[name].train_dataloader.dataset.ann_file == ALL_FILES for name in ('from1', 'from9', 'from49'))
    assert all(config.test_dataloader.dataset.categories == 'cross/human_body/test' for config in names.values())
    oracle = names['oracle']
    assert oracle.train_dataloader.dataset.ann_file == 'annotations/mp100_split1_train.json'
    assert oracle.test_dataloader.dataset.ann_file == 'annotations/mp100_split3_test.json'
    assert oracle.train_dataloader.dataset.exclude == 'annotations/mp100_split3_test.json'
    assert oracle.train_dataloader.dataset.categories == [72] and oracle.val_dataloader is None


@pytest.mark.parametrize('path', sorted((CONFIGS / 'synthetic').glob('*.py')), ids=lambda path: path.stem)
def test_other_data_take_shots_alone(path):
    config = load_config(path, {'protocol.shots': 5})
    assert {config[f'{stage}_dataloader'].sampler.shots for stage in STAGES} == {5}
    assert config.protocol == dict(shots=5)
    assert config.test_dataloader.dataset.ann_file == 'annotations/test.json'
    assert config.test_dataloader.sampler.episodes == 40


def test_what_a_config_states_itself_stands(tmp_path):
    own = _config(tmp_path, "train_dataloader = dict(dataset=dict(categories=[1, 3]))\n"
                            "test_dataloader = dict(dataset=dict(ann_file='mine.json'), "
                            "sampler=dict(shots=5, episodes=7))")
    config = _load(own, split=2)
    assert config.train_dataloader.dataset.ann_file == 'annotations/mp100_split2_train.json'
    assert config.train_dataloader.dataset.categories == [1, 3]
    assert config.test_dataloader.dataset.ann_file == 'mine.json'
    assert (config.test_dataloader.sampler.shots, config.test_dataloader.sampler.episodes) == (5, 7)
    assert config.train_dataloader.sampler.shots == 1 and config.protocol == dict(split=2, shots=1)


def test_an_override_stands_too():
    config = _load(options={'test_dataloader.sampler.shots': 2, 'val_dataloader.dataset.ann_file': 'mine.json'},
                   split=None, cross='vehicle')
    assert config.test_dataloader.sampler.shots == 2 and config.train_dataloader.sampler.shots == 1
    assert config.val_dataloader.dataset.ann_file == 'mine.json' and config.val_cfg is not None


OWN_DATA = '''train_dataloader = dict(dataset=dict(data_root='my', ann_file='labels_train.json', images='images'))
val_dataloader = dict(dataset=dict(data_root='my', ann_file='labels_val.json', images='images'))
test_dataloader = dict(dataset=dict(data_root='my', ann_file='labels_test.json', images='images'))'''


def test_own_data_have_no_split(tmp_path):
    own = _config(tmp_path, OWN_DATA)
    config = load_config(own)
    assert config.protocol == dict(shots=1) and run_name(config, own) == 'own'
    assert config.test_dataloader.dataset.ann_file == 'labels_test.json'
    assert 'categories' not in config.test_dataloader.dataset
    for settings in (dict(split=3), dict(cross='vehicle')):
        with pytest.raises(CapekitError, match='does not leave dataset.ann_file'):
            load_with_protocol(_arguments(own, **settings))


def test_types_that_take_no_such_option_are_left_alone(tmp_path):
    own = _config(tmp_path, "train_dataloader = dict(\n"
                            "    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True),\n"
                            "    dataset=dict(_delete_=True, type='mmengine.ConcatDataset', datasets=[]))")
    config = load_config(own)
    assert config.train_dataloader.sampler == dict(type='DefaultSampler', shuffle=True)
    assert 'ann_file' not in config.train_dataloader.dataset
    with pytest.raises(CapekitError, match='does not leave train_dataloader.sampler.shots'):
        load_with_protocol(_arguments(own, shots=5), 'shots')


def test_the_command_line_replaces_what_the_config_set():
    config = load_with_protocol(_arguments(CAPEFORMER, cross='vehicle', shots=5), 'shots')
    assert config.protocol == dict(cross='vehicle', shots=5)
    oracle = CONFIGS / 'pomnet/pomnet-human-body-from9_r50_mp100.py'
    assert load_with_protocol(_arguments(oracle, split=2)).protocol == dict(split=2, shots=1)
    with pytest.raises(CapekitError, match='protocol.shots=5: .*does not leave train_dataloader.sampler.shots'):
        load_with_protocol(argparse.Namespace(config=str(CAPEFORMER), split=None, cross=None, shots=5,
                                              cfg_options={'train_dataloader.sampler.shots': 2}), 'shots')


@pytest.mark.parametrize(('options', 'message'), [
    ({'protocol.split': 6}, 'protocol.split=6 is unknown; valid: 1, 2, 3, 4, 5'),
    ({'protocol.split': True}, 'protocol.split=True is unknown'),
    ({'protocol.split': None, 'protocol.cross': 'car'},
     "protocol.cross='car' is unknown; valid: human_body, human_face, vehicle, furniture"),
    ({'protocol.shots': 0}, 'protocol.shots=0 must be a whole number, 1 or more'),
    ({'protocol.shots': 1.5}, 'protocol.shots=1.5 must be'),
    ({'protocol.cross': 'vehicle'}, "split=1 and cross='vehicle' exclude each other; set one of them to None"),
    ({'protocol.spilt': 2}, "unknown setting 'spilt'; did you mean 'split'? valid: split, cross, shots"),
    ({'protocol': 'split1'}, "protocol='split1' must be such as dict(split=1, shots=1)"),
])
def test_what_is_refused(options, message):
    with pytest.raises(CapekitError) as error:
        load_config(CAPEFORMER, options)
    assert message in str(error.value) and str(CAPEFORMER) in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize(('path', 'settings', 'name'), [
    (CAPEFORMER, {}, 'capeformer_r50_mp100_split1_1shot'),
    (CAPEFORMER, dict(split=3, shots=5), 'capeformer_r50_mp100_split3_5shot'),
    (CAPEFORMER, dict(cross='vehicle'), 'capeformer_r50_mp100_cross-vehicle_1shot'),
    (SYNTHETIC, {}, 'protonet_r18_synthetic_1shot'),
    (SYNTHETIC, dict(shots=5), 'protonet_r18_synthetic_1shot_5shot'),
])
def test_a_run_is_named_by_what_was_set(path, settings, name):
    assert run_name(load_with_protocol(_arguments(path, **{'shots': None, **settings}), 'shots'), path) == name


@pytest.mark.parametrize(('old', 'new'), [
    ('capeformer/capeformer_r50_mp100-split3_5shot.py', 'capeformer/capeformer_r50_mp100.py --split 3 --shots 5'),
    ('fmmp/fmmp-no-links_r50_mp100-split1_1shot.py', 'fmmp/fmmp-no-links_r50_mp100.py --split 1 --shots 1'),
    ('sdpnet/sdpnet_hrnet32-no_graph_mp100-split1_3shot.py',
     'sdpnet/sdpnet-no-graph_hrnet32_mp100.py --split 1 --shots 3'),
    ('maml/maml_r50_mp100-cross-human_body_1shot.py', 'maml/maml_r50_mp100.py --cross human_body --shots 1'),
    ('pomnet/pomnet_r50_mp100-human_body-from9_1shot.py', 'pomnet/pomnet-human-body-from9_r50_mp100.py'),
])
def test_an_old_name_leads_to_the_new_one(old, new):
    with pytest.raises(CapekitError, match='no such file') as error:
        load_config(CONFIGS / old)
    assert str(error.value).endswith(f'; it is now {CONFIGS / new}')


def test_other_missing_names_lead_nowhere():
    assert renamed(CONFIGS / 'capeformer/capeformer_r51_mp100-split3_5shot.py') == ''
    assert renamed(CONFIGS / 'capeformer/capeformer.py') == ''


def test_an_override_that_the_config_cannot_follow(tmp_path):
    load_config(CAPEFORMER).dump(str(tmp_path / 'saved.py'))  # as a work directory has it, with its annotation files
    with pytest.raises(CapekitError, match='protocol.split=3: .*does not leave dataset.ann_file'):
        load_config(tmp_path / 'saved.py', {'protocol.split': 3})
    arguments = argparse.Namespace(config=str(CAPEFORMER), split=1, cross=None, shots=None,
                                   cfg_options={'protocol.split': 2})
    with pytest.raises(CapekitError, match='protocol.split: set by an option of the command too'):
        load_with_protocol(arguments)
    with pytest.raises(CapekitError, match='protocol.split=3.0 is unknown'):
        load_config(CAPEFORMER, {'protocol.split': 3.0})
