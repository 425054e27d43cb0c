"""Parameters, FLOPs, time and memory of a model, the support side and the query side apart; see `engine/costs.py`."""

import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch

from capekit.engine.costs import blank_episode, count_parameters, counted, prepared, wanting_no_gradient
from capekit.models.backbones.timm_network import TimmNetwork
from capekit.structures import Episode

IMAGE_SIZE = 256
"""Of models that take any."""


@dataclass
class Rates:
    """What this machine does at best, the fastest of several; on a CPU on as many threads as torch has."""

    flops: float
    """Per second, in float32 matrix products of 1024 rows and columns."""
    read_bytes: float
    """Per second, in sums over 256 MiB, more than caches hold."""

    @classmethod
    def measured(cls, device: str, rounds: int = 5) -> 'Rates':
        side, count = 1024, 2 ** 26
        matrix, values = torch.rand(side, side, device=device), torch.zeros(count, device=device)

        def best(function: Callable) -> float:
            return min(_seconds(function, values.device) for _ in range(rounds))

        return cls(flops=2 * side ** 3 / best(lambda: matrix @ matrix), read_bytes=4 * count / best(values.sum))

    def products_ms(self, flops: float, parameters: float) -> float:
        """Milliseconds of doing every FLOP, or of reading every float32 parameter once if that takes longer."""
        return 1000 * max(flops / self.flops, 4 * parameters / self.read_bytes)


@dataclass
class Complexity:
    """Of one model with one number of shots."""

    parameters: int
    """All of them, frozen ones too; buffers such as BatchNorm's statistics are none."""
    backbone_parameters: int
    """Of the backbone or backbones alone."""
    support_flops: int
    """Encoding the supports and preparing the state, once per support set; adaptation to the supports included."""
    query_flops: int
    """Encoding a query and answering it from the state."""
    query_ms: float
    """Milliseconds of the same, the fastest of several; on a CPU of processor time, which other programs lengthen less:
    with one thread, what a clock shows on a quiet machine."""
    products_ms: float
    """What as many FLOPs take in matrix products, see `Rates`; some convolutions are faster."""
    memory_mib: float
    """Peak of the process, or on a GPU of what torch allocated, since `measure` was called in a fresh process."""

    def as_dict(self) -> dict:
        return asdict(self)


def measure(estimator, shots: int, rates: Rates, keypoints: int = 17, rounds: int = 3) -> Complexity:
    """Run one episode, on the estimator's device.

    Args:
        estimator: from `init_estimator`, in eval mode.
        shots: supports.
        rates: of that device.
        keypoints: of the category.
        rounds: timings of the query side; the fastest counts.
    """
    device = next(estimator.parameters(), torch.empty(0)).device
    episode = blank_episode(estimator.image_size or IMAGE_SIZE, keypoints, shots).to(device)
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    with torch.no_grad(), wanting_no_gradient(estimator):
        state, support_flops = counted(lambda: prepared(estimator, episode))
        query = _query_side(estimator, episode, state)
        _, query_flops = counted(query)
        seconds = min(_seconds(query, device) for _ in range(rounds))
    memory = (torch.cuda.max_memory_allocated() if device.type == 'cuda'
              else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    backbones = [module for module in estimator.modules() if isinstance(module, TimmNetwork)]
    parameters = count_parameters(estimator)
    return Complexity(parameters=parameters, backbone_parameters=sum(map(count_parameters, backbones)),
                      support_flops=support_flops, query_flops=query_flops, query_ms=1000 * seconds,
                      products_ms=rates.products_ms(query_flops, parameters), memory_mib=memory / 2 ** 20)


def _query_side(estimator, episode: Episode, state: dict) -> Callable:
    return lambda: estimator.answer(state, estimator.encode_query(episode.query_images))


def _seconds(function: Callable, device: torch.device) -> float:
    clock = time.perf_counter if device.type == 'cuda' else time.process_time
    start = clock()
    function()
    if device.type == 'cuda':
        torch.cuda.synchronize()
    return clock() - start
