"""Pixels and keypoints attend to each other (CapeFormer, section 3.3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .transformer import FeedForward, PostNormAttention

LOGITS = 2 ** 18
"""Logits among pixels that are in memory at once: few enough for a core's cache."""


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, positions added to the tokens themselves."""

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.self_attention = PostNormAttention(channels, heads, dropout)
        self.feed_forward = FeedForward(channels, hidden, dropout)

    def forward(self, tokens: Tensor, position: Tensor, masked: Tensor | None) -> Tensor:
        """(B, L, C) from tokens and positions (B, L, C); nothing attends to masked ones, (B, L) bool."""
        # Added before attention, so that the position also enters the value and the residual (released).
        tokens = tokens + position
        return self.feed_forward(self.self_attention(tokens, tokens, tokens, tokens, masked))


class JointEncoder(nn.ModuleList):
    """`layers` x `EncoderLayer` on the query's pixels and the keypoints as one sequence."""

    def __init__(self, layers: int, channels: int, heads: int, hidden: int, dropout: float):
        super().__init__(EncoderLayer(channels, heads, hidden, dropout) for _ in range(layers))

    def ahead(self, pixels: Tensor, pixel_position: Tensor) -> dict:
        """What the first layer computes from pixels alone, once for all answers about an image.

        Args:
            pixels, pixel_position: (N, HW, C).

        Returns:
            (N, heads, HW, C / heads) each: `first_query`, scaled, `first_key`, `first_value`, and `first_result`, the
            pixels' attention to one another; `first_total` (N, heads, HW), the logarithm of its softmax's denominator.
        """
        placed = pixels + pixel_position
        query, key, value = (x.contiguous() for x in self._first().self_attention.project(placed, placed, placed))
        query = query / query.shape[-1] ** 0.5
        results, totals = [], []
        at_once = max(1, LOGITS // (query.shape[1] * query.shape[2] ** 2))
        for parts in zip(*(tensor.split(at_once) for tensor in (query, key, value)), strict=True):
            logits = parts[0] @ parts[1].transpose(-2, -1)
            largest = logits.amax(-1, keepdim=True)
            shares = (logits - largest).exp_()
            total = shares.sum(-1, keepdim=True)
            results.append((shares.to(parts[2].dtype) @ parts[2]) / total)
            totals.append((largest + total.log())[..., 0])
        return dict(first_query=query, first_key=key, first_value=value, first_result=torch.cat(results),
                    first_total=torch.cat(totals))

    def _first(self) -> EncoderLayer:
        return self[0]  # type: ignore[return-value]  # a ModuleList does not type its items

    def _first_attention(self, ahead: dict, sequence: Tensor, placed: Tensor, masked: Tensor) -> Tensor:
        """The attention of the first layer, from `ahead` with (B, ...) in front.

        sequence (B, HW + K, C), placed (B, K, C), masked (B, K) bool -> (B, HW + K, C).
        """
        attention = self._first().self_attention
        query, key, value = attention.project(placed, placed, placed)
        query, masked, count = query / query.shape[-1] ** 0.5, masked[:, None, None], ahead['first_key'].shape[2]
        # For a pixel, all pixels together are one more key: its logit is their total, its value their result. Keys come
        # before pixels here: a softmax over few numbers that lie side by side would be 15 times slower.
        logits = (key @ ahead['first_query'].transpose(-2, -1)).masked_fill(masked.transpose(-2, -1), float('-inf'))
        weights = torch.cat((ahead['first_total'][:, :, None].to(logits.dtype), logits), 2).softmax(2).to(value.dtype)
        of_pixels = weights[:, :, 0, :, None] * ahead['first_result'] + weights[:, :, 1:].transpose(-2, -1) @ value
        logits = torch.cat((query @ ahead['first_key'].transpose(-2, -1),
                            (query @ key.transpose(-2, -1)).masked_fill(masked, float('-inf'))), -1)
        weights = logits.softmax(-1).to(value.dtype)
        of_tokens = weights[..., :count] @ ahead['first_value'] + weights[..., count:] @ value
        return attention.add(sequence, torch.cat((of_pixels, of_tokens), 2))

    def forward(self, pixels: Tensor, pixel_position: Tensor, tokens: Tensor, identifiers: Tensor,
                masked: Tensor, ahead: dict | None = None) -> tuple:
        """pixels, pixel_position (B, HW, C); tokens, identifiers (B, K, C); masked (B, K) bool -> pixels, tokens.

        `ahead`: holds the result of the method of that name for these pixels, if it was called.
        """
        count = pixels.shape[1]
        sequence, position = torch.cat((pixels, tokens), 1), torch.cat((pixel_position, identifiers), 1)
        padded = F.pad(masked, (count, 0))
        layers = list(self)
        if ahead and 'first_query' in ahead:
            del layers[0]
            sequence = sequence + position
            sequence = self._first().feed_forward(self._first_attention(ahead, sequence, sequence[:, count:], masked))
        for layer in layers:
            sequence = layer(sequence, position, padded)
        return sequence[:, :count], sequence[:, count:]
