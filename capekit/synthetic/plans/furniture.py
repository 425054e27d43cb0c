"""Furniture."""

import numpy as np


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
            for corner, name in ((corners[0], 'left'), (corners[1], 'right')):
                x, y, z = plan.xyz[corner]
                arm = plan.point(f'arm_{name}', x * 1.05, y - tall * 0.4, z)
                plan.limb(corner, arm, thick, thick, 1)
                plan.limb(arm, corners[3] if name == 'left' else corners[2], thick * 1.2, thick, 1, 0.02)
                plan.link(corner, arm)
        if kind == 'bed':
            plan.limb(corners[2], corners[3], 0.22, 0.22, 2, 0.01)
