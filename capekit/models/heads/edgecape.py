"""EdgeCape: a graph decoder whose edge weights are predicted from the supports (Hirschorn and Avidan, ICLR 2026).

The paper is "Edge Weight Prediction for Category-Agnostic Pose Estimation"; this is what its released code of February
2026 computes. `tools/convert_checkpoint.py edgecape` renames the parameters of its checkpoints.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from capekit.choices import Channels, Count, Dropout, Heads, Positive, Share, Size, Weight, checked
from capekit.errors import CapekitError
from capekit.models.layers import (
    EdgePredictor,
    EdgeStart,
    Graph,
    GraphDecoder,
    Matching,
    MissingEdges,
    gaussian_heatmaps,
    heatmap_pooling,
    init_xavier,
    link_matrix,
    linked,
    normalise_rows,
    powers_of,
    seen_by_all,
)
from capekit.models.losses import SimilarityError, keypoint_mean, layer_losses, matching_losses
from capekit.registry import MODELS
from capekit.structures import Episode, Prediction, Task

Stage = Literal['base', 'skeleton', 'bias']


@MODELS.register_module()
class EdgeCapeHead(nn.Module):
    """CapeFormer's matching, a predictor of edge weights, and a decoder with a graph convolution over them.

    Training has three stages (`stage`, see `engine.TrainingStagesHook`), each from the weights of the one before. A
    head has the parameters of all three; those that its stage holds still or does not use require no gradient.

    Args:
        in_channels: of the backbone's maps, fine to coarse; only the coarsest is used.
        stage: 'base' (the category's links as they are), 'skeleton' (predicted weights; part of the keypoints is hidden
            and reconstructed over them) or 'bias' (the whole method: self-attention, too, follows the weights;
            predictor and projections hold still).
        channels: C of every token.
        num_heads, hidden_channels, dropout: of every transformer layer.
        num_slots: slots that the predictor sees, keypoints and padding: as released, its weights depend on it.
        encoder_layers, decoder_layers, predictor_layers: number of layers.
        hops: longest path over the graph that the bias of the self-attention knows.
        hidden_share: of the keypoints that every support sees, hidden while training.
        missing_links: for a category without links: 'predicted', every weight is the predictor's own, or
            'spanning_tree', it starts from the shortest tree over the support keypoints; either is logged.
        edge_start: 'release' or 'paper', see `EdgePredictor`.
        heatmap_weight, proposal_weight, reconstruction_weight: loss weights; 0 leaves the term out. The heat-map loss
            is in the released code and in no config.
        similarity_error: of the heat-map loss, as in CapeFormer.
        heatmap_size, sigma: of the support pooling and of the target maps, in cells.
    """

    @checked
    def __init__(self, in_channels: Sequence[int], stage: Stage = 'bias', channels: Channels = 256,
                 num_heads: Heads = 8, hidden_channels: Size = 384, dropout: Dropout = 0.1, num_slots: Size = 100,
                 encoder_layers: Count = 3, decoder_layers: Size = 3, predictor_layers: Size = 3, hops: Size = 4,
                 hidden_share: Share = 0.3, missing_links: MissingEdges = 'predicted',
                 edge_start: EdgeStart = 'release', heatmap_weight: Weight = 0.0, proposal_weight: Weight = 1.0,
                 reconstruction_weight: Weight = 1.0, similarity_error: SimilarityError = 'squared',
                 heatmap_size: Size = 64, sigma: Positive = 1.0):
        super().__init__()
        self.num_slots, self.hops, self.hidden_share = num_slots, hops, hidden_share
        self.predictor_layers, self.missing_links = predictor_layers, missing_links
        self.reconstruction_weight, self.heatmap_size, self.sigma = reconstruction_weight, heatmap_size, sigma
        self.matching_losses = partial(matching_losses, heatmap_weight=heatmap_weight, proposal_weight=proposal_weight,
                                       similarity_error=similarity_error)
        self.query_projection = nn.Conv2d(in_channels[-1], channels, 1)
        self.support_projection = nn.Linear(in_channels[-1], channels)
        self.matching = Matching(channels, num_heads, hidden_channels, dropout, encoder_layers)
        self.decoder = GraphDecoder(decoder_layers, channels, num_heads, hidden_channels, dropout, hops=hops)
        init_xavier(self)
        self.predictor = EdgePredictor(in_channels[-1], channels, num_heads, hidden_channels, dropout,
                                       predictor_layers, edge_start)
        self.mask_token = nn.Parameter(torch.zeros(1, channels))
        self.set_stage(stage)

    def set_stage(self, stage: Stage) -> None:
        """Change to another stage of training; the weights stay."""
        self.stage = stage
        learning = dict(
            base=('query_projection', 'support_projection', 'matching', 'decoder'),
            skeleton=('query_projection', 'support_projection', 'matching', 'decoder', 'predictor', 'mask_token'),
            bias=('matching', 'decoder', 'mask_token'))[stage]
        unread = f'predictor.layers.{self.predictor_layers - 1}.pixels.'  # released checkpoints have them
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.split('.')[0] in learning
                                     and (stage == 'bias' or '.bias_mlp.' not in name)
                                     and (name != 'mask_token' or self.reconstruction_weight > 0)
                                     and not name.startswith(unread))

    def encode_support(self, maps: list, points: Tensor, visible: Tensor) -> dict:
        """`keypoints` (N, K, C_in), pooled from the coarsest map; `seen` (N, K) bool; `points` (N, K, 2); that map,
        projected for the predictor.
        """
        heatmaps, seen = gaussian_heatmaps(points, visible, self.heatmap_size, self.sigma)
        features = dict(keypoints=heatmap_pooling(maps[-1], heatmaps), seen=seen, points=points)
        return features if self.stage == 'base' else dict(features, pixels=self.predictor.projection(maps[-1]))

    def encode_query(self, maps: list) -> dict:
        """`pixels` (N, C, H, W): the coarsest map, projected; and what matching computes `ahead`."""
        pixels = self.query_projection(maps[-1])
        return dict(self.matching.ahead(pixels), pixels=pixels)

    def prepare(self, support: dict, task: Task) -> dict:
        """With P = `num_slots`: `tokens` (B, P, C); `mask` (B, P) bool, the keypoints that every support sees;
        `weights` (B, P, P) of the edges; `graph`, these with rows that sum to 1; its `powers`. `slots` (B, K) is `mask`
        without the padding.
        """
        missing = self.num_slots - support['seen'].shape[2]
        if missing < 0:
            raise CapekitError(f"EdgeCapeHead: {support['seen'].shape[2]} keypoint slots, but num_slots="
                               f'{self.num_slots}; raise it')
        task = linked(task, support['points'], support['seen'], self.missing_links, 'EdgeCapeHead')
        real = seen_by_all(support['seen'], task.num_keypoints)
        mask = F.pad(real, (0, missing))
        keypoints = F.pad(support['keypoints'].mean(1), (0, 0, 0, missing))
        tokens = self.support_projection(keypoints * mask[..., None])
        weights = link_matrix(task.links, mask)
        if self.stage != 'base':
            weights = self.predictor(tokens, support['pixels'], weights, mask)
        graph = normalise_rows(weights)
        state = dict(tokens=tokens, mask=mask, weights=weights, graph=graph, slots=real)
        return dict(state, powers=powers_of(graph, self.hops)) if self.stage == 'bias' else state

    def answer(self, state: dict, query: dict) -> Prediction:
        """Answer B queries; see `models/heads/__init__.py`.

        `extras`: as CapeFormer's, and `adjacency` (B, K, K), the weights of the edges. In training, from the second
        stage on, also `reconstructed` (B, K, 2), the points of a pass in which part of the keypoints was hidden.
        """
        mask, tokens = state['mask'], state['tokens']
        match = self.matching(query['pixels'], tokens, torch.zeros_like(tokens), mask, query)
        start, slots = match.extras['peaks'], state['slots'].shape[1]
        graph = Graph(mask, state['graph'], state.get('powers'))
        layers = self.decoder(match.tokens, start, match.pixels, match.pixel_position, graph).points[:, :, :slots]
        extras = {name: value[:, :slots] for name, value in match.extras.items()}
        extras.update(mask=state['slots'], adjacency=state['weights'][:, :slots, :slots])
        if self.training and self.stage != 'base' and self.reconstruction_weight:
            # Only the mask token and the graph learn from this pass.
            seen = torch.where(self._kept(mask)[..., None], match.tokens.detach(), self.mask_token) * mask[..., None]
            held = {name: parameter.detach() for name, parameter in self.decoder.named_parameters()}
            refined = functional_call(self.decoder, held, (
                seen, start.detach(), match.pixels.detach(), match.pixel_position, graph))
            extras['reconstructed'] = refined.chain[:, :slots]
        return Prediction(points=layers[-1], scores=match.scores[:, :slots], layers=layers, extras=extras)

    def _kept(self, mask: Tensor) -> Tensor:
        """(B, P) bool: the keypoints of `mask` without a random `hidden_share` of them, rounded down."""
        hidden = (self.hidden_share * mask.sum(1).double() + 1e-9).floor()
        order = torch.rand(mask.shape, device=mask.device).masked_fill(~mask, 2).argsort(1).argsort(1)
        return mask & (order >= hidden[:, None])

    def loss(self, prediction: Prediction, episode: Episode) -> dict:
        """Only keypoints that the query and every support see are supervised.

        Returns:
            CapeFormer's `heatmap_loss` if it has a weight, `proposal_loss`, `l1_loss_layer<l>`; in training, from the
            second stage on, `adj_reconstruct_loss` over hidden and kept keypoints.
        """
        points, visible = episode.query_points, episode.query_visible
        heatmaps, weight = gaussian_heatmaps(points, visible, self.heatmap_size, self.sigma)
        weight = weight & prediction.extras['mask']
        points = points.masked_fill(~visible[..., None], 0)  # those coordinates are meaningless, even nan
        losses = (self.matching_losses(prediction.extras, heatmaps, points, weight)
                  | layer_losses(prediction, points, weight))
        if 'reconstructed' in prediction.extras:
            error = (prediction.extras['reconstructed'] - points).abs().sum(-1)
            losses['adj_reconstruct_loss'] = self.reconstruction_weight * keypoint_mean(error, weight)
        return losses
