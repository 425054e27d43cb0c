"""Bodies of people."""

from .plan import SIDES


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
            for side, sign in SIDES
        ]
        plan.link(crown, eyes[0], eyes[1], crown)
    toes, hands = rng.random() < 0.4, rng.random() < 0.3
    girdle, hips = [], []
    firsts: dict = {}
    for n, (side, sign) in enumerate(SIDES):
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
