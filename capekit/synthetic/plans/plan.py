"""The vocabulary that body plans are written in."""

import numpy as np

ROUND = ['disc', 'ring', 'button', 'half', 'stripes', 'star', 'cross', 'checker', 'diamond', 'flower']
SIDES = ('left', 1.0), ('right', -1.0)
"""The two body sides: name, sign of x."""


class Plan:
    """Collects the parts of an object's body plan; `categories.build` makes a category of it."""

    def __init__(self):
        self.names, self.xyz, self.parents, self.bends, self.shapes, self.scales = [], [], [], [], [], []
        self.twins, self.links, self.parts = {}, [], []
        self.yaw, self.pitch = 0.3, 0.2
        self.paints = 3
        self.kind = ''

    def point(self, name, x, y, z=0.0, parent=None, bend=0.0, shapes=None, scale=1.0, twin=None) -> int:
        """Add a point that rotates by up to `bend` radians around its parent and takes its children along.

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

    def oval(self, names, cx, cy, rx, ry, z=0.0, parent=None, scale=1.0) -> list:
        """Add points around an oval, clockwise from the left; a name may be None."""
        made = []
        for n, name in enumerate(names):
            angle = np.pi + 2 * np.pi * n / len(names)
            made.append(self.point(
                name, cx + rx * np.cos(angle), cy + ry * np.sin(angle), z, parent=parent, scale=scale))
        return made

    def along(self, a, b, name, count) -> list:
        """Add `count` - 1 keypoints between points a and b, named after that edge; they move with b's parent."""
        made = []
        start, end = np.array(self.xyz[a]), np.array(self.xyz[b])
        parent = self.parents[b] if self.parents[b] >= 0 else None
        for n in range(1, count):
            x, y, z = start + (end - start) * n / count
            made.append(self.point(f'{name}_edge_{n}', x, y, z, parent, self.bends[b] * 0.5))
        return made
