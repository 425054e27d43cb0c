"""Heads: one published method per file.

To add a method: write one file here with an `nn.Module` that has the parts below, register it with
`@MODELS.register_module()`, import it at the bottom of this file, and write one config that names it. In a package of
your own, `custom_imports` in the config replaces the import.

    __init__(in_channels, ...)
        `in_channels`, if the head takes it: the channels of the backbone's maps, fine to coarse.
    encode_support(maps, points, visible) -> dict
        Features of N support images. `maps`: the backbone's list of (N, C_i, H_i, W_i); `points` (N, K, 2); `visible`
        (N, K) bool. Returns tensors (N, ...). It sees single images, never an episode.
    encode_query(maps) -> dict
        Features of N query images, tensors (N, ...).
    encode(maps, points, visible) -> (dict, dict)
        Only if supports and queries have features in common: both of the same N images. A test keeps a tensor that both
        dicts have under one name once.
    prepare(support, task) -> dict
        Everything that depends on B support sets without a query: `support` as above with (B, S, ...) in front, `task`
        the `Task` of their categories (`num_keypoints` (B,), `links`, keypoint `names`). Returns tensors (B, ...).
        Called once per support set. Slots k >= num_keypoints[b] are padding: whatever they hold, the answers for the
        real slots do not change.
    answer(state, query) -> Prediction
        The answer to B queries: `state` from `prepare`, repeated where queries share their supports, `query` as above.
    loss(prediction, episode) -> dict
        Named scalars from a prediction and its `Episode`; those with `loss` in their name are summed.
    frozen = True
        As a class attribute, for a method without anything to train: it takes its backbone's published weights.

`tests/models/test_sweep.py` checks for every registered head: finite answers, a gradient on every parameter, batch =
one by one, no change from padding or shot order (the latter, for a head that numbers its shots, with `shot_order` off;
the released FMMP, to which the last shot matters, is exempt by name).
"""

from .capeformer import CapeFormerHead
from .edgecape import EdgeCapeHead
from .feature_matching import FeatureMatchingHead
from .fmmp import FMMPHead
from .graphcape import GraphCapeHead
from .pomnet import POMNetHead
from .protonet import ProtoNetHead
from .sdpnet import SDPNetHead

__all__ = ['CapeFormerHead', 'EdgeCapeHead', 'FMMPHead', 'FeatureMatchingHead', 'GraphCapeHead', 'POMNetHead',
           'ProtoNetHead', 'SDPNetHead']
