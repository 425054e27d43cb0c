"""Heads: one published method a file.

How to add a method: write one file here with an `nn.Module` that has the five parts below, register it with
`@MODELS.register_module()`, import it at the bottom of this file, and write one config that names it. In a package of
your own, `custom_imports` in the config takes the place of the import.

    __init__(in_channels, ...)
        `in_channels`, where it is asked for, are the channels of the backbone's maps, fine to coarse.
    encode_support(maps, points, visible) -> dict
        What is kept of N support images. `maps`: the backbone's list of (N, C_i, H_i, W_i); `points` (N, K, 2);
        `visible` (N, K) bool. Returns tensors (N, ...). It sees single images, never an episode.
    encode_query(maps) -> dict
        What is kept of N query images, tensors (N, ...).
    prepare(support, task) -> dict
        Everything that B support sets say without a query: `support` as above with (B, S, ...) in front, `task` the
        `Task` of their categories (`num_keypoints` (B,), `links`, keypoint `names`). Returns tensors (B, ...). Done
        once per support set. Slots k >= num_keypoints[b] are padding: whatever they hold, the answers of the real
        slots do not change.
    answer(state, query) -> Prediction
        The answer to B queries: `state` of `prepare`, repeated where queries share their supports, `query` as above.
    loss(prediction, episode) -> dict
        Named scalars from a prediction and its `Episode`; names with `loss` are summed.

`tests/models/test_sweep.py` holds every registered head to: finite answers, a gradient on every
parameter, batch = one by one, padding and shot order change nothing (the last, for a head that numbers
its shots, with `shot_order` off; the released FMMP, to which the last shot matters, is excepted by name).
"""

from .capeformer import CapeFormerHead
from .fmmp import FMMPHead
from .pomnet import POMNetHead
from .protonet import ProtoNetHead
from .sdpnet import SDPNetHead

__all__ = ['CapeFormerHead', 'FMMPHead', 'POMNetHead', 'ProtoNetHead', 'SDPNetHead']
