"""Where images come from: a folder, a pattern, a video, or what a caller holds in memory."""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from capekit.datasets.crops import read_image
from capekit.errors import CapekitError
from capekit.files import read_json

IMAGES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
STATE, DRAWN, SHEET = 'run.json', 'drawn', 'contact_sheet.jpg'
"""In the folder of a labelling run: what it is, and the images that it makes."""
VIDEOS = ('.mp4', '.avi', '.mov', '.mkv', '.m4v', '.webm', '.mpg', '.mpeg', '.wmv')


@dataclass(frozen=True)
class Picture:
    """An image that may be broken."""

    name: str
    frame: int | None
    image: np.ndarray | None
    """(H, W, 3) uint8 RGB; None where it cannot be read."""
    fault: str = ''
    """Why it cannot be read."""


def is_video(path: str | Path) -> bool:
    """By its suffix."""
    return Path(path).suffix.lower() in VIDEOS


def folder_of(images: str | Path) -> Path:
    """The folder that names are relative to: the folder itself, a pattern's part without wildcards, a file's folder."""
    path = Path(images)
    if path.is_dir():
        return path
    fixed = path.parent
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    return fixed


def list_images(images: str | Path) -> list[str]:
    """Names of the image files of a folder (with its folders), a pattern or a path, relative to `folder_of`, sorted.

    What a labelling run has drawn is left out, unless the folder itself holds only that.

    Raises:
        CapekitError: there are none.
    """
    path, folder = Path(images), folder_of(images)
    files = path.rglob('*') if path.is_dir() else map(Path, glob.glob(str(images), recursive=True))
    found = [file for file in files if file.suffix.lower() in IMAGES and file.is_file()]
    below = {parent for file in found for parent in file.parents if parent.is_relative_to(folder)}
    made = [run / name for run in below if read_state(run / STATE) for name in (DRAWN, SHEET)]
    names = sorted(file.relative_to(folder).as_posix() for file in found
                   if not any(file.is_relative_to(own) for own in made))
    if not names:
        raise CapekitError(f'{images}: no images there; valid: a folder, a pattern such as "images/*.jpg", or a video; '
                           f'known suffixes: {", ".join(IMAGES + VIDEOS)}')
    return names


def read_state(path: Path) -> dict | None:
    """The state of a labelling run; None of any other file, and where there is none."""
    try:
        content = read_json(path)
    except CapekitError:
        return None
    is_run = isinstance(content, dict) and isinstance(content.get('request'), dict) and 'state' in content
    return content if is_run else None


def read_pictures(names: Sequence[str], folder: str | Path) -> Iterator[Picture]:
    """The images of a folder, in order; broken ones with their fault."""
    for name in names:
        try:
            yield Picture(name, None, read_image(str(Path(folder) / name)))
        except CapekitError as error:
            yield Picture(name, None, None, str(error))


def read_frames(path: str | Path, stride: int = 1, start: int = 0) -> Iterator[Picture]:
    """Every `stride`-th frame of a video, from frame 0; those before `start` are decoded and left out.

    Raises:
        CapekitError: OpenCV cannot open the video, or a stride below 1.
    """
    if stride < 1:
        raise CapekitError(f'stride={stride} must be 1 or more')
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise CapekitError(f'{path}: not a video that OpenCV can read')
        number = 0
        while video.grab():
            if number % stride == 0 and number >= start:
                read, image = video.retrieve()
                yield (Picture(Path(path).name, number, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)) if read else
                       Picture(Path(path).name, number, None, f'{path}: frame {number} cannot be decoded'))
            number += 1
    finally:
        video.release()


def count_frames(path: str | Path, stride: int = 1) -> int:
    """How many frames `read_frames` is expected to give, by the video's header."""
    video = cv2.VideoCapture(str(path))
    count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    video.release()
    return max(0, -(-count // stride))
