"""From a few labelled images to the keypoints of all others; `capekit.apis.CapeInferencer` puts it together.

Supports (`supports`) teach a model (`adapted`, `matcher`, or `estimated` for the methods of configs), which answers
square crops. Boxes that are not given are found (`boxes`, `refine`, `consensus`). `predictor` joins the two; `fitting`
and `calibration` say how far off the answers will be, `review` and `suggest` what to look at and to label next.
"""

from .records import FitReport, KeypointReport, Labelled, PosePrediction, Support
from .suggest import Suggestion

__all__ = ['FitReport', 'KeypointReport', 'Labelled', 'PosePrediction', 'Suggestion', 'Support']
