"""FMMP: fine-grained, structure-aware features mined recurrently, and padded keypoints (Chen et al., CVPR 2025).

Equation, figure and table numbers are the paper's. There are two variants, see `FMMPHead`: 'paper' follows the text,
and where that is silent the published code (`configs/fmmp/README.md` lists where); 'release' is what the published code
computes and its checkpoints were trained with. `tools/convert_checkpoint.py` renames the parameters of the latter.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from capekit.choices import Channels, Dropout, Heads, Positive, Range, Size, Weight, checked
from capekit.errors import CapekitError
from capekit.models.layers import (
    MLP,
    FeaturePyramid,
    Miner,
    MissingLinks,
    SideAttentions,
    StructureAttention,
    gaussian_heatmaps,
    heatmap_pooling,
    linked,
    masked_keys,
    masked_mean,
    sample_levels,
    sine_grid,
    sine_points,
)
from capekit.models.losses import keypoint_mean, similarity_cross_entropy
from capekit.models.mixup import MixupDraws
from capekit.models.padding import Kind, Padding, Variant
from capekit.registry import MODELS
from capekit.structures import Episode, Prediction, Task


@MODELS.register_module()
class FMMPHead(nn.Module):
    """Recurrent mining on maps of several strides, with keypoints padded to `num_slots`.

    The head does the padding, on the device; in training the query shares the draws. An `Episode` holds raw keypoints.
    Slots that a support does not see are masked in its mining; query mining masks nothing, as released, so slots that
    are not supervised (zero padding, unseen keypoints) are attended to there as well.
    A support without any visible keypoint counts for nothing: its mining attends to the first slot, so that the softmax
    stays finite, and no mean includes it. If no support shows anything, mining starts from zeros.
    No confidence is predicted: a keypoint's score is 1 if some support shows it, else 0.

    Args:
        in_channels: of the backbone's maps, fine to coarse.
        channels: C of every token and pyramid level, a multiple of 4 (sine and cosine of x and y).
        num_heads, hidden_channels, dropout: of attention and feed-forward.
        num_points: points that each head reads per level.
        num_slots: the paper's K, keypoints after padding; identifiers depend on it.
        num_layers: L, recurrent layers.
        num_references: M, keypoints whose surroundings each keypoint reads, itself the first.
        variant: 'paper', equation 7 with as many heads as references; 'release', an attention with `num_heads` heads
            per reference. They also pad differently, see `models/padding.py`. Where several supports see different
            keypoints, the query's breadth-first order follows what any support sees in 'paper', but what the last one
            sees in 'release', whose answer thus depends on the order of the supports. 'paper' does not read coordinates
            of invisible support keypoints; 'release' reads around them wherever they are.
        pooling: support features that mining starts from: 'heatmap', pooled under a Gaussian (section 3.2), or 'point',
            the bilinear value at the keypoint (the released code).
        mining: 'recurrent'; 'support_first', all support layers before all query layers (table 4, S3Q3);
            'query_only', no support mining (table 3, row 1).
        structure: whose neighbours the references are: 'links'; 'all', every keypoint's (table 4, AllLink); 'none', all
            references are the keypoint itself (NoneLink, and rows 1 and 2 of table 3). Padding always uses the links.
        missing_links: for a category without links: 'none', or 'spanning_tree', the shortest tree over the support
            keypoints, for padding too; either is logged.
        train_padding, test_padding: 'zero', 'uniform' or 'mixup' (tables 3 and 4). Mixup at test uses the same draws
            for every episode, from a fixed seed.
        alpha: of mixup's Beta(alpha, alpha).
        mix_weight: beta of equation 9; 0 leaves out the loss of padded keypoints (table 3, row 4).
        reduction: 'paper', distances summed over keypoints and averaged over layers (equations 10, 11); 'release', the
            mean over visible keypoints, summed over layers.
        matching_weight: weight of our own loss, for training from random weights within minutes; 0 leaves it out.
            Mining reads at places and never compares, so it is slow to learn that features of the same keypoint should
            be alike; this loss says so from the start: the cross-entropy of finding the first features again by ten
            times the cosine, on each level.
        heatmap_size, sigma: of the pooling and of that loss, in cells.
    """

    @checked
    def __init__(self, in_channels: Sequence[int], channels: Channels = 256, num_heads: Heads = 8,
                 hidden_channels: Size = 256, dropout: Dropout = 0.1, num_points: Size = 4, num_slots: Size = 70,
                 num_layers: Size = 3, num_references: Annotated[int, Range(low=2)] = 8, variant: Variant = 'paper',
                 pooling: Literal['heatmap', 'point'] = 'heatmap',
                 mining: Literal['recurrent', 'support_first', 'query_only'] = 'recurrent',
                 structure: Literal['links', 'all', 'none'] = 'links', missing_links: MissingLinks = 'none',
                 train_padding: Kind = 'mixup', test_padding: Kind = 'uniform', alpha: Positive = 1.0,
                 mix_weight: Weight = 0.5, reduction: Literal['release', 'paper'] = 'paper',
                 matching_weight: Weight = 0.0, heatmap_size: Size = 64, sigma: Positive = 2.0):
        super().__init__()
        if variant == 'paper' and channels % num_references:
            raise CapekitError(f'FMMPHead: in the paper variant, num_references={num_references} must divide '
                               f'channels={channels}')
        if num_slots < num_references:
            raise CapekitError(f'FMMPHead: num_slots={num_slots} must be num_references={num_references} or more')
        self.channels, self.num_slots, self.num_references, self.variant = channels, num_slots, num_references, variant
        self.pooling, self.mining, self.structure, self.reduction = pooling, mining, structure, reduction
        self.train_padding, self.test_padding, self.alpha, self.mix_weight = (
            train_padding, test_padding, alpha, mix_weight)
        self.matching_weight, self.heatmap_size, self.sigma = matching_weight, heatmap_size, sigma
        self.missing_links = missing_links
        levels = len(in_channels)

        def miners(count: int) -> nn.ModuleList:
            return nn.ModuleList(Miner(
                channels, num_heads, hidden_channels, dropout,
                StructureAttention(channels, num_references, levels, num_points) if variant == 'paper'
                else SideAttentions(channels, num_references, num_heads, levels, num_points)) for _ in range(count))

        self.pyramid = FeaturePyramid(in_channels, channels)
        self.support_layers = miners(0 if mining == 'query_only' else num_layers)
        self.query_layers = miners(num_layers)
        self.position_mlp = nn.Sequential(nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, channels))
        self._init_transformer()
        # After the initialisation: their last layers start at zero, so all keypoints start at the centre.
        self.offset_mlps = nn.ModuleList(MLP(channels, 2) for _ in range(num_layers))
        self.register_buffer('identifiers', sine_grid(1, num_slots, channels), persistent=False)

    def _init_transformer(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        for layer in (*self.support_layers, *self.query_layers):
            layer.sampler.init_weights()

    def encode_support(self, maps: list, points: Tensor, visible: Tensor) -> dict:
        """The pyramid, `level0` (coarse) and on, each (N, C, H_l, W_l); `points` (N, K, 2) and `visible` (N, K)."""
        return self.encode(maps, points, visible)[0]

    def encode(self, maps: list, points: Tensor, visible: Tensor) -> tuple[dict, dict]:
        """Both of the same images, with one pyramid."""
        levels = self.encode_query(maps)
        return dict(levels, points=points, visible=visible), levels

    def encode_query(self, maps: list) -> dict:
        """The pyramid, `level0` (coarse) and on, each (N, C, H_l, W_l)."""
        return {f'level{number}': level for number, level in enumerate(self.pyramid(maps))}

    def prepare(self, support: dict, task: Task) -> dict:
        """Pad the supports, order their keypoints, and mine what does not depend on a query.

        `padding`, the `Padding` of the B categories; `padded_points` (B, S, T, 2), `padded_visible` (B, S, T) and
        `orders` (B, S, T, M), the slots that each slot reads around; `query_order` (B, T, M); `first` (B, T, C), the
        features that mining starts from; `tokens` (B, T, C) after the support layers that need no query; `seen` (B, K)
        bool, what some support shows; if more support layers follow, the supports' pyramid.
        """
        points, visible = support['points'], support['visible']
        task = linked(task, points, visible, self.missing_links, 'FMMPHead')
        padding = self._padding(task.num_keypoints, task.links)
        points = (points.nan_to_num() if self.variant == 'release'
                  else points.masked_fill(~visible[..., None], 0))
        slots = points.shape[2]
        # Several supports may see different keypoints; the query has one order. In 'paper' a link counts if its ends
        # are seen by any supports, not necessarily by the same one: so first what any support sees, then padding.
        _, any_visible = padding.pad(points[:, :1], visible.any(1, keepdim=True))
        points, visible = padding.pad(points, visible)
        orders = self._orders(padding, visible)
        state = dict(
            padding=padding, padded_points=points, padded_visible=visible, orders=orders,
            query_order=orders[:, -1] if self.variant == 'release' else self._orders(padding, any_visible)[:, 0],
            seen=visible.any(1)[:, :slots])
        levels = self._levels(support)
        state['first'] = state['tokens'] = self._pool([level.flatten(0, 1) for level in levels], points, visible)
        before = dict(recurrent=1, support_first=len(self.support_layers), query_only=0)[self.mining]
        for layer in self.support_layers[:before]:
            state['tokens'] = self._mine_support(layer, state['tokens'], levels, state)
        if before < len(self.support_layers):
            state.update({f'level{number}': level for number, level in enumerate(levels)})
        return state

    def _levels(self, features: dict) -> list:
        """The pyramid of `encode_support` or `encode_query`."""
        return [features[f'level{number}'] for number in range(len(self.pyramid.projections))]

    def answer(self, state: dict, query: dict) -> Prediction:
        """Answer B queries; see `models/heads/__init__.py`.

        `extras`: what `prepare` returns except the pyramid and `tokens`; `padded_layers` (L, B, T, 2), all slots after
        each layer, of which `layers` are the first K; `levels`, the query's pyramid.
        """
        levels, tokens = self._levels(query), state['tokens']
        logits = tokens.new_zeros(*tokens.shape[:2], 2)  # sigma^-1(0.5), section 3.2
        layers = []
        for number, (layer, mlp) in enumerate(zip(self.query_layers, self.offset_mlps, strict=True)):
            if self.mining == 'recurrent' and number:
                tokens = self._mine_support(self.support_layers[number], tokens, self._levels(state), state)
            current = logits.sigmoid().detach()
            tokens = layer(tokens, self._position(current), _gather(current, state['query_order']),
                           levels)  # equation 4
            logits = logits.detach() + mlp(tokens)  # equation 5
            layers.append(logits.sigmoid())
        padded = torch.stack(layers)
        slots = state['seen'].shape[1]
        extras = {name: value for name, value in state.items() if name != 'tokens' and not name.startswith('level')}
        return Prediction(
            points=padded[-1, :, :slots], scores=state['seen'].to(padded.dtype), layers=padded[:, :, :slots],
            extras=dict(extras, padded_layers=padded, levels=levels))

    def _padding(self, num_keypoints: Tensor, links: list) -> Padding:
        kind, draws = self.train_padding if self.training else self.test_padding, None
        if kind == 'mixup':
            generator = None if self.training else torch.Generator().manual_seed(0)  # on the CPU, for all devices alike
            draws = MixupDraws.draw(links, self.num_slots, self.alpha, generator)
        return Padding(kind, num_keypoints, links, self.num_slots, self.variant, draws)

    def _orders(self, padding: Padding, visible: Tensor) -> Tensor:
        """visible (B, S, T) -> (B, S, T, M): the slots that each slot reads around."""
        if self.structure == 'links':
            return padding.breadth_first(visible, self.num_references)
        itself = torch.arange(self.num_slots, device=visible.device)[:, None].expand(
            *visible.shape, self.num_references)
        if self.structure == 'none':
            return itself
        # All visible keypoints are neighbours of one another: first the keypoint itself, then the first others.
        others = (~visible).long().argsort(dim=-1, stable=True)[..., :self.num_references]
        others = others[..., None, :].expand_as(itself)
        late = (others == itself).long().cumsum(-1).bool()  # from the keypoint itself on, take the next
        after = torch.cat((others[..., 1:], others[..., -1:]), -1)
        others = torch.where(late, after, others)[..., :-1]
        reached = visible[..., None] & visible.gather(-1, others.flatten(-2)).view_as(others)
        return torch.cat((itself[..., :1], torch.where(reached, others, itself[..., 1:])), -1)

    def _pool(self, levels: list, points: Tensor, visible: Tensor) -> Tensor:
        """F_q^0 (B, T, C): features at the support keypoints, mean over levels and over the shots that see them."""
        flat, seen = points.flatten(0, 1), visible.flatten(0, 1)
        if self.pooling == 'heatmap':
            heatmaps, seen = gaussian_heatmaps(flat, seen, self.heatmap_size, self.sigma)
            features = torch.stack([heatmap_pooling(level, heatmaps) for level in levels]).mean(0)
        else:
            locations = flat[:, :, None, None, None].expand(-1, -1, 1, len(levels), 1, 2)
            weights = torch.full_like(locations[..., 0], 1 / len(levels))
            features = sample_levels([level[:, None] for level in levels], locations, weights)[:, :, 0]
        return masked_mean(features.view(*visible.shape, -1), seen.view_as(visible)[..., None], 1)

    def _position(self, points: Tensor) -> Tensor:
        """Points (..., T, 2) -> identifiers and encoded coordinates (..., T, C)."""
        return self.identifiers + self.position_mlp(sine_points(points, self.channels))

    def _mine_support(self, layer: nn.Module, tokens: Tensor, levels: list, state: dict) -> Tensor:
        """Equation 3 on every support, then the mean over those that see a keypoint: (B, T, C).

        Section 3.5 divides by N; one that does not see the keypoint has mined nothing and is left out, as released.
        """
        visible = state['padded_visible']
        tokens = tokens[:, None].expand(-1, visible.shape[1], -1, -1).flatten(0, 1)
        points, levels = state['padded_points'].flatten(0, 1), [level.flatten(0, 1) for level in levels]
        mined = layer(tokens, self._position(points), _gather(points, state['orders'].flatten(0, 1)), levels,
                      masked_keys(visible.flatten(0, 1)))
        return masked_mean(mined.view(*visible.shape, -1), visible[..., None], 1)

    def loss(self, prediction: Prediction, episode: Episode) -> dict:
        """Equations 9 to 11, on the query's points padded as the supports' were.

        What the query shows is supervised, whether or not a support shows it.

        Returns:
            `l1_loss_real` (equation 10); `l1_loss_mix` (equation 11 times beta) of padded keypoints; `matching_loss`.
        """
        points, visible = episode.query_points, episode.query_visible
        padding = prediction.extras['padding']
        points, visible = padding.pad(points.masked_fill(~visible[..., None], 0), visible)
        errors = (prediction.extras['padded_layers'] - points).abs().sum(-1)  # (L, B, T)
        real = padding.slot < padding.counts[:, None]

        def over_keypoints(weight: Tensor) -> Tensor:
            """(B, T) -> scalar."""
            total = (errors * weight).sum(-1)  # (L, B)
            if self.reduction == 'paper':
                return total.mean()
            return (total / weight.sum(-1).clamp(min=1)).sum(0).mean()

        losses = dict(l1_loss_real=over_keypoints(visible & real))
        if self.mix_weight:
            losses['l1_loss_mix'] = self.mix_weight * over_keypoints(visible & ~real)
        if self.matching_weight:
            losses['matching_loss'] = self.matching_weight * self._matching(prediction.extras, points, visible)
        return losses

    def _matching(self, extras: dict, points: Tensor, visible: Tensor) -> Tensor:
        """Padded points (B, T, 2), visible (B, T) -> scalar: how badly first features find them, mean over levels."""
        heatmaps, weight = gaussian_heatmaps(points, visible, self.heatmap_size, self.sigma)
        weight = weight & extras['padded_visible'].any(1)
        # Cosines: backbones differ in the size of their features, and a large loss would drown the others.
        first = F.normalize(extras['first'], dim=-1)
        similarities = [10 * torch.einsum('btc,bchw->bthw', first, F.normalize(level, dim=1))
                        for level in extras['levels']]
        return torch.stack([keypoint_mean(similarity_cross_entropy(similarity, heatmaps), weight)
                            for similarity in similarities]).mean()


def _gather(points: Tensor, order: Tensor) -> Tensor:
    """points (N, T, 2), order (N, T, M) -> (N, T, M, 2)."""
    index = order.flatten(1)[..., None].expand(-1, -1, 2)
    return points.gather(1, index).view(*order.shape, 2)
