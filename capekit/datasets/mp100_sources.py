"""The thirteen data sets that MP-100's images come from."""

from dataclasses import dataclass

from capekit.datasets.splits import SUPERCATEGORY_MEMBERS
from capekit.errors import CapekitError

_BIRDS = (14, 16, 28, 41, 46, 53, 59, 86)
_OTHER_BODIES = (44, 66, 92)


@dataclass(frozen=True)
class Source:
    """A data set, and the MP-100 categories whose images are from it."""

    title: str
    link: str
    categories: tuple[int, ...]


SOURCES = {
    'coco': Source('COCO', 'http://cocodataset.org/', (72,)),
    '300w': Source('300W', 'https://ibug.doc.ic.ac.uk/resources/300-W/', (40,)),
    'aflw': Source('AFLW', 'https://www.tugraz.at/institute/icg/research/team-bischof/learning-recognition-surveillance'
                   '/downloads/aflw', (18,)),
    'onehand10k': Source('OneHand10K', 'https://www.yangangwang.com/papers/WANG-MCC-2018-10.html', (80,)),
    'deepfashion2': Source('DeepFashion2', 'https://github.com/switchablenorms/DeepFashion2',
                           tuple(SUPERCATEGORY_MEMBERS['clothes'])),
    'ap10k': Source('AP-10K', 'https://github.com/AlexTheBad/AP-10K',
                    tuple(id_ for id_ in SUPERCATEGORY_MEMBERS['animal_body'] if id_ not in (*_BIRDS, *_OTHER_BODIES))),
    'macaquepose': Source('MacaquePose', 'http://www.pri.kyoto-u.ac.jp/datasets/macaquepose/index.html', (92,)),
    'fly': Source('Vinegar Fly', 'https://github.com/jgraving/DeepPoseKit-Data', (66,)),
    'locust': Source('Desert Locust', 'https://github.com/jgraving/DeepPoseKit-Data', (44,)),
    'cub': Source('CUB-200-2011', 'http://www.vision.caltech.edu/datasets/cub_200_2011/', _BIRDS),
    'carfusion': Source('CarFusion', 'http://www.cs.cmu.edu/~ILIM/projects/IM/CarFusion/cvpr2018/index.html',
                        tuple(SUPERCATEGORY_MEMBERS['vehicle'])),
    'animalweb': Source('AnimalWeb', 'https://fdmaproject.wordpress.com/author/fdmaproject/',
                        tuple(SUPERCATEGORY_MEMBERS['animal_face'])),
    'keypoint5': Source('Keypoint-5', 'https://github.com/jiajunwu/3dinn', tuple(SUPERCATEGORY_MEMBERS['furniture'])),
}


def source_named(name: str) -> Source:
    """A source by its key in `SOURCES`.

    Raises:
        CapekitError: there is none.
    """
    if name not in SOURCES:
        raise CapekitError(f'no source data set {name!r}; valid: {", ".join(SOURCES)}')
    return SOURCES[name]
