"""Body plans of the eight super-categories: seeded grammars from proportions and counts to points, limbs and panels.

To add one: a file with a function (rng, plan) that fills the `Plan` with `point`, `limb`, `panel` and `link`, and its
name in `PLANS`.
Points are x right, y down, z towards the viewer, in any unit: the object is later scaled to a longest side of 1.
"""

from .animal_body import animal_body
from .animal_face import animal_face
from .clothes import clothes
from .furniture import furniture
from .human_body import human_body
from .human_face import human_face
from .human_hand import human_hand
from .plan import Plan
from .vehicle import vehicle

PLANS = dict(
    human_hand=human_hand,
    human_face=human_face,
    human_body=human_body,
    animal_body=animal_body,
    animal_face=animal_face,
    clothes=clothes,
    furniture=furniture,
    vehicle=vehicle,
)

__all__ = ['PLANS', 'Plan', 'human_face']
