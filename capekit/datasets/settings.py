"""How annotation files and images are read where more than one reading is possible, and what was found on the way."""

from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Literal

from capekit.choices import Range, refuse_invalid
from capekit.errors import CapekitError, printable

BitDepth = Annotated[int, Range(low=8, high=16)] | None
MaxPixels = Annotated[int, Range(low=1, high=2 ** 30)]


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
    bit_depth: BitDepth = None
    """Bits per channel that images of more than 8 bits use; None = what the file says."""
    max_pixels: MaxPixels = 100_000_000
    """Larger images are refused before they are decoded."""
    damaged_images: Literal['error', 'read'] = 'error'
    """'read' takes what OpenCV can decode of truncated and damaged images, as the released code does."""
    jpeg_pixels: Literal['all', 'reduced'] = 'all'
    """'reduced' decodes a JPEG at a half, a quarter or an eighth of its size where the crop has no more pixels than its
    part of the image then: faster, but the crops differ slightly, so it is not the exact protocol."""
    outside_images: Literal['error', 'read'] = 'error'
    """'read' allows a `file_name` that leads out of the image folder: absolute, through '..' or through a link."""

    def __post_init__(self):
        refuse_invalid(vars(self), {field.name: field.type for field in fields(self)}, 'reading of files: ')

    def changed(self) -> dict[str, Any]:
        """The settings that are not the default, JSON-able."""
        return {name: value for name, value in asdict(self).items() if value != getattr(ReadSettings, name)}


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
                           'capekit audit lists')
