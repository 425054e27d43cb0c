"""Frozen features matched as they are: no parameters, no training, any backbone. The floor for every learned method."""

from torch import Tensor, nn

from capekit.choices import Weight, checked
from capekit.errors import CapekitError
from capekit.models.layers import ShotChoice, describe_pixels, describe_points, match_features, seen_by_all
from capekit.registry import MODELS
from capekit.structures import Episode, Prediction, Task


@MODELS.register_module()
class FeatureMatchingHead(nn.Module):
    """Each keypoint is found where the query's centred features have the highest cosine with the supports'.

    The cosine is averaged over the backbone's maps, on the grid of the finest. A keypoint uses the shots that see it.

    Args:
        shots: 'mean' of the shots' similarities or the 'best' of them, at each cell.
        prior: weight of the squared distance, in crop sides, from the keypoint's place in the support; 0 = none.
        temperature: of the sub-cell answer, see `match_features`; 0 = the best cell's centre.
    """

    frozen = True
    """Nothing to train: an estimator with this head takes its backbone's published weights and needs no checkpoint."""

    @checked
    def __init__(self, shots: ShotChoice = 'mean', prior: Weight = 0.5, temperature: Weight = 0.05):
        super().__init__()
        self.shots, self.prior, self.temperature = shots, prior, temperature

    def encode_support(self, maps: list, points: Tensor, visible: Tensor) -> dict:
        """As `describe_points`."""
        return describe_points(maps, points, visible)

    def encode_query(self, maps: list) -> dict:
        """`pixels` (N, C, H, W), see `describe_pixels`."""
        return dict(pixels=describe_pixels(maps))

    def prepare(self, support: dict, task: Task) -> dict:
        """The supports' descriptors, (B, S, ...), and `mask` (B, K) bool, the keypoints that every support sees."""
        return dict(support, mask=seen_by_all(support['seen'], task.num_keypoints))

    def answer(self, state: dict, query: dict) -> Prediction:
        """Answer B queries; see `models/heads/__init__.py`. `extras`: `mask`, and `similarity` (B, K, H, W)."""
        match = match_features(state['features'], state['points'], state['seen'], query['pixels'], self.shots,
                               self.prior, self.temperature)
        return Prediction(points=match.points, scores=match.scores,
                          extras=dict(similarity=match.similarity, mask=state['mask']))

    def loss(self, prediction: Prediction, episode: Episode) -> dict:
        """There is none.

        Raises:
            CapekitError: always.
        """
        raise CapekitError('FeatureMatchingHead has nothing to train; test it without a checkpoint: '
                           'tools/test.py CONFIG')
