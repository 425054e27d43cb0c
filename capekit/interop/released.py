"""Name maps from the authors' published checkpoints to ours."""

import re
from collections.abc import Callable

import torch

from capekit.errors import CapekitError

# In order; each pattern is matched at the start of the released name.
_CAPEFORMER = (
    (r'encoder_sample\.', 'backbone.network.'),
    (r'encoder_query\.', 'backbone.network.'),
    (r'keypoint_head\.input_proj\.', 'head.query_projection.'),
    (r'keypoint_head\.query_proj\.', 'head.support_projection.'),
    (r'keypoint_head\.transformer\.encoder\.layers\.', 'head.encoder.'),
    (r'keypoint_head\.transformer\.decoder\.layers\.', 'head.decoder.'),
    (r'keypoint_head\.transformer\.decoder\.norm\.', 'head.decoder_norm.'),
    (r'keypoint_head\.transformer\.decoder\.ref_point_head\.layers\.0\.', 'head.position_mlp.0.'),
    (r'keypoint_head\.transformer\.decoder\.ref_point_head\.layers\.1\.', 'head.position_mlp.2.'),
    (r'keypoint_head\.transformer\.proposal_generator\.support_proj\.', 'head.proposal_generator.support_projection.'),
    (r'keypoint_head\.transformer\.proposal_generator\.query_proj\.', 'head.proposal_generator.query_projection.'),
    (r'keypoint_head\.transformer\.proposal_generator\.dynamic_proj\.', 'head.proposal_generator.channel_attention.'),
    (r'keypoint_head\.kpt_branch\.(\d+)\.mlp\.', r'head.offset_mlps.\1.'),
)
# Inside a transformer layer, after its prefix.
_ENCODER_LAYER = ((r'self_attn\.', 'self_attention.attention.'), (r'norm1\.', 'self_attention.norm.'),
                  (r'linear1\.', 'feed_forward.expand.'), (r'linear2\.', 'feed_forward.reduce.'),
                  (r'norm2\.', 'feed_forward.norm.'))
_DECODER_LAYER = ((r'self_attn\.', 'self_attention.attention.'), (r'norm1\.', 'self_attention.norm.'),
                  (r'multihead_attn\.', 'cross_attention.attention.'), (r'choker\.', 'cross_attention.reduce.'),
                  (r'norm2\.', 'cross_attention.norm.'), (r'linear1\.', 'feed_forward.expand.'),
                  (r'linear2\.', 'feed_forward.reduce.'), (r'norm3\.', 'feed_forward.norm.'))


def _rename(name: str, rules: tuple) -> str:
    for pattern, replacement in rules:
        new, count = re.subn('^' + pattern, replacement, name, count=1)
        if count:
            return new
    raise CapekitError(f'parameter {name!r} is not one of the released model')


def _capeformer(name: str) -> str:
    name = _rename(name, _CAPEFORMER)
    layer = re.match(r'(head\.(encoder|decoder)\.\d+\.)(.*)', name)
    if layer:
        rules = _ENCODER_LAYER if layer[2] == 'encoder' else _DECODER_LAYER
        name = layer[1] + _rename(layer[3], rules)
    return name


CONVERTERS: dict[str, Callable[[str], str]] = dict(capeformer=_capeformer)


def convert(method: str, content: dict) -> dict:
    """The state dict of a published checkpoint under our names.

    Args:
        method: one of `CONVERTERS`.
        content: the file's content: a state dict, or a dict that holds one as `state_dict`.

    Raises:
        CapekitError: unknown method, a parameter that the method does not have, or two parameters that ought to be one
            shared one and differ.
    """
    if method not in CONVERTERS:
        raise CapekitError(f'method {method!r} is not one of {", ".join(CONVERTERS)}')
    state = content.get('state_dict', content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise CapekitError('the file holds no state dict')
    converted = {}
    for name, value in state.items():
        new = CONVERTERS[method](name)
        if new in converted and not torch.equal(converted[new], value):
            raise CapekitError(f'parameter {name!r} differs from the one it is shared with: not a file of {method!r}')
        converted[new] = value
    return converted
