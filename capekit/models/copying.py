"""What every method must beat: the supports' keypoints, at their places in the crop, whatever the images show."""

from torch import Tensor

from capekit.choices import Size, checked
from capekit.models.estimator import EpisodeEstimator
from capekit.registry import MODELS
from capekit.structures import Prediction, Task


@MODELS.register_module()
class CopyingEstimator(EpisodeEstimator):
    """Answers each keypoint with its mean place over the supports that see it, or with the crop's centre if none does.

    There is nothing to train. Scores are the share of supports that see the keypoint.
    """

    frozen = True

    @checked
    def __init__(self, data_preprocessor: dict | None = None, image_size: Size | None = None):
        super().__init__(data_preprocessor, image_size)

    def encode_support(self, images: Tensor, points: Tensor, visible: Tensor) -> dict:
        """`points` (N, K, 2) and `visible` (N, K) themselves."""
        return dict(points=points, visible=visible)

    def encode_query(self, images: Tensor) -> dict:
        """`count` (N, 0): queries are only counted."""
        return dict(count=images.new_zeros(len(images), 0))

    def prepare(self, support: dict, task: Task) -> dict:
        """`points` (B, K, 2) and `scores` (B, K)."""
        seen = support['visible'].float()
        total = (support['points'] * seen[..., None]).sum(1)
        mean = total / seen.sum(1).clamp(min=1)[..., None]
        return dict(points=mean + 0.5 * (seen.sum(1) == 0)[..., None], scores=seen.mean(1))

    def answer(self, state: dict, query: dict) -> Prediction:
        """As `EpisodeEstimator.answer`."""
        times = len(query['count']) // len(state['points'])
        return Prediction(**{name: value.repeat_interleave(times, 0) for name, value in state.items()})
