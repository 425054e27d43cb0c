"""Name maps from the authors' published checkpoints to ours."""

import re
from collections.abc import Callable
from pathlib import Path

import torch

from capekit.checkpoint import state_dict_of
from capekit.errors import CapekitError
from capekit.interop.graph_models import (
    DECODER_LAYER,
    EDGECAPE,
    GRAPHCAPE,
    PREDICTOR_LAYER,
    tidy_edgecape,
    tidy_graphcape,
)

# In order; each pattern is matched at the start of the released name.
_CAPEFORMER = (
    (r'encoder_sample\.', 'backbone.network.'),
    (r'encoder_query\.', 'backbone.network.'),
    (r'keypoint_head\.input_proj\.', 'head.query_projection.'),
    (r'keypoint_head\.query_proj\.', 'head.support_projection.'),
    (r'keypoint_head\.transformer\.encoder\.layers\.', 'head.matching.encoder.'),
    (r'keypoint_head\.transformer\.decoder\.layers\.', 'head.decoder.'),
    (r'keypoint_head\.transformer\.decoder\.norm\.', 'head.decoder_norm.'),
    (r'keypoint_head\.transformer\.decoder\.ref_point_head\.layers\.0\.', 'head.position_mlp.0.'),
    (r'keypoint_head\.transformer\.decoder\.ref_point_head\.layers\.1\.', 'head.position_mlp.2.'),
    (r'keypoint_head\.transformer\.proposal_generator\.support_proj\.', 'head.matching.proposals.support_projection.'),
    (r'keypoint_head\.transformer\.proposal_generator\.query_proj\.', 'head.matching.proposals.query_projection.'),
    (r'keypoint_head\.transformer\.proposal_generator\.dynamic_proj\.', 'head.matching.proposals.channel_attention.'),
    (r'keypoint_head\.kpt_branch\.(\d+)\.mlp\.', r'head.offset_mlps.\1.'),
)
_POMNET = (
    (r'encoder_sample\.', 'support_backbone.network.'),
    (r'encoder_query\.', 'backbone.network.'),
    (r'keypoint_head\.input_proj\.', 'head.query_projection.'),
    (r'keypoint_head\.query_proj\.', 'head.support_projection.'),
    (r'keypoint_head\.transformer\.encoder\.layers\.', 'head.encoder.'),
    (r'keypoint_head\.transformer\.decoder\.layers\.', 'head.interaction.'),
    (r'keypoint_head\.transformer\.decoder\.post_norm\.', 'head.interaction_norm.'),
    (r'keypoint_head\.relation_model\.conv\.conv\.', 'head.matching.conv.'),
    (r'keypoint_head\.relation_model\.conv\.bn\.', 'head.matching.norm.'),
    (r'keypoint_head\.deconv_layers\.', 'head.matching.decoder.'),
    (r'keypoint_head\.final_layer\.', 'head.matching.decoder.9.'),
)
_FMMP = (
    (r'backbone\.', 'backbone.network.'),
    (r'backbone_projs\.(\d+)\.0\.', r'head.pyramid.projections.\1.'),
    (r'predictor\.support_layers\.', 'head.support_layers.'),
    (r'predictor\.decoder_layers\.', 'head.query_layers.'),
    (r'predictor\.pos_embed_proj\.layers\.0\.', 'head.position_mlp.0.'),
    (r'predictor\.pos_embed_proj\.layers\.1\.', 'head.position_mlp.2.'),
    (r'predictor\.kpt_branch\.(\d+)\.mlp\.', r'head.offset_mlps.\1.'),
)
# Inside a transformer layer, after its prefix: DETR's names and mmcv's.
_ENCODER_LAYER = ((r'self_attn\.', 'self_attention.attention.'), (r'norm1\.', 'self_attention.norm.'),
                  (r'linear1\.', 'feed_forward.expand.'), (r'linear2\.', 'feed_forward.reduce.'),
                  (r'norm2\.', 'feed_forward.norm.'))
_DECODER_LAYER = ((r'self_attn\.', 'self_attention.attention.'), (r'norm1\.', 'self_attention.norm.'),
                  (r'multihead_attn\.', 'cross_attention.attention.'), (r'choker\.', 'cross_attention.reduce.'),
                  (r'norm2\.', 'cross_attention.norm.'), (r'linear1\.', 'feed_forward.expand.'),
                  (r'linear2\.', 'feed_forward.reduce.'), (r'norm3\.', 'feed_forward.norm.'))
_MMCV_LAYER = ((r'attentions\.0\.attn\.', 'self_attention.attention.'), (r'norms\.0\.', 'self_attention.norm.'),
               (r'ffns\.0\.layers\.0\.0\.', 'feed_forward.expand.'),
               (r'ffns\.0\.layers\.1\.', 'feed_forward.reduce.'))
_MMCV_ENCODER_LAYER = (*_MMCV_LAYER, (r'norms\.1\.', 'feed_forward.norm.'))
_MMCV_DECODER_LAYER = (*_MMCV_LAYER, (r'attentions\.1\.attn\.', 'cross_attention.attention.'),
                       (r'norms\.1\.', 'cross_attention.norm.'), (r'norms\.2\.', 'feed_forward.norm.'))
_SIDE_ATTENTION = r'deform_attn\.attn_layers\.(\d+)\.'
_FMMP_LAYER = ((r'self_attn\.', 'self_attention.attention.'), (r'self_norm1\.', 'self_attention.norm.'),
               (r'self_linear1\.', 'self_feed_forward.expand.'), (r'self_linear2\.', 'self_feed_forward.reduce.'),
               (r'self_norm2\.', 'self_feed_forward.norm.'),
               (_SIDE_ATTENTION + r'sampling_offsets\.', r'sampler.attentions.\1.offsets.'),
               (_SIDE_ATTENTION + r'attention_weights\.', r'sampler.attentions.\1.weights.'),
               (_SIDE_ATTENTION + r'value_proj\.', r'sampler.attentions.\1.value_projection.'),
               (_SIDE_ATTENTION + r'output_proj\.', r'sampler.attentions.\1.output_projection.'),
               (r'deform_attn\.projector\.0\.', 'sampler.reduce.'), (r'norm1\.', 'norm.'),
               (r'linear1\.', 'feed_forward.expand.'), (r'linear2\.', 'feed_forward.reduce.'),
               (r'norm2\.', 'feed_forward.norm.'))


def _rename(part: str, rules: tuple, name: str) -> str:
    """A part of the parameter `name` under our names."""
    for pattern, replacement in rules:
        new, count = re.subn('^' + pattern, replacement, part, count=1)
        if count:
            return new
    raise CapekitError(f'no place for parameter {name!r}')


def _renamer(rules: tuple, **layers: tuple) -> Callable[[str], str]:
    """Released name -> ours; `layers` are the rules inside `<name>.<index>.`, by name."""
    def rename(name: str) -> str:
        new = _rename(name, rules, name)
        layer = re.match(rf'(head\.(?:matching\.)?({"|".join(map(re.escape, layers))})\.\d+\.)(.*)', new)
        return layer[1] + _rename(layer[3], layers[layer[2]], name) if layer else new
    return rename


CONVERTERS: dict[str, Callable[[str], str]] = dict(
    capeformer=_renamer(_CAPEFORMER, encoder=_ENCODER_LAYER, decoder=_DECODER_LAYER),
    edgecape=_renamer(EDGECAPE, **{'encoder': _ENCODER_LAYER, 'decoder.layers': DECODER_LAYER,
                                   'predictor.layers': PREDICTOR_LAYER}),
    fmmp=_renamer(_FMMP, support_layers=_FMMP_LAYER, query_layers=_FMMP_LAYER),
    graphcape=_renamer(GRAPHCAPE, **{'encoder': _ENCODER_LAYER, 'decoder.layers': DECODER_LAYER}),
    pomnet=_renamer(_POMNET, encoder=_MMCV_ENCODER_LAYER, interaction=_MMCV_DECODER_LAYER))
_OURS = re.compile(r'head\.|(support_)?backbone\.network\.')
# What has to be done to a file before its parameters are renamed.
_TIDY: dict[str, Callable[[dict], dict]] = dict(edgecape=tidy_edgecape, graphcape=tidy_graphcape)


def convert(method: str, content: dict, path: str | Path = 'content') -> dict:
    """The state dict of a published checkpoint under our names.

    Args:
        method: one of `CONVERTERS`.
        content: the file's content: a state dict, or a dict that holds one as `state_dict`.
        path: of the file, for messages.

    Raises:
        CapekitError: unknown method, no state dict, a parameter that the method does not have, or two parameters that
            should be shared and differ.
    """
    if method not in CONVERTERS:
        raise CapekitError(f'method {method!r} is not one of {", ".join(CONVERTERS)}')
    state = state_dict_of(content, path)
    try:
        return _converted(method, state)
    except CapekitError as error:
        hint = '; it has names of capekit, so it may be converted already' if any(map(_OURS.match, state)) else ''
        raise CapekitError(f'{path}: not a released file of {method}: {error}{hint}') from None


def _converted(method: str, state: dict) -> dict:
    converted: dict[str, torch.Tensor] = {}
    for name, value in _TIDY.get(method, dict)(state).items():
        new = CONVERTERS[method](name)
        if new in converted and not torch.equal(converted[new], value):
            raise CapekitError(f'parameter {name!r} differs from the one it is shared with')
        converted[new] = value
    return converted
