"""Faces of people."""

import numpy as np

from .plan import SIDES


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
    rng.uniform(0.75, 0.95)  # unused; without it a seed would draw other faces
    top = []
    for n in range(5):
        angle = -np.pi * (n + 0.6) / 5.2
        top.append(plan.point(None, width * 1.03 * np.cos(angle), -0.1 + 0.8 * np.sin(angle), -0.12))
    plan.panel([*jaw, *top], 0, -0.3)
    hair = [
        plan.point(None, width * 1.15 * np.cos(a), -0.25 + rng.uniform(0.8, 0.95) * np.sin(a), -0.4)
        for a in np.linspace(0.2, -np.pi - 0.2, 9)
    ]
    plan.panel(hair, 1, -0.3)
    plan.point(None, 0, eye_y, 0.1)  # shapes nothing; without it a seed would draw other faces
    brows: list = []
    corners: list = []
    for side, sign in SIDES:
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
    outer = plan.oval([f'mouth_outer_{n + 1}' for n in range(outer_n)], 0, mouth_y, mouth_w, 0.15, 0.14)
    plan.panel(outer, 4, 0.0)
    plan.link(*outer, outer[0])
    if mouth_n == 20:
        inner = plan.oval(
            [f'mouth_inner_{n + 1}' for n in range(8)], 0, mouth_y, mouth_w * 0.62, 0.06, 0.15, scale=0.8)
        plan.link(*inner, inner[0])
        plan.link(outer[0], inner[0])
    plan.link(base[len(base) // 2], outer[len(outer) // 4])
    plan.link(jaw[len(jaw) // 2], outer[len(outer) * 3 // 4])
