"""Bodies of animals."""

import numpy as np


def animal_body(rng, plan):
    """A four-legged animal seen from the side, the far legs behind the trunk; every part in many proportions."""
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
