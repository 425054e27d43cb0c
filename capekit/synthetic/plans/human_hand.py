"""Hands."""

import numpy as np


def human_hand(rng, plan):
    """A palm and three to five chains of joints, a left or right hand."""
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
