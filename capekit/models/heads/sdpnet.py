"""SDPNet: the semantics and structure of the supports steer matching and refinement (Ren et al., CVPR 2024).

Section, equation and table numbers are the paper's. Neither code nor supplement was ever published: where the paper is
silent, the docstring of the part says what is done here and why.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from capekit.choices import Channels, Count, Dropout, Heads, OddSize, Positive, Size, Weight, checked
from capekit.errors import CapekitError
from capekit.models.layers import (
    Aggregation,
    AttentionStructure,
    ConcatenationStructure,
    DynamicDepthwise,
    FeedForward,
    GlobalStructure,
    GraphConvolutions,
    KeypointFeatures,
    Matching,
    Modulation,
    PoseReconstruction,
    PostNormAttention,
    ProposalGenerator,
    RefinementStage,
    SpaceReduction,
    Sparsity,
    Spread,
    edge_density,
    gaussian_heatmaps,
    heatmap_pooling,
    heatmap_weight,
    masked_keys,
    sine_grid,
    sine_numbers,
    sine_points,
    sparsity,
)
from capekit.models.losses import SimilarityError, keypoint_mean, matching_losses
from capekit.registry import MODELS
from capekit.structures import Episode, Prediction, Task


@MODELS.register_module()
class SDPNetHead(nn.Module):
    """Matching on the coarsest map of the backbone, refinement on its finest, both steered by the support.

    Keypoints count if at least one support sees them: the aggregation leaves out the other supports. CapeFormer, which
    averages, requires all of them.

    Args:
        in_channels: of the backbone's maps, fine to coarse; the finest and the coarsest are used.
        channels: C of every token.
        num_heads, hidden_channels, dropout: of every transformer layer; CapeFormer's.
        num_slots: length of the keypoint numbering; an identifier depends on it, not on how many a category has.
        aggregation: of the support instances (table 1): 'average', 'weighted', or 'interaction'.
        interaction_layers: rounds of cross-instance interaction, see `KeypointFeatures`.
        shot_order: the instance order encoding of section 3.1. Without it the order of shots changes nothing; with it,
            permuting the shots is the same as permuting their numbers. Sines of the number, not a learned table, so
            that a model trained with one shot has an encoding for the fifth.
        encoder_layers: of the joint encoder; CapeFormer's.
        query_features: what refinement samples (table 2): the coarse map after the joint encoder ('low'), the finest
            one ('high'), or the finest after the dynamic convolution ('dynamic'). Section 4.4 drops the parts for high
            resolution with ResNet-50: 'low'.
        kernel_size: S of the dynamic kernels.
        stages: T; the paper does not give it, this is CapeFormer's.
        structure: how the prior structure is predicted (table 3): 'global', 'concatenation', 'attention', or 'none', no
            graph convolution at all. The regressions pass through the same softmax as equation 3.
        space_reduction: over the embedding spaces of 'attention': 'sum' (default, equation 3) or 'mean'.
        graph_layers: graph convolutions per stage and in the reconstruction; "all layers" of a stage are at least two.
        modulation: of the graph convolution (table 3): 'shared', 'fixed', or 'self', see `GraphConvolutions`.
        spread: factor of the sampling offsets (table 4): 'none', 'support', or 'difference', see `SamplingSpread`.
        shared_spread: one factor for all offsets of a keypoint, or one each.
        sampling_points: points that each head reads per stage; Deformable DETR's.
        offset_unit: of the sampling offsets, see `DeformableAttention`. 64 (default) are the pixels of the paper's fine
            map; None is a pixel of the map that is read: with ResNet-50 offsets then start up to half a crop away.
        mask_ratio: share of the support keypoints masked for reconstruction; the paper says "some".
        sparsity_form: 'l1' is equation 8 to the letter, which under the softmax of equation 3 is constant and has no
            gradient; 'balanced' (default) has an effect, and the identity does not minimise it, see `layers.sparsity`.
        heatmap_weight, proposal_weight, stage_weight: of CapeFormer's loss, with its values; 0 leaves a term out.
        reconstruction_weight, sparsity_weight: of equations 7 and 8; the paper gives none. 0 leaves a term out.
        similarity_error: 'squared' or 'cross_entropy', as for CapeFormer.
        heatmap_size, sigma: of the support pooling and of the target maps, in cells.
    """

    identifiers: Tensor

    @checked
    def __init__(self, in_channels: Sequence[int], channels: Channels = 256, num_heads: Heads = 8,
                 hidden_channels: Size = 2048, dropout: Dropout = 0.1, num_slots: Size = 100,
                 aggregation: Aggregation = 'interaction', interaction_layers: Count = 2, shot_order: bool = True,
                 encoder_layers: Count = 3, query_features: Literal['low', 'high', 'dynamic'] = 'dynamic',
                 kernel_size: OddSize = 7, stages: Size = 3,
                 structure: Literal['attention', 'concatenation', 'global', 'none'] = 'attention',
                 space_reduction: SpaceReduction = 'sum', graph_layers: Size = 2, modulation: Modulation = 'self',
                 spread: Spread = 'difference', shared_spread: bool = True, sampling_points: Size = 4,
                 offset_unit: Size | None = 64, mask_ratio: Dropout = 0.3, sparsity_form: Sparsity = 'balanced',
                 heatmap_weight: Weight = 2.0, proposal_weight: Weight = 1.0,
                 stage_weight: Weight = 1.0, reconstruction_weight: Weight = 1.0, sparsity_weight: Weight = 0.1,
                 similarity_error: SimilarityError = 'squared', heatmap_size: Size = 64, sigma: Positive = 2.0):
        super().__init__()
        if query_features != 'low' and len(in_channels) < 2:
            raise CapekitError(f'SDPNetHead: query_features={query_features!r} reads a fine map, but in_channels='
                               f"{tuple(in_channels)} names one map only; give the backbone two strides, or 'low'")
        self.channels, self.num_slots, self.shot_order = channels, num_slots, shot_order
        self.sparsity_form, self.heatmap_size, self.sigma = sparsity_form, heatmap_size, sigma
        self.matching_losses = partial(matching_losses, heatmap_weight=heatmap_weight, proposal_weight=proposal_weight,
                                       similarity_error=similarity_error)
        self.stage_weight, self.reconstruction_weight, self.sparsity_weight = (
            stage_weight, reconstruction_weight, sparsity_weight)
        transformer = (channels, num_heads, hidden_channels, dropout)

        self.support_projection = nn.Linear(in_channels[0], channels)
        self.query_projection = nn.Conv2d(in_channels[-1], channels, 1)
        self.position_mlp = nn.Sequential(nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, channels))
        self.register_buffer('identifiers', sine_grid(1, num_slots, channels), persistent=False)
        self.semantic = KeypointFeatures(aggregation, interaction_layers, *transformer)
        self.matching = Matching(*transformer, encoder_layers)
        self.fine_projection = nn.Conv2d(in_channels[0], channels, 1) if query_features != 'low' else None
        self.activation = DynamicDepthwise(channels, kernel_size) if query_features == 'dynamic' else None
        self.structural: nn.Module | None = None
        self.structure: nn.Module | None = None
        self.reconstruction: PoseReconstruction | None = None
        if structure != 'none':
            self.structural = KeypointFeatures(aggregation, interaction_layers, *transformer)
            self.structure = (AttentionStructure(channels, num_heads, space_reduction) if structure == 'attention'
                              else ConcatenationStructure(channels) if structure == 'concatenation'
                              else GlobalStructure(channels, num_slots))
            if reconstruction_weight:
                self.reconstruction = PoseReconstruction(channels, graph_layers, mask_ratio, dropout)
        self.stages = nn.ModuleList()
        for _ in range(stages):
            graph = None
            if structure != 'none':
                graph = GraphConvolutions(channels, graph_layers, modulation, num_slots, dropout)
            self.stages.append(RefinementStage(*transformer, graph, spread, shared_spread, sampling_points,
                                               offset_unit))
        # The parts shared with CapeFormer start as they do there.
        for part in self.modules():
            if isinstance(part, (PostNormAttention, FeedForward, ProposalGenerator)):
                for parameter in part.parameters():
                    if parameter.dim() > 1:
                        nn.init.xavier_uniform_(parameter)

    def encode_support(self, maps: list, points: Tensor, visible: Tensor) -> dict:
        """`keypoints` (N, K, C_in) pooled from the finest map, `points` (N, K, 2), 0 where not seen, `seen` (N, K)."""
        heatmaps, seen = gaussian_heatmaps(points, visible, self.heatmap_size, self.sigma)
        return dict(keypoints=heatmap_pooling(maps[0], heatmaps), points=points.masked_fill(~seen[..., None], 0),
                    seen=seen)

    def encode_query(self, maps: list) -> dict:
        """`coarse` (N, C, h, w), projected; `fine` (N, C_in, H, W), if it is used, is not: it is eight times smaller
        this way, and evaluation keeps it for every image; and what matching computes `ahead`.
        """
        coarse = self.query_projection(maps[-1])
        query = dict(self.matching.ahead(coarse), coarse=coarse)
        if self.fine_projection is not None:
            query['fine'] = maps[0]
        return query

    def prepare(self, support: dict, task: Task) -> dict:
        """Sections 3.1 and 3.3: everything that depends on the supports alone.

        `semantic` (B, K, C), `seen` (B, S, K) and `mask` (B, K) bool, `instance_weights` (B, S, K) of the semantic
        features; with a structure `structure` (B, K, K); with its reconstruction `reconstruction` (B, S, K, 2).
        In training, keypoints are masked for the reconstruction, which has a structure of its own: the other one was
        predicted with their positions.
        """
        shots, slots = support['seen'].shape[1:]
        if slots > self.num_slots:
            raise CapekitError(f'SDPNetHead: {slots} keypoint slots, but num_slots={self.num_slots}; raise it')
        seen = self._real(support['seen'], task.num_keypoints)
        initial = self.support_projection(support['keypoints'])
        labels = self.identifiers[:slots].expand(shots, -1, -1)
        if self.shot_order:
            labels = labels + sine_numbers(shots, self.channels, initial.device)[:, None]
        semantic, instance_weights = self.semantic(initial, labels, seen)
        state = dict(semantic=semantic, instance_weights=instance_weights, mask=seen.any(1))
        if self.structure is not None:
            points, shown = support['points'], seen
            structure = state['structure'] = self._predict_structure(initial, points, labels, seen, shown)
            if self.reconstruction is not None:
                if self.training:
                    shown = self.reconstruction.mask(seen)
                    structure = self._predict_structure(initial, points, labels, seen, shown)
                state['reconstruction'] = self.reconstruction(points, shown, semantic, structure)
        return state

    def _predict_structure(self, initial: Tensor, points: Tensor, labels: Tensor, seen: Tensor,
                           shown: Tensor) -> Tensor:
        """(B, K, K) from features (B, S, K, C) and points (B, S, K, 2), which are read where `shown` (B, S, K)."""
        assert self.structural is not None and self.structure is not None
        position = self.position_mlp(sine_points(points, self.channels)) * shown[..., None]
        structural, _ = self.structural(initial + position, labels, seen)
        return self.structure(structural, seen.any(1))

    @staticmethod
    def _real(seen: Tensor, num_keypoints: Tensor) -> Tensor:
        """(B, S, K) bool, (B,) int64 -> (B, S, K) bool, False in padding slots."""
        return seen & (torch.arange(seen.shape[2], device=seen.device) < num_keypoints[:, None])[:, None]

    def answer(self, state: dict, query: dict) -> Prediction:
        """Answer B queries; see `models/heads/__init__.py`. Links are not used: the structure is predicted.

        `extras`: `mask` (B, K) bool; `similarity` (B, K, h, w) logits, `proposals` and `peaks` (B, K, 2), see
        `ProposalGenerator`; per stage `locations` (T, B, K, M, P, 2), `weights` (T, B, K, M, P) and `spread`
        (T, B, K, ...), see `RefinementStage`; `instance_weights`, `structure` and `reconstruction` from `prepare`; with
        a structure `edge_density` (B,).
        """
        semantic, mask, structure = state['semantic'], state['mask'], state.get('structure')
        extras = {name: value for name, value in state.items() if name != 'semantic'}
        if structure is not None:
            extras['edge_density'] = edge_density(structure, mask)
        identifiers = self.identifiers[:mask.shape[1]].expand_as(semantic)
        match = self.matching(query['coarse'], semantic, identifiers, mask, query)
        extras.update(match.extras)

        if self.fine_projection is None:
            feature_map = match.pixels.transpose(1, 2).unflatten(-1, query['coarse'].shape[-2:])
        else:
            feature_map = self.fine_projection(query['fine'])
            if self.activation is not None:
                feature_map = self.activation(feature_map, semantic, mask)
        tokens, points, layers, traces = match.tokens, extras['peaks'], [], []
        for stage in self.stages:
            points = points.detach()
            position = self.position_mlp(sine_points(points, self.channels)) + identifiers
            tokens, points, trace = stage(tokens, position, points, feature_map, semantic, structure,
                                          masked_keys(mask))
            layers.append(points)
            traces.append(trace)
        extras.update({name: torch.stack([trace[name] for trace in traces]) for name in traces[0]})
        return Prediction(points=points, scores=match.scores, layers=torch.stack(layers), extras=extras)

    def loss(self, prediction: Prediction, episode: Episode) -> dict:
        """Section 3.4.

        Returns:
            CapeFormer's `heatmap_loss` and `proposal_loss`; `stage_loss<t>`, its L1 loss at every stage;
            `reconstruction_loss` (equation 7) and `sparsity_loss` (equation 8), all weighted; `edge_density`, for the
            log only.
        """
        extras, points, visible = prediction.extras, episode.query_points, episode.query_visible
        heatmaps, weight = gaussian_heatmaps(points, visible, self.heatmap_size, self.sigma)
        weight = weight & extras['mask']
        points = points.masked_fill(~visible[..., None], 0)  # those coordinates are meaningless, even nan

        losses = self.matching_losses(extras, heatmaps, points, weight)
        if self.stage_weight and prediction.layers is not None:
            for index, error in enumerate((prediction.layers - points).abs().sum(-1)):
                losses[f'stage_loss{index}'] = self.stage_weight * keypoint_mean(error, weight)
        if 'reconstruction' in extras:
            losses['reconstruction_loss'] = self.reconstruction_weight * self._reconstruction_error(
                extras['reconstruction'], episode)
        if 'structure' in extras:
            if self.sparsity_weight:
                losses['sparsity_loss'] = self.sparsity_weight * sparsity(
                    extras['structure'], extras['mask'], self.sparsity_form).mean()
            losses['edge_density'] = extras['edge_density'].mean()
        return losses

    def _reconstruction_error(self, reconstruction: Tensor, episode: Episode) -> Tensor:
        """Equation 7: (B, S, K, 2) -> scalar, the mean over the keypoints that a support sees, then over supports."""
        points = episode.support_points
        seen = self._real(heatmap_weight(points, episode.support_visible, self.heatmap_size, self.sigma),
                          episode.num_keypoints)
        error = (reconstruction - points.masked_fill(~seen[..., None], 0)).abs().sum(-1)
        return keypoint_mean(error.flatten(0, 1), seen.flatten(0, 1))
