"""What a method must beat: answers without a network."""

import numpy as np

from capekit.datasets import crops


def copy_support(dataset, rows: np.ndarray) -> list:
    """Copy the supports' keypoints, at their positions in the support's crop, into the query's crop.

    The position is the mean over the supports that see the keypoint; if none does, the crop's centre.

    Args:
        dataset: an `MP100Dataset`; no images are needed.
        rows: (N, S + 1) instance numbers, the query last.

    Returns:
        N arrays (K, 2) float64: x, y in pixels of the query's image.
    """
    size = dataset.image_size
    to_crop = {}
    for number in np.unique(rows).tolist():
        to_crop[number] = crops.crop_matrix(*crops.box_to_square(dataset.bboxes[number]), 0.0, size)
    answers = []
    for row in np.asarray(rows).tolist():
        count = dataset.categories[int(dataset.category_ids[row[-1]])].num_keypoints
        keypoints = dataset.keypoints[row[:-1], :count]
        seen = keypoints[..., 2] > 0
        placed = np.stack([crops.transform_points(points[:, :2], to_crop[number])
                           for number, points in zip(row[:-1], keypoints, strict=True)])
        total = (placed * seen[..., None]).sum(0) + (size / 2) * (seen.sum(0) == 0)[:, None]
        mean = total / np.maximum(seen.sum(0), 1)[:, None]
        answers.append(crops.transform_points(mean, crops.invert(to_crop[row[-1]])))
    return answers
