"""MP-100 and any data set in its format: instances -> crops -> episodes."""

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from mmengine.logging import print_log
from torch.utils.data import Dataset

from capekit.choices import Size, checked
from capekit.datasets import crops
from capekit.datasets.crop_cache import CropCache
from capekit.datasets.episodes import EpisodeKey
from capekit.datasets.folder import keep_existing, leave_out
from capekit.datasets.reader import read
from capekit.datasets.settings import BitDepth, MaxPixels, ReadSettings
from capekit.datasets.transforms import Augmentation, Geometry
from capekit.errors import CapekitError
from capekit.registry import DATASETS
from capekit.structures import Episode


@dataclass
class Crop:
    """One instance as a model sees it."""

    image: np.ndarray
    """(H, W, 3) uint8 RGB."""
    points: np.ndarray
    """(K, 2) float32 crop pixels / crop size. Invisible ones keep their image pixels, as released: meaningless."""
    visible: np.ndarray
    """(K,) bool."""
    crop_to_image: np.ndarray
    """(2, 3) float64: crop pixels to image pixels."""


@DATASETS.register_module()
class MP100Dataset(Dataset):
    """Instances of one or more annotation files; indexed with an `EpisodeKey`, it gives an `Episode` with batch size 1.

    Args:
        ann_file: annotation file, or several to be joined: images in file order; an annotation that occurs in two of
            the files (same id, same record) counts once.
        images: folder that the files' `file_name` are relative to; None = everything but the images can be read.
        data_root: prepended to `ann_file` and `images` where they are relative.
        categories: None for all, a list of category ids, or a split name such as 'split1/train' or
            'cross/vehicle/test' (see `splits`). File order is kept.
        image_size: side of the crops in pixels.
        augment: augmentation of crops drawn with a random generator: a list of configs of `transforms`, or, as a dict,
            the settings of the released one, `ScaleRotation`; None = none.
        exclude: annotation file or files, such as that of a test: instances of any image that they hold an instance of
            are left out, and their number is announced.
        missing_images: 'error', or 'skip' to leave out, and log, instances whose image file is missing.
        crop_cache: settings of a `CropCache`, which keeps crops in a file instead of decoding images in every epoch;
            None = none.
        skeleton_base, box_format, visibility, orientation: how files are read where more than one reading is possible,
            see `settings.ReadSettings`.
        bit_depth, max_pixels, damaged_images, jpeg_pixels, outside_images: the same of images.

    Attributes:
        categories: dict id -> `Category`, in file order.
        keypoints: (N, Kmax, 3) float64 x, y in image pixels and v as in the file; zero from a category's K on.
        bboxes: (N, 4) float64 clipped x, y, w, h.
        category_ids: (N,) int64.
        image_numbers: (N,) int64, equal for instances in the same image file.
        source: JSON-able dict that identifies this data set, instance numbers included: `ann_files`, their
            `sha256`, `categories`, `images` (None unless missing images were skipped), `instances` (a hash), `reading`
            (settings of the reading other than the default), and `exclude` where files were given.
        notes: list of str, what is announced about the reading: what was left out and why, what was detected.

    Raises:
        CapekitError: a missing or broken file, an unknown setting, missing images; one line that names it.
    """

    @checked
    def __init__(self, ann_file: str | os.PathLike | Sequence, images: str | os.PathLike | None = None,
                 data_root: str | os.PathLike = '', categories=None, image_size: Size = 256,
                 augment: dict | Sequence | None = None, exclude: str | os.PathLike | Sequence | None = None,
                 missing_images: Literal['error', 'skip'] = 'error', crop_cache: dict | None = None,
                 skeleton_base: Literal['auto', 0, 1] = 'auto', box_format: Literal['auto', 'xywh', 'xyxy'] = 'auto',
                 visibility: Literal['coco', 'positive'] = 'coco', orientation: Literal['viewer', 'stored'] = 'viewer',
                 bit_depth: BitDepth = None, max_pixels: MaxPixels = 100_000_000,
                 damaged_images: Literal['error', 'read'] = 'error', jpeg_pixels: Literal['all', 'reduced'] = 'all',
                 outside_images: Literal['error', 'read'] = 'error'):
        self.ann_files, excluded = ([os.path.join(data_root, path) for path in _listed(name, paths)]
                                    for name, paths in (('ann_file', ann_file), ('exclude', exclude)))
        if not self.ann_files:
            raise CapekitError('ann_file is an empty list; name at least one annotation file')
        self.images = None if images is None else os.path.join(data_root, images)
        self.image_size = image_size
        self.augment = None if augment is None else Augmentation(augment)
        self.settings = ReadSettings(skeleton_base=skeleton_base, box_format=box_format, visibility=visibility,
                                     orientation=orientation, bit_depth=bit_depth, max_pixels=max_pixels,
                                     damaged_images=damaged_images, jpeg_pixels=jpeg_pixels,
                                     outside_images=outside_images)

        reading = read(self.ann_files, self.settings, categories)
        self.categories = reading.categories
        if excluded:
            leave_out(reading, excluded, self.settings)
        found = reading.instances
        if self.images is not None:
            found = keep_existing(reading, self.images, self.settings, missing_images)
        reading.findings.raise_problems()
        self.notes = reading.findings.notes
        self._announce()
        self._fill(found)
        listed = '\n'.join(f'{instance.category_id}:{instance.annotation_id}' for instance in found)
        self.source: dict[str, Any] = dict(
            ann_files=self.ann_files, sha256=reading.digests,
            categories=categories if categories is None or isinstance(categories, str) else list(categories),
            images=self.images if missing_images == 'skip' else None,
            instances=hashlib.sha256(listed.encode()).hexdigest(), reading=self.settings.changed(),
            **(dict(exclude=excluded) if excluded else {}))
        self._cache = None if crop_cache is None else self._make_cache(crop_cache)

    def _make_cache(self, options: dict) -> CropCache:
        if self.images is None:
            raise CapekitError('crop_cache: no image folder was given')
        try:
            cache = CropCache(**options)
        except TypeError as error:
            raise CapekitError(f'crop_cache: {error}; valid: folder, gib, margin') from None
        files = [os.path.join(self.images, path) for path in dict.fromkeys(self._image_files)]
        cache.prepare(' '.join(self.ann_files), self.source, files, len(self), self.image_size)
        return cache

    def _announce(self):
        if int(os.environ.get('RANK', 0)) == 0:
            for note in self.notes:
                print_log(note, 'current', logging.WARNING)

    def _fill(self, found: list):
        """Store the instances as arrays: workers share their memory pages, and metrics can work on all rows at once."""
        counts = np.array([self.categories[instance.category_id].num_keypoints for instance in found])
        self.keypoints = np.zeros((len(found), counts.max(), 3))
        for i, instance in enumerate(found):
            self.keypoints[i, :counts[i]] = instance.keypoints
        self.bboxes = np.array([instance.bbox for instance in found])
        self.category_ids = np.array([instance.category_id for instance in found], dtype=np.int64)
        self._image_files = [instance.image_file for instance in found]
        self._image_sizes = [instance.image_size for instance in found]
        self._image_ids = [instance.image_id for instance in found]
        numbers = {path: number for number, path in enumerate(dict.fromkeys(self._image_files))}
        self.image_numbers = np.array([numbers[path] for path in self._image_files], dtype=np.int64)
        self._shared = np.bincount(self.image_numbers)[self.image_numbers] > 1
        self._last: tuple = (None, None)
        self._annotation_ids = [instance.annotation_id for instance in found]

    def __len__(self) -> int:
        """Number of instances."""
        return len(self.bboxes)

    def instances_of(self, category_id: int) -> np.ndarray:
        """Ascending int64 instance numbers of a category."""
        if category_id not in self.categories:
            raise CapekitError(f'no category with id {category_id!r} here; valid: {list(self.categories)}')
        return np.flatnonzero(self.category_ids == category_id)

    def instance(self, i: int) -> dict:
        """What the annotation file says about instance `i`.

        Returns:
            dict: `keypoints` (K, 3) float64 x, y in image pixels and v, `bbox` (4,) float64 clipped x, y, w, h,
            `category_id`, `image_file` (relative to the image folder), `image_id`, `annotation_id`.
        """
        category_id = int(self.category_ids[i])
        return dict(keypoints=self.keypoints[i, :self.categories[category_id].num_keypoints].copy(),
                    bbox=self.bboxes[i].copy(), category_id=category_id, image_file=self._image_files[i],
                    image_id=self._image_ids[i], annotation_id=self._annotation_ids[i])

    def crop(self, i: int, rng: np.random.Generator | None = None) -> Crop:
        """The square around instance `i`, warped to `image_size`; augmented with draws from `rng` if given.

        Raises:
            CapekitError: no image folder was given, or the file is missing, damaged, too large, not an image or of
                another size than the annotation file says.
        """
        if self.images is None:
            raise CapekitError(f'no image folder was given for {self.ann_files[0]}: pass `images` to read them')
        instance = self.instance(i)
        center, side = crops.box_to_square(instance['bbox'])
        geometry = Geometry() if rng is None or self.augment is None else self.augment.geometry(rng)
        matrix = crops.crop_matrix(center + np.multiply(geometry.shift, side), side * geometry.scale,
                                   geometry.rotation, self.image_size)
        visible = instance['keypoints'][:, 2] > 0
        points = instance['keypoints'][:, :2]
        points[visible] = crops.transform_points(points[visible], matrix)
        image = self._cut(i, matrix, side * geometry.scale, geometry == Geometry())
        if rng is not None and self.augment is not None:
            image = self.augment.pixels(rng, image)
        return Crop(image=image, points=(points / self.image_size).astype(np.float32), visible=visible,
                    crop_to_image=crops.invert(matrix))

    def _cut(self, i: int, matrix: np.ndarray, side: float, plain: bool) -> np.ndarray:
        """The crop by `matrix`, whose square has sides of `side` image pixels; `plain`: without augmented geometry."""
        cache = self._cache
        if cache is None or (cache.margin is None) != plain:
            return self._decode_and_warp(i, matrix, side, self.image_size)
        if cache.margin is None:
            return cache.get(i, lambda: self._decode_and_warp(i, matrix, side, self.image_size))
        center, side = crops.box_to_square(self.bboxes[i])
        side *= cache.margin
        wide = crops.crop_matrix(center, side, 0.0, cache.side)
        kept = cache.get(i, lambda: self._decode_and_warp(i, wide, side, cache.side))
        return crops.warp(kept, crops.composed(matrix, crops.invert(wide)), self.image_size)

    def _decode_and_warp(self, i: int, matrix: np.ndarray, side: float, pixels: int) -> np.ndarray:
        path, reduction = os.path.join(self.images or '', self._image_files[i]), 1
        if self.settings.jpeg_pixels == 'reduced' and crops.can_be_reduced(path, self.settings):
            reduction = next((n for n in (8, 4, 2) if side >= n * pixels), 1)
        image = self._decode(i, path, reduction)
        return crops.warp(image, crops.on_reduced(matrix, reduction) if reduction > 1 else matrix, pixels)

    def _decode(self, i: int, path: str, reduction: int) -> np.ndarray:
        """The image of instance `i`; the last one is kept if others are in it."""
        if self._last[0] == (path, reduction):
            return self._last[1]
        try:
            image = crops.read_image(path, self.settings, self._image_sizes[i], reduction)
        except CapekitError as error:
            category = self.categories[int(self.category_ids[i])]
            raise CapekitError(f"{error}; annotation {self._annotation_ids[i]} of category '{category.name}' "
                               f'(id {category.id})') from None
        if self._shared[i]:
            self._last = ((path, reduction), image)
        return image

    def __getitem__(self, key: EpisodeKey) -> Episode:
        """The episode of `key.instances` (supports..., query), augmented if `key.seed` is not None.

        Each image has its own random generator, seeded with (key.seed, its position in the episode).
        """
        if not isinstance(key, tuple) or len(key) != 2 or len(key[0]) < 2:
            raise CapekitError(f'{type(self).__name__} is indexed with EpisodeKey((support, ..., query), seed), not '
                               f'{key!r}; use one of the samplers TrainEpisodes and TestEpisodes')
        numbers, seed = key
        instances = [self.instance(i) for i in numbers]
        ids = {instance['category_id'] for instance in instances}
        if len(ids) > 1:
            raise CapekitError(f'instances {tuple(numbers)} have different categories: {sorted(ids)}')
        category = self.categories[ids.pop()]
        drawn = [self.crop(i, None if seed is None else np.random.default_rng([seed, place]))
                 for place, i in enumerate(numbers)]
        images = torch.from_numpy(np.stack([crop.image for crop in drawn])).permute(0, 3, 1, 2).contiguous()
        points = torch.from_numpy(np.stack([crop.points for crop in drawn]))
        visible = torch.from_numpy(np.stack([crop.visible for crop in drawn]))
        meta = dict(category_id=category.id, category=category.name, keypoint_names=category.keypoint_names,
                    instances=tuple(int(i) for i in numbers),
                    image_files=[instance['image_file'] for instance in instances],
                    crop_to_image=np.stack([crop.crop_to_image for crop in drawn]),
                    bbox=np.stack([instance['bbox'] for instance in instances]))
        return Episode(support_images=images[None, :-1], support_points=points[None, :-1],
                       support_visible=visible[None, :-1], query_images=images[-1:], query_points=points[-1:],
                       query_visible=visible[-1:], num_keypoints=torch.tensor([category.num_keypoints]),
                       links=[torch.from_numpy(category.links.copy())], meta=[meta])


def _listed(name: str, paths: str | os.PathLike | Sequence | None) -> list:
    listed = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths or ())
    wrong = [path for path in listed if not isinstance(path, (str, os.PathLike))]
    if wrong:
        raise CapekitError(f'{name} has {wrong[0]!r}; expected the path of an annotation file, or a list of paths')
    return listed
