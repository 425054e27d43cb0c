"""CVAT's own XML, `CVAT for images 1.1`: skeletons of points."""

import re
from xml.etree import ElementTree

import numpy as np

from capekit.errors import CapekitError
from capekit.files import atomic_write

from .format import CATEGORY, EMPTY, HIDE, SEVERAL, SIZES, Format, announce, number
from .grouping import Marks
from .labelset import HIDDEN, VISIBLE, LabelledImage, LabelSet
from .sizes import needed_size

NO_XML = re.compile('[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')


def read_cvat_xml(path: str, *, category: str | None = None, keypoints: list[str] | None = None) -> LabelSet:
    """The skeletons of one label.

    Args:
        path: the file.
        category: the skeleton label; may be None where there is only one.
        keypoints: their names, in order; None is the order of the file's `meta`, else of their first appearance.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise CapekitError(f'cannot be read as XML ({error})') from None
    if root.tag != 'annotations' or root.find('track') is not None:
        raise CapekitError("not an export 'CVAT for images 1.1', whose root is <annotations> and has no <track>")
    found = list(dict.fromkeys(skeleton.get('label', '') for skeleton in root.iterfind('image/skeleton')))
    if category is None and len(found) > 1 or category is not None and category not in found:
        raise CapekitError(('the file has several categories' if category is None else f'no category {category!r}')
                           + f' (category=, --category); valid: {", ".join(found)}')
    chosen = category or (found[0] if found else 'animal')
    listed = [label.findtext('name', '') for label in root.iter('label') if label.findtext('parent') == chosen]
    marks, others = Marks(keypoints or listed or None), 0
    for element in root.iterfind('image'):
        where = f"image {element.get('name')!r}"
        size = tuple(number(element.get(key), where) for key in ('width', 'height'))
        image = marks.add_image(LabelledImage(element.get('name', ''), None if np.isnan(size).any()
                                              else (int(size[0]), int(size[1]))))
        others += sum(child.tag not in ('skeleton', 'tag') for child in element)
        for group, skeleton in enumerate(element.iterfind('skeleton')):
            if skeleton.get('label') != chosen:
                continue
            for point in skeleton.iterfind('points'):
                if point.get('outside') != '1':
                    xy = [number(value, where) for value in point.get('points', '').split(',')]
                    if len(xy) != 2:
                        raise CapekitError(f"{where}: a keypoint has points={point.get('points')!r}; expected x,y")
                    image.point(group, point.get('label', ''), xy,
                                HIDDEN if point.get('occluded') == '1' else VISIBLE, where)
    if others:
        announce(f'{path}: {others} shapes that are not skeletons are left out')
    marks.stated.append(chosen)
    return marks.labels(path)


def write_cvat_xml(path: str, labels: LabelSet) -> None:
    """Write the file, which CVAT imports for a task with these images and a skeleton label of this name.

    Args:
        path: the file.
        labels: what to write.
    """
    root = ElementTree.Element('annotations')
    ElementTree.SubElement(root, 'version').text = '1.1'
    listed = ElementTree.SubElement(ElementTree.SubElement(ElementTree.SubElement(root, 'meta'), 'task'), 'labels')
    for name, kind, parent in [(labels.category, 'skeleton', None),
                               *((name, 'points', labels.category) for name in labels.keypoints)]:
        label = ElementTree.SubElement(listed, 'label')
        ElementTree.SubElement(label, 'name').text = name
        ElementTree.SubElement(label, 'type').text = kind
        if parent is not None:
            ElementTree.SubElement(label, 'parent').text = parent
    for id_, image in enumerate(labels.images):
        width, height = needed_size(image)
        element = ElementTree.SubElement(root, 'image', id=str(id_), name=image.file, width=str(width),
                                         height=str(height))
        for animal in image.animals:
            skeleton = ElementTree.SubElement(element, 'skeleton', label=labels.category, source='manual', z_order='0')
            for name, xy, visibility in zip(labels.keypoints, animal.points.tolist(), animal.visibility, strict=True):
                absent = xy[0] != xy[0]
                ElementTree.SubElement(
                    skeleton, 'points', label=name, source='manual', occluded=str(int(visibility == HIDDEN)),
                    outside=str(int(absent)), points='0,0' if absent else f'{xy[0]!r},{xy[1]!r}', z_order='0')
    ElementTree.indent(root)
    odd = NO_XML.search(ElementTree.tostring(root, encoding='unicode'))
    if odd is not None:
        raise CapekitError(f'{path}: a name has {odd[0]!r}, which is no character that this format can hold')
    with atomic_write(path) as file:
        ElementTree.ElementTree(root).write(file, encoding='utf-8', xml_declaration=True)


CVAT_XML = Format('cvat-xml', 'CVAT for images 1.1, XML', read_cvat_xml, write_cvat_xml,
                  frozenset({SEVERAL, EMPTY, HIDE, SIZES, CATEGORY}))
