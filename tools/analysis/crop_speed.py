"""Crops per second and core from JPEGs of 2000 x 1500 pixels: decoded whole, decoded reduced, from a cache.

    python tools/analysis/crop_speed.py [--images 40]

The images are made in a temporary folder. Each way takes its turn in every round, the fastest of five counts; the first
round, which fills the caches, does not.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from capekit.cli import run
from capekit.commands.arguments import Whole
from capekit.datasets import MP100Dataset

WIDTH, HEIGHT = 2000, 1500


def make(folder: Path, count: int) -> Path:
    """JPEGs of smooth noise with one instance each; returns the annotation file."""
    rng = np.random.default_rng(0)
    for n in range(count):
        noise = rng.integers(0, 256, (HEIGHT // 16, WIDTH // 16, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f'{n}.jpg'), cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))
    images = [dict(id=n, file_name=f'{n}.jpg', width=WIDTH, height=HEIGHT) for n in range(count)]
    annotations = [dict(id=n, image_id=n, category_id=1, bbox=[400, 200, 1200, 1100], area=1, iscrowd=0,
                        num_keypoints=1, keypoints=[900, 700, 2]) for n in range(count)]
    category = dict(id=1, name='cup', supercategory='cup', keypoints=['handle'], skeleton=[])
    file = folder / 'annotations.json'
    file.write_text(json.dumps(dict(images=images, annotations=annotations, categories=[category])))
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', action=Whole, default=40, help='default: %(default)s')
    count = parser.parse_args().images
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, cache = make(folder, count), dict(folder=folder / 'cache')
        ways = {'decode and warp': {}, 'jpeg_pixels=reduced': dict(jpeg_pixels='reduced'),
                'crop_cache': dict(crop_cache=cache), 'decode and warp, augmented': dict(augment={}),
                'crop_cache with margin=1.6, augmented': dict(crop_cache=dict(cache, margin=1.6), augment={})}
        sets = {way: MP100Dataset(file, folder, box_format='xywh', **options) for way, options in ways.items()}
        best = dict.fromkeys(sets, 0.0)
        for number in range(6):
            for way, dataset in sets.items():
                start = time.process_time()
                for i in range(count):
                    dataset.crop(i, np.random.default_rng(i) if dataset.augment else None)
                if number:
                    best[way] = max(best[way], count / (time.process_time() - start))
    for way, rate in best.items():
        print(f'{way}: {rate:.0f} crops per CPU second, {rate / best["decode and warp"]:.1f} times decode and warp')


if __name__ == '__main__':
    run(main)
