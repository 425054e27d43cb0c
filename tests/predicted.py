"""A prediction made by hand, for tests of what comes after the model."""

import numpy as np

from capekit.labelling.records import PosePrediction


def prediction(image='a.png', frame=None, animal=0, box=(0, 0, 10, 10), points=((1, 1), (2, 2)), spread=(0.1, 0.1),
               scores=(0.5, 0.5), misfit=(0.1, 0.1), **more) -> PosePrediction:
    """One animal of two keypoints; a keypoint without points has no spread and no misfit."""
    return PosePrediction(image, frame, animal, np.array(box, float), np.array(points, float), np.array(scores),
                          np.full(2, np.nan), spread=np.array(spread), misfit=np.array(misfit), **more)
