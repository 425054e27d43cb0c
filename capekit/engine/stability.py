"""A hook that shows in the first minutes whether a model learns, stands still or collapses."""

from collections import defaultdict
from typing import Any

import torch
from mmengine.hooks import Hook
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from capekit.choices import Size, checked
from capekit.engine.distributed import unwrapped
from capekit.models.layers import MLP
from capekit.registry import HOOKS
from capekit.structures import Episode

RELUS = (torch.relu, torch.relu_, functional.relu, functional.relu_, Tensor.relu, Tensor.relu_)


@HOOKS.register_module()
class StabilityHook(Hook):
    """Logs, every `interval` iterations, what goes wrong before a loss shows it; training itself is unchanged.

    In the log and its scalars, of this process's batch:

    - `stability/grad_norm`, and `stability/grad_norm_<part>` for the backbone, the head and other parts: L2 norm of the
      gradients before clipping. 0: nothing flows; growing by orders of magnitude: the learning rate is too high.
    - `stability/dead_units`: share of the channels behind a ReLU that are 0 at every position of the batch. A network
      starts with few; a growing share no longer learns.
    - `stability/token_spread`: how much the query tokens of an episode's keypoints differ where the last layer reads
      points from them: the root mean square distance from their mean, relative to their root mean square. Near 0, all
      keypoints have become one. Of heads that read points with `MLP` (CapeFormer, FMMP, SDPNet, GraphCape, EdgeCape).
    - `stability/point_spread`: the standard deviation of the predicted points over an episode's keypoints, relative to
      that of the labels, mean over episodes. Near 0, everything is predicted in one place.

    Methods that adapt (MAML, Fine-tune) have no head and get the gradients alone.

    Args:
        interval: iterations between two measurements; others cost nothing.
    """

    priority = 'HIGH'  # before the logger, which prints after the same iteration

    @checked
    def __init__(self, interval: Size = 50):
        self.interval = interval
        self._activations: _Relus | None = None
        self._tokens: Tensor | None = None
        self._points: Tensor | None = None
        self._found: dict[str, float] = {}
        self._measuring = False

    def before_train(self, runner) -> None:
        model = unwrapped(runner.model)
        wrappers = getattr(runner.optim_wrapper, 'optim_wrappers', dict(optimizer=runner.optim_wrapper))
        for wrapper in wrappers.values():
            self._measure_before_step(wrapper, model)
        head = getattr(model, 'head', None)
        if head is not None:
            for module in head.modules():
                if isinstance(module, MLP):
                    module.register_forward_pre_hook(self._keep_tokens)
            self._keep_points(head)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        self._measuring = self.every_n_train_iters(runner, self.interval)
        if self._measuring:
            self._tokens, self._points, self._found = None, None, {}
            self._activations = _Relus()
            self._activations.__enter__()

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        if not self._measuring or self._activations is None:
            return
        self._activations.__exit__(None, None, None)
        self._measuring = False
        dead, units = self._activations.dead, self._activations.units
        if units:
            self._found['dead_units'] = float(sum(dead)) / units
        if isinstance(data_batch, Episode):
            real = torch.arange(data_batch.query_points.shape[1]) < data_batch.num_keypoints.cpu()[:, None]
            if self._tokens is not None:
                self._found['token_spread'] = token_spread(self._tokens[:, :real.shape[1]], real)
            if self._points is not None:
                self._found['point_spread'] = point_spread(self._points, data_batch)
        for name, value in self._found.items():
            runner.message_hub.update_scalar(f'train/stability/{name}', value)

    def _measure_before_step(self, wrapper, model: nn.Module) -> None:
        """Look at the gradients before `wrapper` clips and uses them."""
        step = wrapper.step

        def measured(**kwargs):
            if self._measuring:
                scaler = getattr(wrapper, 'loss_scaler', None)
                self._found.update(gradient_norms(model, scaler.get_scale() if scaler is not None else 1.0))
            step(**kwargs)
        wrapper.step = measured

    def _keep_tokens(self, module: nn.Module, inputs: tuple) -> None:
        if self._measuring and inputs[0].dim() == 3:
            self._tokens = inputs[0].detach()

    def _keep_points(self, head: Any) -> None:
        """Look at the predictions that `head` computes its loss from."""
        loss = head.loss

        def kept(prediction, episode):
            if self._measuring:
                self._points = prediction.points.detach()
            return loss(prediction, episode)
        head.loss = kept


def gradient_norms(model: nn.Module, scale: float = 1.0) -> dict[str, float]:
    """L2 norms of the gradients of a model and of its parts, divided by `scale`: `grad_norm`, `grad_norm_<part>`."""
    squares: dict[str, Any] = defaultdict(float)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            squares[name.partition('.')[0]] += parameter.grad.detach().double().square().sum()
    norms = {f'grad_norm_{part}': float(square) ** 0.5 / scale for part, square in squares.items()}
    return dict(grad_norm=float(sum(squares.values())) ** 0.5 / scale, **norms)


def token_spread(tokens: Tensor, real: Tensor) -> float:
    """Tokens (B, K, C), real (B, K) bool -> how far they are from their episode's mean, relative to their size."""
    tokens, real = tokens.double().cpu(), real[..., None].double()
    mean = (tokens * real).sum(1, keepdim=True) / real.sum(1, keepdim=True)
    distance, size = (((values * real) ** 2).sum() for values in (tokens - mean, tokens))
    return float((distance / size).sqrt()) if size else 0.0


def point_spread(points: Tensor, episode: Episode) -> float:
    """Points (B, K, 2) -> their spread over the labelled keypoints relative to that of the labels, mean over episodes
    with two labels or more; nan without one."""
    ratios = []
    for predicted, labels, visible in zip(points.double().cpu(), episode.query_points.double().cpu(),
                                          episode.query_visible.cpu(), strict=True):
        if visible.sum() > 1:
            own, theirs = (values[visible].std(0).norm() for values in (predicted, labels))
            if theirs > 0:
                ratios.append(float(own / theirs))
    return sum(ratios) / len(ratios) if ratios else float('nan')


class _Relus(TorchFunctionMode):
    """Counts the channels behind ReLUs, and those of them that are 0 everywhere."""

    def __init__(self):
        super().__init__()
        self.dead: list = []
        self.units = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func in RELUS and result.dim() > 1:
            values = result.detach().movedim(1, -1) if result.dim() == 4 else result.detach()
            self.dead.append((values.flatten(0, -2) <= 0).all(0).sum())
            self.units += values.shape[-1]
        return result
