"""First guesses by matching keypoints with pixels (CapeFormer, section 3.4)."""

import torch
from torch import Tensor, nn


class ProposalGenerator(nn.Module):
    """Similarity maps by a learnable inner product, and their peaks."""

    def __init__(self, channels: int):
        super().__init__()
        self.query_projection = nn.Linear(channels, channels)
        self.support_projection = nn.Linear(channels, channels)
        self.channel_attention = nn.Sequential(
            nn.Linear(channels, channels // 2), nn.ReLU(), nn.Linear(channels // 2, channels), nn.Tanh())

    def forward(self, pixels: Tensor, keypoints: Tensor, size: tuple[int, int]) -> tuple:
        """pixels (B, HW, C), keypoints (B, K, C) -> similarity (B, K, H, W), proposals, peaks (B, K, 2), scores (B, K).

        The expectation over the whole map (equation 6) is supervised: the released code calls it the proposal. The
        expectation over the 3 x 3 window around the maximum (equations 2, 3), here the peak, is where the decoder
        starts. Both are normalised and keep their gradient; the score is the window's share of the map.
        """
        height, width = size
        keypoints = self.support_projection(keypoints)
        keypoints = (self.channel_attention(keypoints) + 1) * keypoints
        similarity = keypoints @ self.query_projection(pixels).transpose(1, 2)  # equation 1
        probability = similarity.softmax(-1)
        y, x = torch.meshgrid((torch.arange(height, device=pixels.device) + 0.5) / height,
                              (torch.arange(width, device=pixels.device) + 0.5) / width, indexing='ij')
        centres = torch.stack((x, y), -1).flatten(0, 1).to(probability.dtype)  # (HW, 2)
        proposals = probability @ centres

        best = similarity.argmax(-1, keepdim=True)
        cell = torch.arange(height * width, device=pixels.device)
        near = ((cell // width - best // width).abs() <= 1) & ((cell % width - best % width).abs() <= 1)
        window = probability * near
        scores = window.sum(-1)
        peaks = (window / (scores[..., None] + 1e-10)) @ centres
        return similarity.unflatten(-1, size), proposals, peaks, scores
