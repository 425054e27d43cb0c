"""Body plans of the eight super-categories: seeded grammars from proportions and counts to points, limbs and panels.

To add one: write a function (rng, plan) that fills the plan with `point`, `limb`, `panel` and `link`, and list it in
`PLANS`.
Points are x right, y down, z towards the viewer, in any unit: the object's longest side is made 1 afterwards.
"""

import numpy as np

ROUND = ['disc', 'ring', 'button', 'half', 'stripes', 'star', 'cross', 'checker', 'diamond', 'flower']


class Plan:
    """Collects what a body plan says of an object; `categories.build` makes a category of it."""

    def __init__(self):
        self.names, self.xyz, self.parents, self.bends, self.shapes, self.scales = [], [], [], [], [], []
        self.twins, self.links, self.parts = {}, [], []
        self.yaw, self.pitch = 0.3, 0.2
        self.paints = 3
        self.kind = ''

    def point(self, name, x, y, z=0.0, parent=None, bend=0.0, shapes=None, scale=1.0, twin=None) -> int:
        """Add a point that turns by up to `bend` radians around its parent and takes its children along.

        A point without a name only shapes panels. `scale` enlarges a keypoint's look; `twin` is the index of its mirror
        image, which may come to share its look.
        """
        self.names.append(name)
        self.xyz.append((x, y, z))
        self.parents.append(-1 if parent is None else parent)
        self.bends.append(bend)
        self.shapes.append(shapes or ROUND)
        self.scales.append(scale)
        if twin is not None:
            self.twins[len(self.names) - 1] = twin
        return len(self.names) - 1

    def limb(self, a, b, start, end=None, paint=0, depth=0.0) -> None:
        """A tapering limb from point a to point b with these full widths."""
        self.parts.append(((a, b), (start, start if end is None else end), paint, depth))

    def panel(self, points, paint=0, depth=-0.01) -> None:
        """A filled polygon of points with rounded corners."""
        self.parts.append((tuple(points), (), paint, depth))

    def link(self, *chain) -> None:
        """Link consecutive points of a chain in the skeleton."""
        self.links += list(zip(chain[:-1], chain[1:], strict=True))


def _sides(rng) -> tuple:
    """The two body sides as (name, sign of x)."""
    return ('left', 1.0), ('right', -1.0)


def human_hand(rng, plan):
    """A palm and three to five chains of joints, a left or a right hand."""
    plan.kind, plan.yaw, plan.pitch = 'hand', 0.45, 0.35
    fingers = int(rng.integers(3, 6))
    joints = int(rng.integers(2 if fingers > 3 else 3, 5))
    mirror = rng.choice((-1.0, 1.0))
    spread = rng.uniform(0.5, 0.8)
    width = rng.uniform(0.1, 0.14)
    wrist = plan.point('wrist', 0, 0.95, scale=1.2)
    heel = [plan.point(None, mirror * x, 0.85, -0.01) for x in (-0.26, 0.26)]
    names = (
        ('thumb', 'index', 'middle', 'ring', 'little')[:fingers]
        if fingers < 5
        else ('thumb', 'index', 'middle', 'ring', 'little')
    )
    knuckles, tips = [], []
    for n, name in enumerate(names):
        where = n / (fingers - 1) * 2 - 1
        thumb = n == 0
        x, y = mirror * where * 0.4, (0.62 if thumb else 0.3 + 0.1 * where**2)
        angle = mirror * (where * spread - (0.35 if thumb else 0))
        length = rng.uniform(0.75, 0.95) * (0.75 if thumb else 1 - 0.25 * abs(where - 0.1))
        last = plan.point(f'{name}_1', x, y, 0.01, wrist, 0.08)
        knuckles.append(last)
        plan.link(wrist, last)
        for joint in range(2, joints + 1):
            reach = length / (joints - 1)
            x, y = x + np.sin(angle) * reach, y - np.cos(angle) * reach
            tip = joint == joints
            new = plan.point(
                f'{name}_{joint}',
                x,
                y,
                0.01 * joint,
                last,
                0.3,
                ['nail', 'star', 'half', 'diamond'] if tip else None,
                1.1 if tip else 1.0,
            )
            plan.limb(last, new, width * 1.15, width * (0.8 if tip else 1.0), 1 if n % 2 else 0)
            plan.link(last, new)
            last = new
        tips.append(last)
    plan.panel([heel[0], *knuckles, heel[1], wrist], 2)
    for knuckle in knuckles:
        plan.limb(wrist, knuckle, width * 1.6, width * 1.3, 2, -0.005)


def _oval(plan, names, cx, cy, rx, ry, z=0.0, start=np.pi, **options):
    """Points around an oval, clockwise from the left by default; names may be None."""
    made = []
    for n, name in enumerate(names):
        angle = start + 2 * np.pi * n / len(names)
        made.append(plan.point(name, cx + rx * np.cos(angle), cy + ry * np.sin(angle), z, **options))
    return made


def human_face(rng, plan, full=None):
    """Jaw, brows, eyes, nose and mouth in one of several levels of detail, up to the usual 68 points."""
    plan.kind, plan.yaw, plan.pitch, plan.paints = 'face', 0.5, 0.3, 5
    full = rng.random() < 0.3 if full is None else full
    jaw_n, brow_n, eye_n, nose_n, mouth_n = (
        (17, 5, 6, (4, 5), 20)
        if full
        else (
            int(rng.choice((5, 7, 9, 13))),
            int(rng.integers(2, 5)),
            int(rng.choice((1, 2, 4))),
            (int(rng.integers(1, 4)), int(rng.choice((1, 3)))),
            int(rng.choice((4, 6, 8, 12))),
        )
    )
    width, brow_y, eye_x = rng.uniform(0.62, 0.8), rng.uniform(-0.36, -0.28), rng.uniform(0.26, 0.36)
    eye_y, mouth_y, mouth_w = rng.uniform(-0.14, -0.06), rng.uniform(0.44, 0.54), rng.uniform(0.2, 0.32)
    jaw = []
    for n in range(jaw_n):
        angle = np.pi * (1 - n / (jaw_n - 1))
        squareness = rng.uniform(0.98, 1.02)
        jaw.append(
            plan.point(
                f'jaw_{n + 1}',
                width * np.cos(angle) * squareness,
                -0.05 + 0.95 * np.sin(angle),
                -0.15 * abs(np.cos(angle)),
            )
        )
    plan.link(*jaw)
    top = _oval(
        plan,
        [None] * 5,
        0,
        -0.1,
        width * 1.02,
        rng.uniform(0.75, 0.95),
        -0.1,
        start=-0.2,
    )
    for n, index in enumerate(top):
        angle = -np.pi * (n + 0.6) / 5.2
        plan.xyz[index] = (width * 1.03 * np.cos(angle), -0.1 + 0.8 * np.sin(angle), -0.12)
    plan.panel([*jaw, *top], 0, -0.3)
    hair = [
        plan.point(None, width * 1.15 * np.cos(a), -0.25 + rng.uniform(0.8, 0.95) * np.sin(a), -0.4)
        for a in np.linspace(0.2, -np.pi - 0.2, 9)
    ]
    plan.panel(hair, 1, -0.3)
    centre = plan.point(None, 0, eye_y, 0.1)
    brows, corners = [], []
    for side, sign in _sides(rng):
        mirrored = sign < 0
        brow = [
            plan.point(
                f'{side}_brow_{n + 1}',
                sign * (eye_x - 0.17 + 0.34 * n / (brow_n - 1)),
                brow_y - 0.08 * np.sin(np.pi * (n + 0.5) / brow_n),
                0.12,
                twin=brows[0][n] if mirrored else None,
            )
            for n in range(brow_n)
        ]
        for a, b in zip(brow[:-1], brow[1:], strict=True):
            plan.limb(a, b, 0.07, 0.06, 1, 0.02)
        plan.link(*brow)
        brows.append(brow)
        x = sign * eye_x
        if eye_n == 1:
            eye = [
                plan.point(
                    f'{side}_eye', x, eye_y, 0.12, shapes=['eye'], scale=1.5, twin=corners[0][0] if mirrored else None
                )
            ]
        else:
            eye = []
            for n in range(eye_n):
                angle = np.pi + 2 * np.pi * n / eye_n
                eye.append(
                    plan.point(
                        f'{side}_eye_{n + 1}',
                        x + sign * 0.15 * np.cos(angle),
                        eye_y + 0.085 * np.sin(angle),
                        0.12,
                        twin=corners[0][n] if mirrored else None,
                        scale=0.8,
                    )
                )
            if eye_n > 2:
                plan.panel(eye, 2, 0.02)
            else:
                plan.limb(eye[0], eye[1], 0.11, 0.11, 2, 0.02)
            plan.link(*eye, *eye[:1])
        corners.append(eye)
        plan.link(brow[0], eye[0])
    bridge = [
        plan.point(f'nose_bridge_{n + 1}', 0, eye_y + 0.02 + 0.28 * n / max(nose_n[0] - 1, 1), 0.2 + 0.04 * n)
        for n in range(nose_n[0])
    ]
    base = [
        plan.point(
            f'nose_base_{n + 1}',
            0.12 * (2 * n / max(nose_n[1] - 1, 1) - 1) if nose_n[1] > 1 else 0,
            eye_y + 0.38,
            0.24,
            scale=0.9,
        )
        for n in range(nose_n[1])
    ]
    plan.limb(bridge[0], base[len(base) // 2], 0.08, 0.2, 3, 0.0)
    plan.link(*bridge)
    plan.link(bridge[-1], base[len(base) // 2])
    plan.link(*base)
    plan.link(bridge[0], corners[0][0])
    plan.link(bridge[0], corners[1][0])
    outer_n = 12 if mouth_n == 20 else mouth_n
    outer = _oval(plan, [f'mouth_outer_{n + 1}' for n in range(outer_n)], 0, mouth_y, mouth_w, 0.15, 0.14)
    plan.panel(outer, 4, 0.0)
    plan.link(*outer, outer[0])
    if mouth_n == 20:
        inner = _oval(
            plan, [f'mouth_inner_{n + 1}' for n in range(8)], 0, mouth_y, mouth_w * 0.62, 0.06, 0.15, scale=0.8
        )
        plan.link(*inner, inner[0])
        plan.link(outer[0], inner[0])
    plan.link(base[len(base) // 2], outer[len(outer) // 4])
    plan.link(jaw[len(jaw) // 2], outer[len(outer) * 3 // 4])
    del centre


def human_body(rng, plan):
    """Head, torso, two arms and two legs, with or without face, neck, pelvis and toes."""
    plan.kind, plan.yaw, plan.pitch, plan.paints = 'person', 0.5, 0.15, 5
    shoulder, hip = rng.uniform(0.2, 0.3), rng.uniform(0.12, 0.2)
    arm, leg, width = rng.uniform(0.26, 0.34), rng.uniform(0.36, 0.46), rng.uniform(0.1, 0.15)
    pelvis = plan.point('pelvis' if rng.random() < 0.5 else None, 0, 0.3)
    neck = plan.point('neck' if rng.random() < 0.6 else None, 0, -0.28, 0.0, pelvis, 0.15)
    head = plan.point('head' if rng.random() < 0.5 else None, 0, -0.5, 0.02, neck, 0.2, scale=1.3)
    crown = plan.point('head_top', 0, -0.68, 0.02, head, 0.05)
    plan.limb(neck, head, 0.11, 0.11, 1, -0.01)
    plan.limb(crown, head, 0.22, 0.26, 1, 0.01)
    spine = [n for n in (pelvis, neck, head, crown) if plan.names[n]]
    plan.link(*spine)
    top = spine[1] if plan.names[pelvis] and len(spine) > 1 else spine[0]
    if rng.random() < 0.5:
        eyes = [
            plan.point(f'{side}_eye', sign * 0.06, -0.54, 0.06, head, shapes=['eye'], scale=0.7)
            for side, sign in _sides(rng)
        ]
        plan.link(crown, eyes[0], eyes[1], crown)
    toes, hands = rng.random() < 0.4, rng.random() < 0.3
    girdle, hips = [], []
    firsts = {}
    for n, (side, sign) in enumerate(_sides(rng)):
        twin = (lambda ends: None) if n == 0 else (lambda ends, firsts=firsts: firsts[ends])
        chain = {}
        chain['shoulder'] = plan.point(
            f'{side}_shoulder', sign * shoulder, -0.24, 0.02, neck, 0.1, twin=twin('shoulder')
        )
        chain['elbow'] = plan.point(
            f'{side}_elbow',
            sign * (shoulder + arm * 0.5),
            -0.24 + arm * 0.8,
            0.04,
            chain['shoulder'],
            1.1,
            twin=twin('elbow'),
        )
        chain['wrist'] = plan.point(
            f'{side}_wrist',
            sign * (shoulder + arm * 0.7),
            -0.24 + arm * 1.7,
            0.07,
            chain['elbow'],
            1.0,
            None if hands else ['nail', 'paw', 'star', 'flower'],
            twin=twin('wrist'),
        )
        chain['hip'] = plan.point(f'{side}_hip', sign * hip, 0.3, 0.01, pelvis, 0.08, twin=twin('hip'))
        chain['knee'] = plan.point(
            f'{side}_knee', sign * hip * 1.2, 0.3 + leg, 0.04, chain['hip'], 0.5, twin=twin('knee')
        )
        chain['ankle'] = plan.point(
            f'{side}_ankle', sign * hip * 1.3, 0.3 + leg * 1.95, 0.03, chain['knee'], 0.5, twin=twin('ankle')
        )
        plan.limb(chain['shoulder'], chain['elbow'], width, width * 0.8, 2)
        plan.limb(chain['elbow'], chain['wrist'], width * 0.8, width * 0.6, 1)
        plan.limb(chain['hip'], chain['knee'], width * 1.3, width, 3)
        plan.limb(chain['knee'], chain['ankle'], width, width * 0.7, 3)
        plan.link(top, chain['shoulder'], chain['elbow'], chain['wrist'])
        plan.link(chain['shoulder'], chain['hip'], chain['knee'], chain['ankle'])
        if hands:
            chain['hand'] = plan.point(
                f'{side}_hand',
                sign * (shoulder + arm * 0.75),
                -0.24 + arm * 2.05,
                0.08,
                chain['wrist'],
                0.4,
                ['paw', 'nail'],
                1.2,
                twin('hand'),
            )
            plan.limb(chain['wrist'], chain['hand'], width * 0.6, width * 0.6, 1)
            plan.link(chain['wrist'], chain['hand'])
        if toes:
            chain['toe'] = plan.point(
                f'{side}_toe',
                sign * (hip * 1.3 + 0.14),
                0.34 + leg * 1.95,
                0.05,
                chain['ankle'],
                0.3,
                ['nail', 'half'],
                1.0,
                twin('toe'),
            )
            plan.limb(chain['ankle'], chain['toe'], width * 0.7, width * 0.6, 4)
            plan.link(chain['ankle'], chain['toe'])
        if n == 0:
            firsts = chain
        girdle.append(chain['shoulder'])
        hips.append(chain['hip'])
    plan.link(*hips)
    plan.panel([neck, girdle[0], hips[0], pelvis, hips[1], girdle[1]], 2, -0.05)
    for a, b in zip(girdle, hips, strict=True):
        plan.limb(a, b, width * 1.1, width * 1.2, 2, -0.05)


def animal_body(rng, plan):
    """A four-legged animal seen from the side, far legs behind the trunk; every part of many proportions."""
    plan.kind, plan.yaw, plan.pitch, plan.paints = 'animal', 0.5, 0.1, 4
    mirror = rng.choice((-1.0, 1.0))
    length, height = rng.uniform(0.55, 0.8), rng.uniform(0.4, 0.65)
    trunk, width = rng.uniform(0.26, 0.36), rng.uniform(0.08, 0.13)
    rise, reach = rng.uniform(0.1, 0.5), rng.uniform(0.12, 0.3)
    half = length / 2
    middle = plan.point('back' if rng.random() < 0.5 else None, 0, -0.04 - trunk * 0.3, 0.02)
    withers = plan.point('neck_base', mirror * half, -0.08, 0.03, middle, 0.15)
    rump = plan.point('tail_base', -mirror * half, -0.1, 0.03, middle, 0.15)
    belly = plan.point('belly' if rng.random() < 0.4 else None, 0, trunk * 0.45, 0.02, middle)
    neck = plan.point('throat', mirror * (half + reach * 0.6), -0.08 - rise * 0.6, 0.04, withers, 0.35)
    nose = plan.point(
        'nose', mirror * (half + reach + 0.26), -0.1 - rise, 0.06, neck, 0.25, ['nail', 'disc', 'ring', 'half'], 1.1
    )
    eye = plan.point('left_eye', mirror * (half + reach + 0.08), -0.2 - rise, 0.08, neck, 0.0, ['eye'], 1.1)
    ears = [
        plan.point(f'{side}_ear', mirror * (half + reach * 0.8 - d), -0.34 - rise - h, z, neck, 0.1, ['ear'], 1.1)
        for side, d, h, z in (('left', 0.0, 0.0, 0.09), ('right', 0.1, rng.uniform(-0.02, 0.06), 0.0))
    ]
    tail = [rump]
    turn, bone = rng.uniform(-0.6, 1.4), rng.uniform(0.12, 0.26)
    for n in range(int(rng.integers(1, 3))):
        x, y, z = plan.xyz[tail[-1]]
        tail.append(
            plan.point(f'tail_{n + 1}', x - mirror * bone * np.cos(turn), y + bone * np.sin(turn), z, tail[-1], 0.5)
        )
        plan.limb(tail[-2], tail[-1], width * (0.9 - 0.2 * n), width * (0.7 - 0.2 * n), 1, 0.0)
    plan.link(*tail)
    spine = [n for n in (withers, middle, rump) if plan.names[n]]
    plan.link(*spine)
    plan.link(withers, neck, nose, eye, ears[0])
    plan.link(eye, ears[1])
    if plan.names[belly]:
        plan.link(withers, belly, rump)
    corners = [
        plan.point(None, mirror * (half * u), v * trunk, 0.01, middle)
        for u, v in (
            (1.15, -0.25),
            (1.1, 0.35),
            (0.4, 0.55),
            (-0.5, 0.45),
            (-1.1, 0.4),
            (-1.15, -0.3),
            (-0.4, -0.5),
            (0.5, -0.5),
        )
    ]
    plan.panel(corners, 0, 0.0)
    plan.limb(withers, neck, trunk * 0.75, trunk * 0.5, 0, 0.005)
    plan.limb(neck, nose, trunk * 0.6, trunk * 0.3, 3, 0.01)
    plan.limb(neck, ears[0], trunk * 0.3, width * 0.4, 3, 0.0)
    plan.limb(neck, ears[1], trunk * 0.3, width * 0.4, 3, -0.02)
    joints = ('elbow', 'paw') if rng.random() < 0.3 else ('shoulder', 'elbow', 'paw')
    for end, where in (('front', 0.85), ('back', -0.85)):
        for side, z in (('left', 0.1), ('right', -0.12)):
            x = mirror * (half * where + (-0.0 if side == 'left' else rng.uniform(0.08, 0.14)))
            last, label = withers if end == 'front' else rump, side if end == 'front' else side
            anchor = plan.point(None, x, trunk * 0.3, z, last, 0.0)
            previous, drawn = last, anchor
            for n, joint in enumerate(joints):
                drop = trunk * 0.45 + height * (n + (0 if joints[0] == 'shoulder' else 1)) / 2
                joint_x = x + mirror * (0.05 if (n % 2) ^ (end == 'back') else -0.03)
                name = {
                    'shoulder': 'shoulder' if end == 'front' else 'hip',
                    'elbow': 'elbow' if end == 'front' else 'knee',
                    'paw': f'{end}_paw',
                }[joint]
                new = plan.point(
                    f'{label}_{name}',
                    joint_x,
                    drop,
                    z,
                    drawn if n == 0 else previous,
                    0.35 if n else 0.4,
                    ['paw', 'nail', 'half'] if joint == 'paw' else None,
                    1.15 if joint == 'paw' else 1.0,
                )
                plan.limb(
                    drawn if n == 0 else previous,
                    new,
                    width * (1.3 - 0.2 * n),
                    width * (1.1 - 0.2 * n),
                    1 if joint == 'paw' else 0,
                )
                plan.link(last if n == 0 else previous, new)
                previous = new


def animal_face(rng, plan):
    """Ears or horns, eyes, muzzle and mouth on a round or pointed head."""
    plan.kind, plan.yaw, plan.pitch, plan.paints = 'muzzle', 0.5, 0.3, 4
    width, drop = rng.uniform(0.5, 0.75), rng.uniform(0.55, 0.95)
    ear_x, ear_y, ear_w = rng.uniform(0.35, 0.65), rng.uniform(-1.0, -0.65), rng.uniform(0.2, 0.32)
    eye_x, eye_y = rng.uniform(0.24, 0.38), rng.uniform(-0.25, -0.05)
    outline = [
        plan.point(None, x * width, y, -0.1)
        for x, y in (
            (-1, -0.25),
            (-0.6, -0.62),
            (0, -0.7),
            (0.6, -0.62),
            (1, -0.25),
            (0.85, 0.2),
            (0.45, drop * 0.85),
            (0, drop),
            (-0.45, drop * 0.85),
            (-0.85, 0.2),
        )
    ]
    plan.panel(outline, 0, -0.1)
    nose = plan.point('nose', 0, drop * 0.55, 0.25, shapes=['nail', 'disc', 'half', 'diamond'], scale=1.3)
    muzzle = _oval(plan, [None] * 8, 0, drop * 0.65, rng.uniform(0.25, 0.4), drop * 0.38, 0.1)
    plan.panel(muzzle, 1, 0.0)
    chin = plan.point('chin', 0, drop * 1.0, 0.1)
    forehead = plan.point('forehead', 0, -0.55, 0.05) if rng.random() < 0.6 else None
    sides = {}
    horns = rng.random() < 0.35
    cheeks = rng.random() < 0.5
    inner_ears = rng.random() < 0.4
    for side, sign in _sides(rng):
        pair = {}
        twin = (lambda name: sides['left'][name]) if sign < 0 else (lambda name: None)
        pair['eye'] = plan.point(f'{side}_eye', sign * eye_x, eye_y, 0.15, shapes=['eye'], scale=1.3, twin=twin('eye'))
        pair['base'] = plan.point(f'{side}_ear_base', sign * ear_x * 0.85, -0.5, -0.05, twin=twin('base'))
        pair['tip'] = plan.point(
            f'{side}_ear_tip',
            sign * ear_x * 1.2,
            ear_y,
            -0.1,
            pair['base'],
            0.35,
            ['ear', 'star', 'diamond'],
            1.1,
            twin('tip'),
        )
        plan.limb(pair['base'], pair['tip'], ear_w, ear_w * 0.4, 2)
        pair['mouth'] = plan.point(f'{side}_mouth', sign * 0.22, drop * 0.82, 0.2, twin=twin('mouth'))
        plan.limb(nose, pair['mouth'], 0.06, 0.05, 3, 0.05)
        plan.link(nose, pair['mouth'], chin)
        plan.link(nose, pair['eye'], pair['base'], pair['tip'])
        if horns:
            pair['horn'] = plan.point(
                f'{side}_horn',
                sign * 0.12,
                -1.0 - rng.uniform(0, 0.2),
                0.0,
                forehead,
                0.1,
                ['ear', 'stripes', 'half'],
                1.0,
                twin('horn'),
            )
            root = plan.point(None, sign * 0.16, -0.55, 0.0)
            plan.limb(root, pair['horn'], 0.14, 0.07, 3)
            plan.link(pair['base'], pair['horn'])
        if cheeks:
            pair['cheek'] = plan.point(f'{side}_cheek', sign * width * 0.8, 0.22, 0.0, twin=twin('cheek'))
            plan.link(pair['eye'], pair['cheek'])
        if inner_ears:
            pair['inner'] = plan.point(f'{side}_ear_inner', sign * ear_x * 0.45, -0.6, 0.0, twin=twin('inner'))
            plan.link(pair['base'], pair['inner'])
        sides[side] = pair
    plan.link(sides['left']['eye'], sides['right']['eye'])
    if forehead is not None:
        plan.link(sides['left']['eye'], forehead, sides['right']['eye'])


def clothes(rng, plan):
    """Outlines cut from cloth: tops with or without sleeves, dresses, skirts; K grows with the points per edge."""
    plan.yaw, plan.pitch, plan.paints = 0.35, 0.2, 3
    plan.kind = kind = str(rng.choice(('shirt', 'vest', 'dress', 'trousers', 'skirt', 'coat')))
    per_edge = int(rng.integers(1, 4))
    if kind in ('trousers', 'skirt'):
        waist, hem, crotch = rng.uniform(0.2, 0.3), rng.uniform(0.35, 0.55), rng.uniform(-0.25, 0.05)
        length = 0.8
        top = [plan.point(f'waist_{n + 1}', waist * (n - 1), -0.75 + (0.03 if n == 1 else 0), 0.02) for n in range(3)]
        corners = [(top[2], top[0])]
        if kind == 'skirt':
            ends = [('hem_left', hem, length - 0.3), ('hem', 0, length - 0.26), ('hem_right', -hem, length - 0.3)]
        else:
            ends = [
                ('left_cuff_outer', hem, length),
                ('left_cuff_inner', hem * 0.45, length),
                ('crotch', 0, crotch),
                ('right_cuff_inner', -hem * 0.45, length),
                ('right_cuff_outer', -hem, length),
            ]
        ring = [top[0], top[1], top[2]]
        for name, x, y in ends:
            new = plan.point(name, x, y, 0.0, top[1], 0.12, scale=1.1)
            ring += _edge(plan, ring[-1], new, name, per_edge) + [new]
        ring += _edge(plan, ring[-1], ring[0], 'side', per_edge)
        del corners
    else:
        shoulder, chest, hem = rng.uniform(0.34, 0.45), rng.uniform(0.28, 0.38), rng.uniform(0.3, 0.42)
        length = rng.uniform(0.55, 0.75) if kind in ('shirt', 'vest') else rng.uniform(0.95, 1.15)
        if kind == 'dress':
            hem += 0.18
        collar = [plan.point(f'collar_{n + 1}', 0.12 * (n - 1), -0.62 + (0.1 if n == 1 else 0), 0.03) for n in range(3)]
        body = collar[1]
        ring = list(collar)
        sleeved = kind in ('shirt', 'coat') or (kind == 'dress' and rng.random() < 0.5)
        sleeve, wide = rng.uniform(0.25, 0.75), rng.uniform(0.16, 0.22)
        droop = rng.uniform(0.5, 1.2)
        halves = []
        for side, sign in _sides(rng):
            joint = plan.point(f'{side}_shoulder', sign * shoulder, -0.52, 0.02, body, 0.05)
            pit = plan.point(f'{side}_armpit', sign * chest, -0.28, 0.01, body, 0.03)
            path = [joint]
            if sleeved:
                away, across = np.array([np.cos(droop), np.sin(droop)]), np.array([np.sin(droop), -np.cos(droop)])
                outer = np.array([shoulder, -0.52]) + away * sleeve
                inner = outer - across * wide
                a = plan.point(f'{side}_cuff_outer', sign * outer[0], outer[1], 0.03, joint, 0.5, scale=1.1)
                b = plan.point(f'{side}_cuff_inner', sign * inner[0], inner[1], 0.03, a, 0.0, scale=1.1)
                path += _edge(plan, joint, a, f'{side}_sleeve', per_edge) + [a, b]
                plan.panel([joint, *path[1:], pit], 1, 0.01)
            bottom = plan.point(f'{side}_hem', sign * hem, -0.5 + length * 1.2, 0.0, body, 0.06)
            path += [pit] + _edge(plan, pit, bottom, f'{side}_side', per_edge) + [bottom]
            halves.append(path)
        middle = plan.point('hem', 0, -0.48 + length * 1.22, 0.0, body, 0.05)
        ring = collar + halves[0] + [middle] + halves[1][::-1]
        if kind == 'coat':
            buttons = [
                plan.point(f'button_{n + 1}', 0, -0.4 + (length * 1.1) * n / 4, 0.04, body, 0.02, ['button'], 0.8)
                for n in range(1, 1 + int(rng.integers(2, 4)))
            ]
            plan.link(collar[1], *buttons, middle)
            plan.limb(collar[1], middle, 0.05, 0.05, 2, 0.01)
        plan.limb(collar[0], collar[2], 0.06, 0.06, 2, 0.01)
    trunk = (
        [n for n in ring if 'cuff' not in (plan.names[n] or '') and 'sleeve' not in plan.names[n]]
        if kind not in ('trousers',)
        else ring
    )
    plan.panel(trunk, 0, -0.01)
    plan.link(*ring, ring[0])


def _edge(plan, a, b, name, count):
    """`count` - 1 keypoints between points a and b, named after the edge; they move with b's parent."""
    made = []
    start, end = np.array(plan.xyz[a]), np.array(plan.xyz[b])
    for n in range(1, count):
        x, y, z = start + (end - start) * n / count
        made.append(
            plan.point(
                f'{name}_edge_{n}', x, y, z, plan.parents[b] if plan.parents[b] >= 0 else None, plan.bends[b] * 0.5
            )
        )
    return made


def furniture(rng, plan):
    """Chairs, stools, tables, beds and swivel chairs as planes on legs in three dimensions."""
    plan.yaw, plan.pitch, plan.paints = 0.6, 0.45, 3
    plan.kind = kind = str(rng.choice(('chair', 'table', 'bed', 'swivel_chair', 'sofa')))
    width, deep, legs = rng.uniform(0.35, 0.5), rng.uniform(0.2, 0.35), rng.uniform(0.4, 0.7)
    if kind in ('table', 'bed'):
        width, deep = width * 1.6, deep * 1.3
        legs *= 0.9 if kind == 'table' else 0.4
    if kind == 'sofa':
        width, legs = width * 1.5, legs * 0.5
    rise, thick = deep * 0.5, rng.uniform(0.05, 0.09)
    corners = []
    for name, sx, sz in (('front_left', -1, 1), ('front_right', 1, 1), ('back_right', 1, -1), ('back_left', -1, -1)):
        corners.append(
            plan.point(
                f'seat_{name}' if kind != 'table' else f'top_{name}',
                sx * width,
                -sz * rise * -0.5,
                sz * deep,
                scale=1.1,
            )
        )
    plan.panel(corners, 0, 0.0)
    for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
        plan.limb(a, b, thick, thick, 0, 0.005)
    plan.link(*corners, corners[0])
    if kind == 'swivel_chair':
        hub = plan.point('hub', 0, legs * 0.8, 0)
        under = plan.point(None, 0, 0, -0.02)
        plan.limb(under, hub, thick * 1.3, thick * 1.3, 1, -0.1)
        count = int(rng.integers(3, 6))
        for n in range(count):
            angle = 2 * np.pi * n / count + 0.3
            foot = plan.point(
                f'foot_{n + 1}',
                0.45 * np.cos(angle),
                legs + 0.18 * np.sin(angle),
                0.35 * np.sin(angle),
                hub,
                0.0,
                ['wheel', 'ring', 'disc'],
                1.1,
            )
            plan.limb(hub, foot, thick, thick * 0.7, 1)
            plan.link(hub, foot)
        plan.link(corners[2], hub)
    else:
        shelf = rng.random() < 0.4
        for corner, name in zip(corners, ('front_left', 'front_right', 'back_right', 'back_left'), strict=True):
            x, y, z = plan.xyz[corner]
            foot = plan.point(
                f'foot_{name}',
                x * rng.uniform(0.85, 1.05),
                y + legs,
                z,
                None,
                0,
                ['nail', 'half', 'disc', 'stripes', 'cross'],
            )
            plan.limb(corner, foot, thick * 1.2, thick * 0.8, 1, -0.01)
            plan.link(corner, foot)
            if shelf and kind == 'table':
                half = plan.point(f'brace_{name}', x * 0.95, y + legs * 0.55, z)
                plan.link(corner, half)
    if kind != 'table':
        tall = rng.uniform(0.45, 0.8) * (0.6 if kind == 'bed' else 1)
        lean = rng.uniform(0, 0.12)
        top = []
        for corner, name in ((corners[2], 'right'), (corners[3], 'left')):
            x, y, z = plan.xyz[corner]
            top.append(plan.point(f'back_top_{name}', x * rng.uniform(0.85, 1.0), y - tall, z - lean, scale=1.1))
            plan.limb(corner, top[-1], thick * 1.2, thick, 2, 0.0)
            plan.link(corner, top[-1])
        plan.link(*top)
        plan.limb(top[0], top[1], thick, thick, 2, 0.0)
        if rng.random() < 0.7 or kind == 'sofa':
            plan.panel([corners[2], top[0], top[1], corners[3]], 2, -0.005)
        if kind in ('sofa', 'chair', 'swivel_chair') and (kind == 'sofa' or rng.random() < 0.4):
            for corner, _back, name in ((corners[0], top[1], 'left'), (corners[1], top[0], 'right')):
                x, y, z = plan.xyz[corner]
                arm = plan.point(f'arm_{name}', x * 1.05, y - tall * 0.4, z)
                plan.limb(corner, arm, thick, thick, 1)
                plan.limb(arm, corners[3] if name == 'left' else corners[2], thick * 1.2, thick, 1, 0.02)
                plan.link(corner, arm)
        if kind == 'bed':
            plan.limb(corners[2], corners[3], 0.22, 0.22, 2, 0.01)


def vehicle(rng, plan):
    """Cars, buses, bicycles and aircraft: boxes, frames and wings with wheels, lamps and windows."""
    plan.yaw, plan.pitch, plan.paints = 0.5, 0.2, 4
    plan.kind = kind = str(rng.choice(('car', 'bus', 'bicycle', 'aircraft')))
    mirror = rng.choice((-1.0, 1.0))
    if kind == 'aircraft':
        span, sweep, tail = rng.uniform(0.6, 0.9), rng.uniform(0.0, 0.35), rng.uniform(0.2, 0.35)
        nose = plan.point('nose', 0, -0.9, 0.05, shapes=['nail', 'half', 'star'])
        cockpit = plan.point('cockpit', 0, -0.6, 0.1, shapes=['lamp', 'eye', 'button'])
        back = plan.point('tail', 0, 0.85, 0.05)
        plan.limb(nose, back, 0.2, 0.13, 0, 0.03)
        plan.link(nose, cockpit, back)
        for side, sign in _sides(rng):
            root = plan.point(f'{side}_wing_root', sign * 0.14, -0.1, 0.06)
            tip = plan.point(f'{side}_wing_tip', sign * span, -0.1 + sweep, 0.02, root, 0.06, scale=1.1)
            rear = plan.point(None, sign * 0.12, 0.3, 0.0)
            end = plan.point(None, sign * span, 0.08 + sweep, 0.0, root, 0.06)
            fin = plan.point(f'{side}_tailplane', sign * tail, 0.85, 0.04)
            engine = plan.point(
                f'{side}_engine', sign * span * 0.5, -0.02 + sweep * 0.4, 0.06, root, 0.03, ['wheel', 'ring', 'flower']
            )
            plan.panel([root, tip, end, rear], 1, -0.02)
            plan.limb(back, fin, 0.14, 0.08, 2)
            plan.link(cockpit, root, engine, tip)
            plan.link(back, fin)
    elif kind == 'bicycle':
        base, radius = rng.uniform(0.5, 0.65), rng.uniform(0.26, 0.34)
        rear, front = (
            plan.point('rear_wheel', -mirror * base, 0.4, 0.02, shapes=['wheel'], scale=1.5),
            plan.point('front_wheel', mirror * base, 0.4, 0.02, shapes=['wheel'], scale=1.5),
        )
        crank = plan.point('crank', -mirror * 0.08, 0.42, 0.04, shapes=['flower', 'cross', 'ring', 'star'])
        seat = plan.point('saddle', -mirror * 0.25, -0.28 - rng.uniform(0, 0.15), 0.03)
        head = plan.point('head_tube', mirror * 0.36, -0.2, 0.03)
        handle = plan.point('handlebar', mirror * 0.32, -0.48 - rng.uniform(0, 0.12), 0.04)
        lamp = plan.point('lamp', mirror * 0.55, -0.22, 0.05, shapes=['lamp', 'eye'])
        rack = plan.point('rack', -mirror * 0.62, -0.08, 0.03)
        bell = plan.point('grip', mirror * 0.12, -0.52, 0.06, handle, 0.3)
        width = rng.uniform(0.05, 0.08)
        for centre in (rear, front):
            x, y, z = plan.xyz[centre]
            rim = _oval(plan, [None] * 14, x, y, radius, radius, z - 0.01, parent=centre)
            for a, b in zip(rim, rim[1:] + rim[:1], strict=True):
                plan.limb(a, b, 0.06, 0.06, 3)
            plan.limb(rim[0], rim[7], 0.015, 0.015, 3, -0.01)
            plan.limb(rim[3], rim[10], 0.015, 0.015, 3, -0.01)
        for a, b in (
            (rear, crank),
            (crank, seat),
            (crank, head),
            (seat, head),
            (rear, seat),
            (head, front),
            (head, handle),
            (head, lamp),
            (rear, rack),
            (handle, bell),
        ):
            plan.limb(a, b, width, width, 0 if b != seat else 1)
            plan.link(a, b)
    else:
        length, tall = rng.uniform(0.75, 0.95), rng.uniform(0.3, 0.42)
        roof = tall if kind == 'car' else tall * 1.5
        front, back = (rng.uniform(0.25, 0.4), rng.uniform(0.4, 0.6)) if kind == 'car' else (0.86, 0.92)
        side = 0.25
        body, made = {}, {}
        for face, z in (('near', side), ('far', -side)):
            for name, x, y in (
                ('front_bottom', length, 0.25),
                ('front_top', length * 0.97, 0.25 - tall),
                ('roof_front', length * front, 0.2 - tall - roof * 0.8),
                ('roof_back', -length * back, 0.2 - tall - roof * 0.8),
                ('back_top', -length * 0.97, 0.22 - tall),
                ('back_bottom', -length, 0.25),
            ):
                label = f'{face}_{name}' if face == 'near' or name.startswith('roof') else None
                body[face, name] = plan.point(label, mirror * x, y - (0.12 if face == 'far' else 0), z)
        ring = [
            body['near', n] for n in ('front_bottom', 'front_top', 'roof_front', 'roof_back', 'back_top', 'back_bottom')
        ]
        far = [
            body['far', n] for n in ('front_bottom', 'front_top', 'roof_front', 'roof_back', 'back_top', 'back_bottom')
        ]
        plan.panel(far, 1, -0.1)
        plan.panel([ring[2], ring[3], far[3], far[2]], 1, 0.0)
        plan.panel([ring[0], ring[1], far[1], far[0]], 1, 0.0)
        plan.panel([ring[1], ring[2], far[2], far[1]], 1, 0.0)
        plan.panel(ring, 0, 0.0)
        plan.link(*ring, ring[0])
        plan.link(ring[2], far[2], far[3], ring[3])
        wheels = int(rng.integers(2, 4)) if kind == 'bus' else 2
        for n in range(wheels):
            x = mirror * length * (0.6 - 1.2 * n / (wheels - 1))
            made[n] = plan.point(f'wheel_{n + 1}', x, 0.28, side + 0.06, shapes=['wheel'], scale=rng.uniform(1.6, 2.0))
        plan.link(ring[0], *made.values())
        lamp = plan.point('headlamp', mirror * length * 0.86, 0.06, side + 0.03, shapes=['lamp', 'eye', 'ring'])
        plan.link(lamp, ring[1])
        tail = plan.point('tail_lamp', -mirror * length * 0.86, 0.04, side + 0.03, shapes=['lamp', 'half', 'stripes'])
        plan.link(tail, ring[4])
        panes = int(rng.integers(1, 3)) if kind == 'car' else int(rng.integers(2, 5))
        left, right = -back * 0.8 * length, front * 0.85 * length
        middles = []
        for n in range(panes):
            x0, x1 = (left + (right - left) * (n + u) / panes for u in (0.1, 0.9))
            y0, y1 = 0.1 - tall - roof * 0.45, 0.14 - tall
            pane = [plan.point(None, mirror * x, y, side + 0.01) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
            plan.panel(pane, 2, 0.005)
            if panes < 4:
                middle = plan.point(
                    f'window_{n + 1}',
                    mirror * (x0 + x1) / 2,
                    (y0 + y1) / 2,
                    side + 0.03,
                    shapes=['cross', 'half', 'stripes', 'checker', 'star'],
                )
                plan.link(ring[3] if n == 0 else middles[-1], middle)
                middles.append(middle)
        handle = plan.point(
            'door', mirror * 0.1 * length, 0.0, side + 0.03, shapes=['nail', 'button', 'diamond', 'disc']
        )
        plan.link(handle, made[0])


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
