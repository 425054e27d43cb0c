"""How annotation files and images are read where more than one reading is possible, and what was found on the way."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args, get_origin

from capekit.errors import CapekitError, printable


@dataclass(frozen=True)
class ReadSettings:
    """The same for a run and its audit. A value outside these is a CapekitError that names the valid ones."""

    skeleton_base: Literal['auto', 0, 1] = 'auto'
    """Number of the first keypoint in `skeleton`. 'auto' finds it out per category, announces 1, and refuses links that
    fit both."""
    box_format: Literal['auto', 'xywh', 'xyxy'] = 'auto'
    """What a `bbox` holds. 'auto' is x, y, width, height, but refuses boxes that look like corners."""
    visibility: Literal['coco', 'positive'] = 'coco'
    """'coco' refuses values other than 0, 1, 2; 'positive' takes every value above 0 for labelled."""
    orientation: Literal['viewer', 'stored'] = 'viewer'
    """Images with an EXIF orientation: as a viewer shows them, or as they are stored."""
    bit_depth: int | None = None
    """Bits per channel that images of more than 8 bits use; None = what the file says."""
    max_pixels: int = 100_000_000
    """Larger images are refused before they are decoded."""
    damaged_images: Literal['error', 'read'] = 'error'
    """'read' takes what OpenCV can decode of truncated and damaged images, as the released code does."""
    outside_images: Literal['error', 'read'] = 'error'
    """'read' allows a `file_name` that leads out of the image folder: absolute, through '..' or through a link."""

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            valid = get_args(field.type) if get_origin(field.type) is Literal else None
            if valid and (value not in valid or isinstance(value, bool)):
                raise CapekitError(f'{field.name}={value!r} is not one of {", ".join(map(repr, valid))}')
        if self.bit_depth is not None and not _whole(self.bit_depth, 8, 16):
            raise CapekitError(f'bit_depth={self.bit_depth!r} must be a whole number from 8 to 16, or None')
        if not _whole(self.max_pixels, 1, 2 ** 30):
            raise CapekitError(f'max_pixels={self.max_pixels!r} must be a whole number from 1 to {2 ** 30}')

    def changed(self) -> dict[str, Any]:
        """The settings that are not the default, JSON-able."""
        return {name: value for name, value in asdict(self).items() if value != getattr(ReadSettings, name)}


def _whole(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


class Findings:
    """What a reading has to say, in lines that can be printed.

    Attributes:
        notes: readings of the file that are announced by a run and by the audit.
        remarks: facts worth knowing that change nothing; the audit's alone.
    """

    def __init__(self):
        self._problems: dict[tuple, list] = {}
        self.notes: list[str] = []
        self.remarks: list[str] = []

    def problem(self, line: str, *kind):
        """Add what has to be fixed; of several of the same `kind`, the first is shown and the others are counted."""
        self._problems.setdefault(kind or (line,), []).append(printable(line))

    def note(self, line: str):
        """Add a reading to announce."""
        self.notes.append(printable(line))

    def remark(self, line: str):
        """Add a fact for the audit."""
        self.remarks.append(printable(line))

    @property
    def problems(self) -> list[str]:
        """One line per kind."""
        return [first if not more else f'{first}; {len(more)} more like this'
                for first, *more in self._problems.values()]

    def raise_problems(self):
        """Raise the first problem as a CapekitError, if there is any."""
        if not self._problems:
            return
        first, *more = self.problems
        raise CapekitError(first if not more else f'{first}; and {len(more)} other problem(s), which '
                           'tools/dataset/audit.py lists')
