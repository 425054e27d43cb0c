"""Name maps of the two published models with a graph: GraphCape and EdgeCape.

Their files also need what renaming cannot do; `tidy_*` does it first, under the released names.
"""

import re

import torch
from torch import Tensor

from capekit.errors import CapekitError


def _head(prefix: str) -> tuple:
    """Rules for a head below `prefix`, which both models lay out alike."""
    decoder, proposals = rf'{prefix}transformer\.decoder\.', rf'{prefix}transformer\.proposal_generator\.'
    return (
        (rf'{prefix}input_proj\.', 'head.query_projection.'),
        (rf'{prefix}query_proj\.', 'head.support_projection.'),
        (rf'{prefix}transformer\.encoder\.layers\.', 'head.matching.encoder.'),
        (rf'{decoder}layers\.', 'head.decoder.layers.'),
        (rf'{decoder}norm\.', 'head.decoder.norm.'),
        (rf'{decoder}ref_point_head\.layers\.0\.', 'head.decoder.position_mlp.0.'),
        (rf'{decoder}ref_point_head\.layers\.1\.', 'head.decoder.position_mlp.2.'),
        (rf'{proposals}support_proj\.', 'head.matching.proposals.support_projection.'),
        (rf'{proposals}query_proj\.', 'head.matching.proposals.query_projection.'),
        (rf'{proposals}dynamic_proj\.', 'head.matching.proposals.channel_attention.'),
        (rf'{prefix}kpt_branch\.(\d+)\.mlp\.', r'head.decoder.offset_mlps.\1.'),
    )


GRAPHCAPE = (
    *_head(r'keypoint_head\.'),
    (r'backbone\.norm\.', 'backbone.last_norm.'),
    (r'backbone\.layers\.(\d)\.', r'backbone.network.layers_\1.'),
    (r'backbone\.', 'backbone.network.'),
)
_EDGE_HEAD = r'keypoint_head_module\.'
EDGECAPE = (
    *_head(_EDGE_HEAD),
    (rf'{_EDGE_HEAD}transformer\.mask_token', 'head.mask_token'),
    (rf'{_EDGE_HEAD}skeleton_head\.image_project\.', 'head.predictor.projection.'),
    (rf'{_EDGE_HEAD}skeleton_head\.zero_conv\.', 'head.predictor.edge.'),
    (rf'{_EDGE_HEAD}skeleton_head\.skeleton_predictor\.', 'head.predictor.layers.'),
    (r'encoder_(sample|query)\.', 'backbone.network.model.'),
)
DECODER_LAYER = (
    (r'self_attn\.markov_structural_mlp\.', 'bias_mlp.'),
    (r'self_attn\.', 'self_attention.attention.'), (r'norm1\.', 'self_attention.norm.'),
    (r'multihead_attn\.', 'cross_attention.attention.'), (r'choker\.', 'cross_attention.reduce.'),
    (r'norm2\.', 'cross_attention.norm.'), (r'ffn1\.(conv\.)?', 'feed_forward.expand.'),
    (r'ffn2\.(conv\.)?', 'feed_forward.reduce.'), (r'norm3\.', 'feed_forward.norm.'))

PREDICTOR_LAYER = (
    (r'cross_attn_image_to_token\.', 'pixels.attention.'), (r'cross_attn_image_to_token_choker\.', 'pixels.reduce.'),
    (r'norm4\.', 'pixels.norm.'), *((pattern, f'keypoints.{replacement}') for pattern, replacement in DECODER_LAYER))

# What a file holds besides parameters: constant tables, and a classifier that never runs.
_UNUSED = re.compile(r'backbone\.(head\.|.*(relative_position_index|relative_coords_table|attn_mask)$)')


def tidy_graphcape(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without constants and classifier; stages halve the map where timm's do; graph layers as matrices.

    Raises:
        CapekitError: the model that was called Small until February 2024.
    """
    if any(name.startswith('backbone.upsample.') for name in state):
        raise CapekitError("it holds GraphCape's older Small model (SwinV2-B, a learned enlargement), which was "
                           'replaced in February 2024; only the models since then can be converted')
    tidied = {}
    for name, value in state.items():
        if _UNUSED.match(name):
            continue
        # The release halves the map at the end of a stage, timm at the start of the next.
        name = re.sub(r'^backbone\.layers\.(\d)\.downsample',
                      lambda found: f'backbone.layers.{int(found[1]) + 1}.downsample', name)
        tidied[name] = matrix_of(name, value)
    return tidied


# Left over from the first release, and DINOv2's own token for hidden patches, which is never read.
_LEFT_OVER = re.compile(r'keypoint_head_module\.skeleton_head\.(k_proj|q_proj|mh_linear)\.|encoder_\w+\.mask_token$')
_SPLIT = re.compile(r'(.*self_attn\.)([qkv])_proj\.(weight|bias)$')
_FFN_WIDTH = 384


def tidy_edgecape(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without left-overs; graph layers as matrices; query, key and value of an attention in one, as torch stores them.

    Files of the first two training stages have no bias network: they get one as it is when training starts.

    Raises:
        CapekitError: the first release, another model of the same name.
    """
    width = next((value.shape[0] for name, value in state.items() if name.endswith('ffn1.conv.weight')), 0)
    if width and width != 2 * _FFN_WIDTH or any('.dpt' in name.lower() for name in state):
        raise CapekitError("it holds EdgeCape's first release (before February 2026: another read-out of DINOv2, "
                           'layers of 768), which is another model; only the later one can be converted')
    parts: dict[str, dict[str, Tensor]] = {}
    tidied = {}
    for name, value in state.items():
        if _LEFT_OVER.match(name):
            continue
        if split := _SPLIT.match(name):
            parts.setdefault(f'{split[1]}in_proj_{split[3]}', {})[split[2]] = value
            continue
        tidied[name] = value.flatten(1) if name.endswith('zero_conv.weight') else matrix_of(name, value)
    tidied.update({name: torch.cat([given[part] for part in 'qkv']) for name, given in parts.items()})
    for name in [name for name in tidied if re.search(r'decoder\.layers\.\d+\.self_attn\.in_proj_weight$', name)]:
        prefix = name.replace('in_proj_weight', 'markov_structural_mlp.')
        if f'{prefix}0.weight' not in tidied:
            tidied.update({f'{prefix}{key}': value for key, value in _fresh_bias_network().items()})
    return tidied


def _fresh_bias_network() -> dict[str, Tensor]:
    """Five powers of the graph to eight heads: Xavier-uniform weights, no biases; the same in every file."""
    generator = torch.Generator().manual_seed(0)

    def draw(outputs: int, inputs: int) -> Tensor:
        return (2 * torch.rand(outputs, inputs, generator=generator) - 1) * (6 / (inputs + outputs)) ** 0.5
    return {'0.weight': draw(12, 5), '0.bias': torch.zeros(12), '3.weight': draw(8, 12), '3.bias': torch.zeros(8)}


def matrix_of(name: str, value: Tensor) -> Tensor:
    """The kernel of a graph layer, (2 * out, in, 1), as a matrix; anything else as it is."""
    return value.squeeze(-1) if re.search(r'ffn[12]\.conv\.weight$', name) else value
