"""SDPNet: the support's meaning and structure steer matching and refinement (Ren et al., CVPR 2024).

Section, equation and table numbers are the paper's. Neither code nor supplement was ever published: where the paper is
silent, the docstring of the part says what is done here and why.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from capekit.errors import CapekitError
from capekit.models.layers import (
    MLP,
    AttentionStructure,
    ConcatenationStructure,
    CrossInstanceLayer,
    DeformableAttention,
    DynamicDepthwise,
    FeedForward,
    GlobalStructure,
    GraphConvolutions,
    InstanceAttention,
    InstanceAverage,
    JointEncoder,
    PoseReconstruction,
    PostNormAttention,
    ProposalGenerator,
    SamplingSpread,
    edge_density,
    gaussian_heatmaps,
    heatmap_pooling,
    inverse_sigmoid,
    masked_keys,
    sine_grid,
    sine_numbers,
    sine_points,
    sparsity,
)
from capekit.models.layers.graph_convolution import MODULATIONS
from capekit.models.layers.sampling_spread import SPREADS
from capekit.models.layers.structure import SPARSITIES, STRUCTURES
from capekit.models.losses import SIMILARITY_ERRORS, keypoint_mean
from capekit.registry import MODELS
from capekit.structures import Prediction

AGGREGATIONS = ('average', 'weighted', 'interaction')
QUERY_FEATURES = ('low', 'high', 'dynamic')


class KeypointFeatures(nn.Module):
    """Section 3.1: from the keypoint features of S instances to those of the category.

    There is one for semantic and another for structural features. 'average' and 'weighted' (table 1) aggregate the
    initial features, 'interaction' lets the instances exchange first. The paper gives no number of rounds: two, the
    least that is "iteratively".
    """

    def __init__(self, aggregation: str, layers: int, channels: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        count = layers if aggregation == 'interaction' else 0
        self.layers = nn.ModuleList(CrossInstanceLayer(channels, heads, hidden, dropout) for _ in range(count))
        self.aggregate = InstanceAverage() if aggregation == 'average' else InstanceAttention(channels)

    def forward(self, tokens: Tensor, labels: Tensor, seen: Tensor) -> tuple:
        """tokens (B, S, K, C), labels (S, K, C), seen (B, S, K) bool -> features (B, K, C), weights (B, S, K)."""
        for layer in self.layers:
            tokens = layer(tokens, labels, seen)
        return self.aggregate(tokens, seen)


class RefinementStage(nn.Module):
    """Section 3.3, one of T stages: graph convolution, self-attention, modulated deformable attention, offsets.

    As in CapeFormer's decoder, every attention has its residual and LayerNorm, a feed-forward layer follows, and
    queries and keys, but not values, carry the keypoint's current position and identifier. The factor of the sampling
    offsets compares the tokens as they are before sampling with the semantic support features; equation 6 calls them
    K_str^q, query features after the exchange over the structure.
    """

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float, graph: nn.Module | None, spread: str,
                 shared_spread: bool, points: int):
        super().__init__()
        self.graph = graph
        self.self_attention = PostNormAttention(channels, heads, dropout)
        self.deformable = DeformableAttention(channels, heads, levels=1, points=points)
        self.spread = None
        if spread != 'none':
            self.spread = SamplingSpread(channels, spread, () if shared_spread else (heads, 1, points))
        self.norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)
        self.feed_forward = FeedForward(channels, hidden, dropout)
        self.offsets = MLP(channels, 2)

    def forward(self, tokens: Tensor, position: Tensor, points: Tensor, feature_map: Tensor, semantic: Tensor,
                structure: Tensor | None, masked: Tensor) -> tuple:
        """One stage.

        Args:
            tokens, position, semantic: (B, K, C).
            points: (B, K, 2) where the keypoints are thought to be.
            feature_map: (B, C, H, W) of the query.
            structure: (B, K, K), read by the graph convolution only.
            masked: (B, K) bool, slots that nothing attends to.

        Returns:
            tokens; points; a dict for images: `locations` (B, K, M, P, 2) normalised, `weights` (B, K, M, P) and
            `spread` (B, K) or (B, K, M, 1, P), 1 where nothing steers it.
        """
        if self.graph is not None:
            tokens = self.graph(tokens, structure)
        placed = tokens + position
        tokens = self.self_attention(tokens, placed, placed, tokens, masked)
        spread = tokens.new_ones(tokens.shape[:2]) if self.spread is None else self.spread(tokens, semantic)
        update, locations, weights = self.deformable(tokens + position, points, [feature_map], spread)
        tokens = self.feed_forward(self.norm(tokens + self.dropout(update)))
        points = (inverse_sigmoid(points) + self.offsets(tokens)).sigmoid()
        return tokens, points, dict(locations=locations[:, :, :, 0], weights=weights[:, :, :, 0], spread=spread)


@MODELS.register_module()
class SDPNetHead(nn.Module):
    """Matching on the coarsest map of the backbone, refinement on its finest, both steered by the support.

    Keypoints count where at least one support sees them: the aggregation leaves out the others. CapeFormer, which
    averages, asks for all.

    Args:
        in_channels: of the backbone's maps, fine to coarse; the finest and the coarsest are read.
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
            one ('high'), or the finest after the dynamic convolution ('dynamic'). Section 4.4 drops what is made for
            high resolution with ResNet-50: 'low'.
        kernel_size: S of the dynamic kernels.
        stages: T; the paper gives no number, this is CapeFormer's.
        structure: how the prior structure is predicted (table 3): 'global', 'concatenation', 'attention', or 'none', no
            graph convolution at all. The regressions pass through the same softmax as equation 3, so that rows sum to
            1 in all of them.
        graph_layers: graph convolutions in a stage and in the reconstruction; "all layers" of a stage are at least two.
        modulation: of the graph convolution (table 3): 'shared', 'fixed', or 'self', see `GraphConvolutions`.
        spread: factor of the sampling offsets (table 4): 'none', 'support', or 'difference', see `SamplingSpread`.
        shared_spread: one factor for all offsets of a keypoint, or one each.
        sampling_points: that a head reads in a stage; Deformable DETR's.
        mask_ratio: of the support keypoints masked for reconstruction; the paper says "some".
        sparsity_form: 'l1' is equation 8 to the letter, which under the softmax of equation 3 is constant and has no
            gradient; 'balanced' (default) is the form that acts, see `layers.sparsity`.
        heatmap_weight, proposal_weight, stage_weight: of CapeFormer's loss, with its values; 0 leaves a term out.
        reconstruction_weight, sparsity_weight: of equations 7 and 8; the paper gives none. 0 leaves a term out.
        similarity_error: 'squared' or 'cross_entropy', as for CapeFormer.
        heatmap_size, sigma: of the support pooling and of the target maps, in cells.
    """

    def __init__(self, in_channels: Sequence[int], channels: int = 256, num_heads: int = 8,
                 hidden_channels: int = 2048, dropout: float = 0.1, num_slots: int = 100,
                 aggregation: str = 'interaction', interaction_layers: int = 2, shot_order: bool = True,
                 encoder_layers: int = 3, query_features: str = 'dynamic', kernel_size: int = 7, stages: int = 3,
                 structure: str = 'attention', graph_layers: int = 2, modulation: str = 'self',
                 spread: str = 'difference', shared_spread: bool = True, sampling_points: int = 4,
                 mask_ratio: float = 0.3, sparsity_form: str = 'balanced', heatmap_weight: float = 2.0,
                 proposal_weight: float = 1.0, stage_weight: float = 1.0, reconstruction_weight: float = 1.0,
                 sparsity_weight: float = 0.1, similarity_error: str = 'squared', heatmap_size: int = 64,
                 sigma: float = 2.0):
        super().__init__()
        for name, value, valid in (
                ('aggregation', aggregation, AGGREGATIONS), ('query_features', query_features, QUERY_FEATURES),
                ('structure', structure, (*STRUCTURES, 'none')), ('modulation', modulation, MODULATIONS),
                ('spread', spread, SPREADS), ('sparsity_form', sparsity_form, SPARSITIES),
                ('similarity_error', similarity_error, tuple(SIMILARITY_ERRORS))):
            if value not in valid:
                raise CapekitError(f'SDPNetHead: {name}={value!r} is not one of {", ".join(valid)}')
        if query_features != 'low' and len(in_channels) < 2:
            raise CapekitError(f'SDPNetHead: query_features={query_features!r} reads a fine map, but in_channels='
                               f"{tuple(in_channels)} names one map only; give the backbone two strides, or 'low'")
        if stages < 1:
            raise CapekitError(f'SDPNetHead: stages={stages}; there must be at least one')
        self.channels, self.num_slots, self.shot_order = channels, num_slots, shot_order
        self.sparsity_form, self.heatmap_size, self.sigma = sparsity_form, heatmap_size, sigma
        self.similarity_error = SIMILARITY_ERRORS[similarity_error]
        self.weights = dict(heatmap=heatmap_weight, proposal=proposal_weight, stage=stage_weight,
                            reconstruction=reconstruction_weight, sparsity=sparsity_weight)
        transformer = (channels, num_heads, hidden_channels, dropout)

        self.support_projection = nn.Linear(in_channels[0], channels)
        self.query_projection = nn.Conv2d(in_channels[-1], channels, 1)
        self.position_mlp = nn.Sequential(nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, channels))
        self.register_buffer('identifiers', sine_grid(1, num_slots, channels), persistent=False)
        self.semantic = KeypointFeatures(aggregation, interaction_layers, *transformer)
        self.encoder = JointEncoder(encoder_layers, *transformer)
        self.proposal_generator = ProposalGenerator(channels)
        self.fine_projection = nn.Conv2d(in_channels[0], channels, 1) if query_features != 'low' else None
        self.activation = DynamicDepthwise(channels, kernel_size) if query_features == 'dynamic' else None
        self.structural = self.structure = self.reconstruction = None
        if structure != 'none':
            self.structural = KeypointFeatures(aggregation, interaction_layers, *transformer)
            self.structure = (AttentionStructure(channels, num_heads) if structure == 'attention'
                              else ConcatenationStructure(channels) if structure == 'concatenation'
                              else GlobalStructure(channels, num_slots))
            if reconstruction_weight:
                self.reconstruction = PoseReconstruction(channels, graph_layers, mask_ratio, dropout)
        self.stages = nn.ModuleList()
        for _ in range(stages):
            graph = None
            if structure != 'none':
                graph = GraphConvolutions(channels, graph_layers, modulation, num_slots, dropout)
            self.stages.append(RefinementStage(*transformer, graph, spread, shared_spread, sampling_points))
        # The parts that CapeFormer has too start as there.
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
        """`coarse` (N, C, h, w), projected; `fine` (N, C_in, H, W), where it is read, is not: it is eight times
        smaller so, and evaluation keeps it of every image.
        """
        query = dict(coarse=self.query_projection(maps[-1]))
        if self.fine_projection is not None:
            query['fine'] = maps[0]
        return query

    def forward(self, support: dict, query: dict, num_keypoints: Tensor, links: list) -> Prediction:
        """Answer B episodes; see `models/heads/__init__.py`. Links are not used: the structure is predicted.

        `extras`: `mask` (B, K) bool; `similarity` (B, K, h, w) logits, `proposals` and `peaks` (B, K, 2), see
        `ProposalGenerator`; `instance_weights` (B, S, K) of the semantic features; of the stages `locations`
        (T, B, K, M, P, 2), `weights` (T, B, K, M, P) and `spread` (T, B, K, ...), see `RefinementStage`; with a
        structure `structure` (B, K, K) and `edge_density` (B,); with its reconstruction `reconstruction` and
        `support_points` (B, S, K, 2) and `support_seen` (B, S, K).
        """
        shots, slots = support['seen'].shape[1:]
        if slots > self.num_slots:
            raise CapekitError(f'SDPNetHead: {slots} keypoint slots, but num_slots={self.num_slots}; raise it')
        seen = support['seen'] & (torch.arange(slots, device=num_keypoints.device) < num_keypoints[:, None])[:, None]
        mask = seen.any(1)
        masked = masked_keys(mask)
        initial = self.support_projection(support['keypoints'])
        labels = self.identifiers[:slots].expand(shots, -1, -1)
        if self.shot_order:
            labels = labels + sine_numbers(shots, self.channels, initial.device)[:, None]
        semantic, instance_weights = self.semantic(initial, labels, seen)
        extras = dict(mask=mask, instance_weights=instance_weights)

        structure = None
        if self.structure is not None:
            placed = initial + self.position_mlp(sine_points(support['points'], self.channels))
            structural, _ = self.structural(placed, labels, seen)
            structure = self.structure(structural, mask)
            extras.update(structure=structure, edge_density=edge_density(structure, mask))
            if self.reconstruction is not None:
                points = self.reconstruction(support['points'], seen, semantic, structure)
                extras.update(reconstruction=points, support_points=support['points'], support_seen=seen)

        size = query['coarse'].shape[-2:]
        pixels = query['coarse'].flatten(2).transpose(1, 2)
        pixel_position = sine_grid(*size, self.channels, device=pixels.device).to(pixels.dtype).expand_as(pixels)
        identifiers = self.identifiers[:slots].expand_as(semantic)
        pixels, tokens = self.encoder(pixels, pixel_position, semantic, identifiers, ~mask)
        similarity, proposals, peaks, scores = self.proposal_generator(pixels, tokens, size)
        extras.update(similarity=similarity, proposals=proposals, peaks=peaks)

        if self.fine_projection is None:
            feature_map = pixels.transpose(1, 2).unflatten(-1, size)
        else:
            feature_map = self.fine_projection(query['fine'])
            if self.activation is not None:
                feature_map = self.activation(feature_map, semantic, mask)
        points, layers, traces = peaks, [], []
        for stage in self.stages:
            points = points.detach()
            position = self.position_mlp(sine_points(points, self.channels)) + identifiers
            tokens, points, trace = stage(tokens, position, points, feature_map, semantic, structure, masked)
            layers.append(points)
            traces.append(trace)
        extras.update({name: torch.stack([trace[name] for trace in traces]) for name in traces[0]})
        return Prediction(points=points, scores=scores, layers=torch.stack(layers), extras=extras)

    def loss(self, prediction: Prediction, points: Tensor, visible: Tensor) -> dict:
        """Section 3.4.

        Args:
            prediction: of `forward`.
            points: (B, K, 2) normalised true points.
            visible: (B, K) bool.

        Returns:
            CapeFormer's `heatmap_loss` and `proposal_loss`, `stage_loss<t>`, its L1 of every stage;
            `reconstruction_loss` (equation 7) and `sparsity_loss` (equation 8), all weighted; `edge_density`, for the
            log only.
        """
        extras = prediction.extras
        heatmaps, weight = gaussian_heatmaps(points, visible, self.heatmap_size, self.sigma)
        weight = weight & extras['mask']
        points = points.masked_fill(~visible[..., None], 0)  # those coordinates mean nothing, not even finite

        losses = {}
        if self.weights['heatmap']:
            losses['heatmap_loss'] = keypoint_mean(self.similarity_error(extras['similarity'], heatmaps), weight)
        if self.weights['proposal']:
            losses['proposal_loss'] = keypoint_mean((extras['proposals'] - points).abs().sum(-1), weight)
        if self.weights['stage']:
            for index, error in enumerate((prediction.layers - points).abs().sum(-1)):
                losses[f'stage_loss{index}'] = keypoint_mean(error, weight)
        if 'reconstruction' in extras:
            error = (extras['reconstruction'] - extras['support_points']).abs().sum(-1)  # (B, S, K)
            seen = extras['support_seen']
            losses['reconstruction_loss'] = keypoint_mean(error.flatten(0, 1), seen.flatten(0, 1))  # equation 7
        if 'structure' in extras and self.weights['sparsity']:
            losses['sparsity_loss'] = sparsity(extras['structure'], extras['mask'], self.sparsity_form).mean()
        losses = {name: self.weights[name.split('_')[0]] * value for name, value in losses.items()}
        if 'structure' in extras:
            losses['edge_density'] = extras['edge_density'].mean()
        return losses
