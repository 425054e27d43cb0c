"""Faces of animals."""

from .plan import SIDES


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
    muzzle = plan.oval([None] * 8, 0, drop * 0.65, rng.uniform(0.25, 0.4), drop * 0.38, 0.1)
    plan.panel(muzzle, 1, 0.0)
    chin = plan.point('chin', 0, drop * 1.0, 0.1)
    forehead = plan.point('forehead', 0, -0.55, 0.05) if rng.random() < 0.6 else None
    sides: dict = {}
    horns = rng.random() < 0.35
    cheeks = rng.random() < 0.5
    inner_ears = rng.random() < 0.4
    for side, sign in SIDES:
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
