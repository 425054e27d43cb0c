"""A folder of figures with a page to leaf through; the backends of mmengine's visualizer get the same images."""

import html
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from mmengine.visualization import Visualizer

from capekit.files import atomic_write
from capekit.registry import VISUALIZERS

PAGE = 'index.html'
DPI = 150
_TEMPLATE = Path(__file__).with_name('page.html')


@dataclass
class Caption:
    """What the page says under an image; None and '' are left out."""

    category: str
    group: str = ''
    """Images of one group can be shown alone: 'worst', 'train', 'stages'."""
    episode: str = ''
    """Which episode, for people: '12, query 3'."""
    pck: float | None = None
    """PCK@0.2 of the query, 0 to 1."""
    error: float | None = None
    """Mean distance of the query's scored keypoints in longest box sides; the page starts with the largest."""
    note: str = ''


class Gallery:
    """Images in a folder, and `index.html`, which shows them: a page that needs no server and no network.

    Args:
        folder: created when the first image is added.
        title: of the page.
        visualizer: its backends (TensorBoard, WandB) get every image too; None = the folder alone.
    """

    def __init__(self, folder: str | Path, title: str, visualizer: Visualizer | None = None):
        self.folder, self.title, self.visualizer = Path(folder), title, visualizer
        self._items: list[dict] = []

    def __len__(self) -> int:
        """Number of images."""
        return len(self._items)

    def add(self, name: str, figure, caption: Caption) -> Path:
        """Write matplotlib's `figure` as `<name>.png`; a slash in the name becomes an underscore.

        Raises:
            CapekitError: it cannot be written.
        """
        path = self.folder / f'{name.replace("/", "_")}.png'
        with atomic_write(path) as file:
            figure.savefig(file, format='png', dpi=DPI)
        if self.visualizer is not None:
            self.visualizer.add_image(path.stem, pixels(figure), len(self._items))
        finite = {key: value for key, value in asdict(caption).items()
                  if not (isinstance(value, float) and not math.isfinite(value))}
        self._items.append(dict(finite, file=path.name))
        return path

    def close(self) -> Path:
        """Write the page and close the visualizer's backends; returns the page's path."""
        text = _TEMPLATE.read_text(encoding='utf-8')
        items = json.dumps(self._items).replace('<', '\\u003c')  # so that no name can end the script
        text = text.replace('{{title}}', html.escape(self.title)).replace('{{items}}', items)
        with atomic_write(self.folder / PAGE) as file:
            file.write(text.encode())
        if self.visualizer is not None:
            self.visualizer.close()
        return self.folder / PAGE


def pixels(figure) -> np.ndarray:
    """matplotlib's `figure` as (H, W, 3) uint8 RGB."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # heavy: imported only where used
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def configured_visualizer(config, folder: str | Path) -> Visualizer | None:
    """The visualizer that a config names, which writes below `folder`; None where it names none."""
    if config.get('visualizer') is None:
        return None
    return VISUALIZERS.build(dict(config['visualizer'], name=str(folder), save_dir=str(folder)))
