"""Launchers: what is missing is said before anything starts."""

import pytest
import torch

from capekit.engine.distributed import check_launcher, environment_alone, process_errors
from capekit.errors import CapekitError

NAMES = ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT', 'SLURM_PROCID', 'OMPI_COMM_WORLD_LOCAL_RANK')


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(('launcher', 'missing', 'command'), [
    ('pytorch', 'RANK', 'torchrun'), ('slurm', 'SLURM_PROCID', 'srun'),
    ('mpi', 'OMPI_COMM_WORLD_LOCAL_RANK', 'mpirun')])
def test_a_launcher_without_its_environment(launcher, missing, command):
    with pytest.raises(CapekitError, match=f'--launcher {launcher}: {missing} is not set; {command}'):
        check_launcher(launcher)


def test_one_of_several_processes_without_launcher(monkeypatch):
    check_launcher('none')
    monkeypatch.setenv('RANK', '1')
    monkeypatch.setenv('WORLD_SIZE', '2')
    with pytest.raises(CapekitError, match='process 1 of 2, started by torchrun, but --launcher is missing'):
        check_launcher('none')
    for name in NAMES[3:5]:
        monkeypatch.setenv(name, '1')
    with pytest.raises(CapekitError, match='LOCAL_RANK is not set'):
        check_launcher('pytorch')
    monkeypatch.setenv('LOCAL_RANK', '1')
    check_launcher('pytorch')


def test_a_run_of_its_own_in_a_process_of_torchrun(monkeypatch):
    kept = {'PATH': '/bin', 'OMP_NUM_THREADS': '2'}
    assert environment_alone(kept) == kept
    assert environment_alone({**kept, 'CUDA_VISIBLE_DEVICES': '4,5'})['CUDA_VISIBLE_DEVICES'] == '4,5'
    started = {**kept, **dict.fromkeys(NAMES[:5], '1'), 'GROUP_RANK': '0', 'ROLE_WORLD_SIZE': '2',
               'LOCAL_WORLD_SIZE': '2', 'TORCHELASTIC_RUN_ID': 'none'}
    for count, own in ((0, {}), (1, {'CUDA_VISIBLE_DEVICES': '0'}), (8, {'CUDA_VISIBLE_DEVICES': '1'})):
        monkeypatch.setattr(torch.cuda, 'device_count', lambda count=count: count)
        assert environment_alone(started) == {**kept, **own}
    for visible, own in (('4,GPU-5', 'GPU-5'), ('7', '7'), ('', '')):
        assert environment_alone({**started, 'CUDA_VISIBLE_DEVICES': visible}) == {**kept, 'CUDA_VISIBLE_DEVICES': own}


def test_a_dead_worker_is_one_line():
    with pytest.raises(CapekitError, match='killed by signal: Killed.*a process that loads images died'), \
            process_errors():
        raise RuntimeError('DataLoader worker (pid 7) is killed by signal: Killed. ')
    with pytest.raises(RuntimeError, match='a bug'), process_errors():
        raise RuntimeError('a bug')
