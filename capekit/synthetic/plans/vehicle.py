"""Vehicles."""

from .plan import SIDES


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
        for side, sign in SIDES:
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
            rim = plan.oval([None] * 14, x, y, radius, radius, z - 0.01, parent=centre)
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
        deep = 0.25
        body: dict = {}
        made: dict = {}
        for face, z in (('near', deep), ('far', -deep)):
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
            made[n] = plan.point(f'wheel_{n + 1}', x, 0.28, deep + 0.06, shapes=['wheel'], scale=rng.uniform(1.6, 2.0))
        plan.link(ring[0], *made.values())
        lamp = plan.point('headlamp', mirror * length * 0.86, 0.06, deep + 0.03, shapes=['lamp', 'eye', 'ring'])
        plan.link(lamp, ring[1])
        tail = plan.point('tail_lamp', -mirror * length * 0.86, 0.04, deep + 0.03, shapes=['lamp', 'half', 'stripes'])
        plan.link(tail, ring[4])
        panes = int(rng.integers(1, 3)) if kind == 'car' else int(rng.integers(2, 5))
        left, right = -back * 0.8 * length, front * 0.85 * length
        middles: list[int] = []
        for n in range(panes):
            x0, x1 = (left + (right - left) * (n + u) / panes for u in (0.1, 0.9))
            y0, y1 = 0.1 - tall - roof * 0.45, 0.14 - tall
            pane = [plan.point(None, mirror * x, y, deep + 0.01) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
            plan.panel(pane, 2, 0.005)
            if panes < 4:
                middle = plan.point(
                    f'window_{n + 1}',
                    mirror * (x0 + x1) / 2,
                    (y0 + y1) / 2,
                    deep + 0.03,
                    shapes=['cross', 'half', 'stripes', 'checker', 'star'],
                )
                plan.link(ring[3] if n == 0 else middles[-1], middle)
                middles.append(middle)
        handle = plan.point(
            'door', mirror * 0.1 * length, 0.0, deep + 0.03, shapes=['nail', 'button', 'diamond', 'disc']
        )
        plan.link(handle, made[0])
