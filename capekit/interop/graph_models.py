"""Name maps of the two published models with a graph: GraphCape and EdgeCape.

Their files also need what renaming cannot do; `tidy_*` does it first, under the released names.
"""

import re

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
DECODER_LAYER = (
    (r'self_attn\.', 'self_attention.attention.'), (r'norm1\.', 'self_attention.norm.'),
    (r'multihead_attn\.', 'cross_attention.attention.'), (r'choker\.', 'cross_attention.reduce.'),
    (r'norm2\.', 'cross_attention.norm.'), (r'ffn1\.(conv\.)?', 'feed_forward.expand.'),
    (r'ffn2\.(conv\.)?', 'feed_forward.reduce.'), (r'norm3\.', 'feed_forward.norm.'))

# What a file holds besides parameters: constant tables, and a classifier that never runs.
_UNUSED = re.compile(r'backbone\.(head\.|.*(relative_position_index|relative_coords_table|attn_mask)$)')


def tidy_graphcape(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without constants and classifier; stages halve the map where timm's do; graph layers as matrices.

    Raises:
        CapekitError: the model that was called Small until February 2024.
    """
    if any(name.startswith('backbone.upsample.') for name in state):
        raise CapekitError("the file holds GraphCape's older Small model (SwinV2-B, a learned enlargement), which was "
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


def matrix_of(name: str, value: Tensor) -> Tensor:
    """The kernel of a graph layer, (2 * out, in, 1), as a matrix; anything else as it is."""
    return value.squeeze(-1) if re.search(r'ffn[12]\.conv\.weight$', name) else value
