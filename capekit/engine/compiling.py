"""torch.compile of what it can take as a whole."""

import torch
from mmengine.logging import print_log

from capekit.engine.distributed import unwrapped
from capekit.errors import CapekitError


def compile_parts(model, options: dict) -> None:
    """Compile the backbones of an estimator, and its head for any number of keypoints.

    mmengine would compile the whole training step, which breaks into several graphs and is traced anew with the names
    in `Episode.meta`. Most heads are three graphs: `prepare`, `answer` and `loss`; tests/engine/test_compiling.py
    counts them.

    Args:
        model: an estimator, or its wrapper.
        options: of `torch.compile`, such as dict(mode='reduce-overhead').

    Raises:
        CapekitError: a method without a head, which learns within an episode.
    """
    estimator = unwrapped(model)
    head = getattr(estimator, 'head', None)
    if head is None:
        raise CapekitError(f'compile: {type(estimator).__name__} has no head; leave it out of the config')
    for name in ('prepare', 'answer', 'loss'):
        setattr(head, name, torch.compile(getattr(head, name), **{'dynamic': True, **options}))
    for network in filter(None, (estimator.backbone, estimator.support_backbone)):
        network.forward = torch.compile(network.forward, **options)
    print_log('compile: the first steps take minutes', 'current')
