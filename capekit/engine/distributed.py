"""Joining and leaving the processes of a distributed run, and one line for each way in which one of them can end."""

import contextlib
import os
import re
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.dist import barrier, broadcast_object_list, init_dist, is_distributed, is_main_process
from mmengine.model import is_model_wrapper
from mmengine.utils.dl_utils import set_multi_processing
from torch import nn

from capekit.checkpoint import first_line
from capekit.errors import CapekitError
from capekit.locks import Lock

# Launcher -> what it sets for each process, and how to start it.
_ENVIRONMENT = dict(
    pytorch=(('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'),
             'torchrun (tools/dist_train.sh CONFIG GPUS)'),
    slurm=(('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_NODELIST'), 'srun (tools/slurm_train.sh)'),
    mpi=(('OMPI_COMM_WORLD_LOCAL_RANK', 'OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'), 'mpirun'))
# What torchrun sets for each process, beside TORCHELASTIC_*.
_TORCHRUN = {'RANK', 'LOCAL_RANK', 'GROUP_RANK', 'ROLE_RANK', 'ROLE_NAME', 'WORLD_SIZE', 'LOCAL_WORLD_SIZE',
             'GROUP_WORLD_SIZE', 'ROLE_WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'}
_LOST_PEER = re.compile(r'gloo|nccl|Connection (closed|reset)|Broken pipe|store', re.IGNORECASE)


def unwrapped(model: nn.Module) -> Any:
    """The model without the wrapper of a distributed run."""
    return model.module if is_model_wrapper(model) else model


def check_launcher(launcher: str) -> None:
    """Whether `--launcher` and the process's environment agree.

    Raises:
        CapekitError: one of several processes without `--launcher`, which would each do the whole work and write the
            same files; or a launcher whose variables are missing.
    """
    if launcher == 'none':
        size = os.environ.get('WORLD_SIZE', '1')
        if 'RANK' in os.environ and size != '1':
            raise CapekitError(f'this is process {os.environ["RANK"]} of {size}, started by torchrun, but --launcher '
                               'is missing: each would do the whole work and write the same files; add --launcher '
                               'pytorch')
        return
    variables, command = _ENVIRONMENT[launcher]
    missing = [name for name in variables if name not in os.environ]
    if missing:
        raise CapekitError(f'--launcher {launcher}: {missing[0]} is not set; {command} starts the processes and sets '
                           'it; for a single process, leave --launcher out')
    if launcher != 'pytorch' and not torch.cuda.is_available():
        raise CapekitError(f'--launcher {launcher} needs a GPU; on CPUs, start with torchrun and --launcher pytorch')


def join_distributed(launcher: str, env_cfg: dict) -> None:
    """Join the process group of a launcher: mmengine's backend on GPUs, gloo without.

    Raises:
        CapekitError: as `check_launcher`, or the processes do not find each other.
    """
    check_launcher(launcher)
    if launcher == 'none' or is_distributed():
        return
    try:
        if torch.cuda.is_available():
            set_multi_processing(**env_cfg.get('mp_cfg', {}), distributed=True)
            init_dist(launcher, **env_cfg.get('dist_cfg', {}))
        else:
            torch.distributed.init_process_group('gloo')
    except (RuntimeError, ValueError) as error:
        raise CapekitError(f'--launcher {launcher}: the processes do not find each other: {first_line(error)}'
                           ) from None


def environment_alone(environment: Mapping[str, str]) -> dict[str, str]:
    """What a run by itself is started with: `environment` without torchrun's variables.

    In a process of torchrun it sees one of the visible GPUs, by LOCAL_RANK; more processes than GPUs share them.
    """
    kept = {name: value for name, value in environment.items()
            if name not in _TORCHRUN and not name.startswith('TORCHELASTIC_')}
    if 'LOCAL_RANK' not in environment:
        return kept
    visible = environment.get('CUDA_VISIBLE_DEVICES')
    gpus = list(map(str, range(torch.cuda.device_count()))) if visible is None else visible.split(',')
    return {**kept, 'CUDA_VISIBLE_DEVICES': gpus[int(environment['LOCAL_RANK']) % len(gpus)]} if gpus else kept


def lock_for_all(path: str, what: str) -> Lock | None:
    """A `Lock` held by the main process; None in the others. Creates the folder of `path`.

    Raises:
        CapekitError: in every process, if another run has it.
    """
    lock, problem = None, ['']
    if is_main_process():
        try:
            os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
            lock = Lock(path, what)
        except (CapekitError, OSError) as error:
            problem = [str(error)]
    broadcast_object_list(problem)
    if problem[0]:
        raise CapekitError(problem[0])
    return lock


def leave_distributed() -> None:
    """End a run: wait for the other processes, so that none exits while another still communicates with it."""
    if is_distributed():
        barrier()
        torch.distributed.destroy_process_group()


def _lost_worker(error: Exception) -> CapekitError:
    return CapekitError(f'{first_line(error)}: a process that loads images died, often for lack of memory; '
                        'train_dataloader.num_workers says how many there are')


@contextlib.contextmanager
def process_errors() -> Iterator[None]:
    """Turns the death of a data loader worker, or of another process of the run, into a CapekitError."""
    try:
        yield
    except CapekitError:
        raise
    except (ConnectionError, EOFError, FileNotFoundError) as error:
        # It died between announcing a batch and handing over its memory.
        if any(frame.filename.endswith('resource_sharer.py') for frame in traceback.extract_tb(error.__traceback__)):
            raise _lost_worker(error) from None
        raise
    except RuntimeError as error:
        if re.match(r'DataLoader worker \(pid', str(error)):
            raise _lost_worker(error) from None
        if is_distributed() and _LOST_PEER.search(str(error)):
            raise CapekitError('another process of this run has ended; its message says why '
                               f'({first_line(error)[:120]})') from None
        raise
