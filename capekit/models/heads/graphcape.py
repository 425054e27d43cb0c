"""GraphCape: CapeFormer with a graph convolution over the category's skeleton (Hirschorn and Avidan, ECCV 2024).

The paper is "A Graph-Based Approach for Category-Agnostic Pose Estimation"; its code is called Pose Anything. This is
what the released model computes; `tools/convert_checkpoint.py graphcape` renames the parameters of its checkpoints.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from capekit.choices import Channels, Count, Dropout, Heads, Positive, Size, Weight, checked
from capekit.models.layers import (
    Graph,
    GraphDecoder,
    GraphPlace,
    Matching,
    MissingLinks,
    gaussian_heatmaps,
    heatmap_pooling,
    init_xavier,
    link_matrix,
    linked,
    masked_keys,
    normalise_rows,
    seen_by_all,
)
from capekit.models.losses import SimilarityError, layer_losses, matching_losses
from capekit.registry import MODELS
from capekit.structures import Episode, Prediction, Task


@MODELS.register_module()
class GraphCapeHead(nn.Module):
    """CapeFormer's matching and refinement without keypoint identifiers, with the skeleton in every decoder layer.

    Nothing depends on a keypoint's place in the list. A keypoint without links keeps its own feature alone.

    Args:
        in_channels: of the backbone's maps, fine to coarse; only the coarsest is used.
        enlarge: factor by which that map is enlarged, bilinearly; 2 makes stride 16 of stride 32.
        channels: C of every token.
        num_heads, hidden_channels, dropout: of every transformer layer.
        graph: place of the graph convolution in the decoder's feed-forward layers: 'pre' (released: the first of the
            two), 'post', 'both', or 'none' (the released `base` models).
        normalisation: 'release' divides what a keypoint tells its neighbours by its own number of neighbours;
            'textbook' divides what it hears from them, which makes it their mean.
        missing_links: for a category without links: 'none', or 'spanning_tree', the shortest tree over the support
            keypoints; either is logged.
        encoder_layers, decoder_layers: number of layers.
        heatmap_weight, proposal_weight: loss weights; 0 leaves the term out.
        similarity_error: as in CapeFormer.
        heatmap_size, sigma: of the support pooling and of the target maps, in cells.
    """

    @checked
    def __init__(self, in_channels: Sequence[int], enlarge: Size = 2, channels: Channels = 256, num_heads: Heads = 8,
                 hidden_channels: Size = 768, dropout: Dropout = 0.1, graph: GraphPlace = 'pre',
                 normalisation: Literal['release', 'textbook'] = 'release',
                 missing_links: MissingLinks = 'none', encoder_layers: Count = 3, decoder_layers: Size = 3,
                 heatmap_weight: Weight = 2.0, proposal_weight: Weight = 1.0,
                 similarity_error: SimilarityError = 'squared', heatmap_size: Size = 64, sigma: Positive = 1.0):
        super().__init__()
        self.enlarge, self.channels, self.normalisation = enlarge, channels, normalisation
        self.missing_links, self.heatmap_size, self.sigma = missing_links, heatmap_size, sigma
        self.matching_losses = partial(matching_losses, heatmap_weight=heatmap_weight, proposal_weight=proposal_weight,
                                       similarity_error=similarity_error)
        self.query_projection = nn.Conv2d(in_channels[-1], channels, 1)
        self.support_projection = nn.Linear(in_channels[-1], channels)
        self.matching = Matching(channels, num_heads, hidden_channels, dropout, encoder_layers)
        self.decoder = GraphDecoder(decoder_layers, channels, num_heads, hidden_channels, dropout, graph, placed=True)
        init_xavier(self)

    def _enlarged(self, maps: list) -> Tensor:
        if self.enlarge == 1:
            return maps[-1]
        return F.interpolate(maps[-1], scale_factor=self.enlarge, mode='bilinear', align_corners=False)

    def encode_support(self, maps: list, points: Tensor, visible: Tensor) -> dict:
        """Features pooled from the enlarged map, `keypoints` (N, K, C_in); `seen` (N, K) bool; `points` (N, K, 2)."""
        heatmaps, seen = gaussian_heatmaps(points, visible, self.heatmap_size, self.sigma)
        return dict(keypoints=heatmap_pooling(self._enlarged(maps), heatmaps), seen=seen, points=points)

    def encode_query(self, maps: list) -> dict:
        """`pixels` (N, C, H, W): the enlarged map, projected; and what matching computes `ahead`."""
        pixels = self.query_projection(self._enlarged(maps))
        return dict(self.matching.ahead(pixels), pixels=pixels)

    def prepare(self, support: dict, task: Task) -> dict:
        """`tokens` (B, K, C), `mask` (B, K) bool, the keypoints that every support sees, and `graph` (B, K, K).

        Links lead nowhere but to keypoints that every support sees. If there is none, the first slot counts.
        """
        task = linked(task, support['points'], support['seen'], self.missing_links, 'GraphCapeHead')
        mask = seen_by_all(support['seen'], task.num_keypoints)
        graph = normalise_rows(link_matrix(task.links, ~masked_keys(mask)))
        if self.normalisation == 'release':
            graph = graph.transpose(1, 2)
        tokens = self.support_projection(support['keypoints'].mean(1) * mask[..., None])
        return dict(tokens=tokens, mask=mask, graph=graph)

    def answer(self, state: dict, query: dict) -> Prediction:
        """Answer B queries; see `models/heads/__init__.py`. `extras` as CapeFormer's."""
        mask, tokens = state['mask'], state['tokens']
        match = self.matching(query['pixels'], tokens, torch.zeros_like(tokens), mask, query)
        layers = self.decoder(match.tokens, match.extras['peaks'], match.pixels, match.pixel_position,
                              Graph(~masked_keys(mask), state['graph'])).points
        return Prediction(points=layers[-1], scores=match.scores, layers=layers, extras=dict(match.extras, mask=mask))

    def loss(self, prediction: Prediction, episode: Episode) -> dict:
        """CapeFormer's terms; only keypoints that the query and every support see are supervised.

        Returns:
            `heatmap_loss` and `proposal_loss`, weighted, and `l1_loss_layer<l>`.
        """
        points, visible = episode.query_points, episode.query_visible
        heatmaps, weight = gaussian_heatmaps(points, visible, self.heatmap_size, self.sigma)
        weight = weight & prediction.extras['mask']
        points = points.masked_fill(~visible[..., None], 0)  # those coordinates are meaningless, even nan
        return (self.matching_losses(prediction.extras, heatmaps, points, weight)
                | layer_losses(prediction, points, weight))
