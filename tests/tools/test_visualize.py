"""Pictures of what a method does inside: one file a category, and bad input named."""

import pytest


@pytest.fixture
def options(small):
    return ['--cfg-options', 'model.backbone.name=resnet10t.c3_in1k', 'model.head.channels=32',
            f'test_dataloader.dataset.data_root={small}', 'model.head.num_slots=20', 'model.head.num_layers=1']


@pytest.fixture
def fmmp(repo):
    return repo / 'configs/synthetic/fmmp_r18_synthetic_1shot.py'


@pytest.mark.parametrize(('what', 'more'), [
    ('padding', ['--slots', '8', '20']), ('padding', ['--padding', 'uniform', '--slots', '20']), ('sampling', []),
    ('sampling', ['--keypoints', '1', '--categories', '22'])])
@pytest.mark.parametrize('variant', ['paper', 'release'])
def test_pictures(tool, fmmp, options, tmp_path, what, more, variant):
    status, out, err = tool('analysis/visualize', fmmp, '--what', what, '--out', tmp_path, *more, *options,
                            f'model.head.variant={variant}')
    assert status == 0, err
    files = sorted(path.name for path in tmp_path.glob('*.png'))
    assert files == [f'{what}_{i}_test{i}.png' for i in ((22,) if '--categories' in more else (21, 22, 23))]
    assert out.count('.png') == len(files)


@pytest.fixture
def sdpnet(repo):
    return repo / 'configs/synthetic/sdpnet_r18_synthetic_1shot.py'


@pytest.mark.parametrize(('what', 'more'), [
    ('structure', ['--shots', '2']), ('attention', ['--shots', '2']), ('attention', ['--keypoints', '0', '2']),
    ('stages', [])])
def test_pictures_of_sdpnet(tool, sdpnet, small, tmp_path, what, more):
    status, out, err = tool('analysis/visualize', sdpnet, '--what', what, '--out', tmp_path, *more, *_sdpnet(small))
    assert status == 0, err
    assert sorted(path.name for path in tmp_path.glob('*.png')) == [f'{what}_{i}_test{i}.png' for i in (21, 22, 23)]


def test_no_structure_to_draw(tool, sdpnet, small, tmp_path):
    status, _, err = tool('analysis/visualize', sdpnet, '--what', 'structure', '--out', tmp_path, *_sdpnet(small),
                          'model.head.structure=none')
    assert status == 2 and 'predicts none' in err and err.count('\n') == 1


def _sdpnet(small):
    return ['--cfg-options', 'model.backbone.name=resnet10t.c3_in1k', 'model.head.channels=32',
            f'test_dataloader.dataset.data_root={small}', 'test_dataloader.dataset.image_size=32']


def test_stages_of_capeformer(tool, config, tmp_path):
    status, _, err = tool('analysis/visualize', config, '--what', 'stages', '--out', tmp_path)
    assert status == 0, err
    assert len(list(tmp_path.glob('stages_*.png'))) == 3


@pytest.mark.parametrize(('what', 'more', 'message'), [
    ('sampling', ['--categories', '5'], '--categories 5: not in the test data; it has [21, 22, 23]'),
    ('sampling', ['--keypoints', '7'], '--keypoints 7: test21 has keypoints 0 to 3'),
    ('sampling', ['--layer', '3'], '--layer 3: the model has 1 layers'),
    ('padding', ['--slots', '3'], '--slots 3: test21 has 4 keypoints')])
def test_bad_input(tool, fmmp, options, tmp_path, what, more, message):
    status, _, err = tool('analysis/visualize', fmmp, '--what', what, '--out', tmp_path, *more, *options)
    assert status == 2 and message in err and err.count('\n') == 1


def test_another_method(tool, config, tmp_path):
    status, _, err = tool('analysis/visualize', config, '--what', 'sampling', '--out', tmp_path)
    assert status == 2 and '--what sampling is of FMMP' in err and 'CapeFormerHead' in err
