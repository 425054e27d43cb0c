"""Clothes."""

import numpy as np

from .plan import SIDES


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
            ring += plan.along(ring[-1], new, name, per_edge) + [new]
        ring += plan.along(ring[-1], ring[0], 'side', per_edge)
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
        for side, sign in SIDES:
            joint = plan.point(f'{side}_shoulder', sign * shoulder, -0.52, 0.02, body, 0.05)
            pit = plan.point(f'{side}_armpit', sign * chest, -0.28, 0.01, body, 0.03)
            path = [joint]
            if sleeved:
                away, across = np.array([np.cos(droop), np.sin(droop)]), np.array([np.sin(droop), -np.cos(droop)])
                outer = np.array([shoulder, -0.52]) + away * sleeve
                inner = outer - across * wide
                a = plan.point(f'{side}_cuff_outer', sign * outer[0], outer[1], 0.03, joint, 0.5, scale=1.1)
                b = plan.point(f'{side}_cuff_inner', sign * inner[0], inner[1], 0.03, a, 0.0, scale=1.1)
                path += plan.along(joint, a, f'{side}_sleeve', per_edge) + [a, b]
                plan.panel([joint, *path[1:], pit], 1, 0.01)
            bottom = plan.point(f'{side}_hem', sign * hem, -0.5 + length * 1.2, 0.0, body, 0.06)
            path += [pit] + plan.along(pit, bottom, f'{side}_side', per_edge) + [bottom]
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
