"""Checkpoints: read without running code, completely or not at all, and never those of another model."""

import os
import pickle
import zipfile

import pytest
import torch
from torch import nn

from capekit.checkpoint import load_weights, read_checkpoint, save_checkpoint
from capekit.errors import CapekitError


class Bomb:
    """Unpickling this would create a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    path, trace = tmp_path / 'bomb.pth', tmp_path / 'trace'
    torch.save(dict(state_dict={}, extra=Bomb(str(trace))), path)
    with pytest.raises(CapekitError, match='bomb.pth: refused, .* would run code to build posix.mkdir'):
        read_checkpoint(path)
    path.write_bytes(pickle.dumps(Bomb(str(trace))))
    with pytest.raises(CapekitError, match='bomb.pth'):
        read_checkpoint(path)
    assert not trace.exists()


@pytest.mark.parametrize('content', [b'', b'no checkpoint', b'PK\x03\x04 half a zip'])
@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_other_files_are_refused(tmp_path, content, suffix):
    path = tmp_path / f'file{suffix}'
    path.write_bytes(content)
    with pytest.raises(CapekitError, match='file'):
        read_checkpoint(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CapekitError, match='none.pth: no such file'):
        read_checkpoint(tmp_path / 'none.pth')


def test_round_trip_and_meta(tmp_path):
    model, other, path = nn.Linear(3, 2), nn.Linear(3, 2), tmp_path / 'deep' / 'model.pth'
    save_checkpoint(dict(state_dict=model.state_dict(), meta=dict(epoch=3)), path)
    assert load_weights(other, path) == dict(epoch=3)
    assert torch.equal(model.weight, other.weight)
    assert os.listdir(path.parent) == ['model.pth']


def test_another_models_checkpoint_loads_nothing(tmp_path):
    path, model = tmp_path / 'other.pth', nn.Linear(3, 2)
    before = model.weight.clone()
    for state, message in (({'weight': torch.ones(2, 3)}, "1 parameters missing.*missing: 'bias'"),
                           ({**model.state_dict(), 'more': torch.ones(1)}, "unknown: 'more'"),
                           ({'weight': torch.ones(2, 4), 'bias': torch.ones(2)}, "another shape: 'weight'"),
                           ({'keypoint_head.x': torch.ones(1)}, 'run `capekit convert` on it first')):
        torch.save(dict(state_dict=state), path)
        with pytest.raises(CapekitError, match=f'of another model.*{message}'):
            load_weights(model, path)
    torch.save([1, 2], path)
    with pytest.raises(CapekitError, match='holds no state dict'):
        load_weights(model, path)
    assert torch.equal(model.weight, before)


def _bomb(path, megabytes):
    """A file of a few kilobytes that unpacks to as many megabytes."""
    plain = path.with_suffix('.plain')
    torch.save(dict(state_dict=dict(weight=torch.zeros(megabytes, 2 ** 18))), plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    plain.unlink()


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / 'bomb.pth'
    _bomb(path, 64)
    assert path.stat().st_size < 2 ** 20
    monkeypatch.setenv('CAPEKIT_MAX_UNPACKED_GIB', '0.01')
    monkeypatch.setattr(torch, 'load', lambda *_, **__: pytest.fail('unpacked'))
    with pytest.raises(CapekitError, match=r'bomb.pth: .* unpacks to 67\.\d MB .* CAPEKIT_MAX_UNPACKED_GIB'):
        read_checkpoint(path)
    monkeypatch.undo()
    assert read_checkpoint(path)['state_dict']['weight'].shape == (64, 2 ** 18)


def test_a_large_checkpoint_that_is_not_compressed_is_no_bomb(tmp_path, monkeypatch):
    monkeypatch.setenv('CAPEKIT_MAX_UNPACKED_GIB', '0.001')
    torch.save(dict(weight=torch.zeros(8, 2 ** 18)), tmp_path / 'large.pth')
    assert read_checkpoint(tmp_path / 'large.pth')['weight'].shape == (8, 2 ** 18)


@pytest.mark.parametrize('value', ['much', '0', '-1', 'nan'])
def test_a_limit_that_is_none_is_refused(tmp_path, monkeypatch, value):
    monkeypatch.setenv('CAPEKIT_MAX_UNPACKED_GIB', value)
    torch.save({}, tmp_path / 'any.pth')
    with pytest.raises(CapekitError, match='CAPEKIT_MAX_UNPACKED_GIB=.* must be a number above 0'):
        read_checkpoint(tmp_path / 'any.pth')
