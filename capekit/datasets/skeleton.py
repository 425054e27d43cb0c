"""A category's `skeleton` -> zero-based links, whether its file counts keypoints from 0 or, as COCO does, from 1."""

from typing import Literal

import numpy as np

from capekit.datasets.annotations import shown
from capekit.datasets.settings import Findings

BASES = (0, 1)


def link_fault(links, count: int, base: int = 0) -> str | None:
    """What is wrong with a category's `skeleton`, given `count` keypoints that are numbered from `base`, or None."""
    if not isinstance(links, (list, tuple)):
        return f'skeleton {shown(links)} is not a list of links, pairs of keypoint numbers'
    odd = [link for link in links if not (isinstance(link, (list, tuple)) and len(link) == 2
                                          and all(type(end) is int for end in link))]
    if odd:
        return f'skeleton has the link {shown(odd[0])}; links must be pairs of keypoint numbers'
    ends = [end for link in links for end in link]
    if ends and not base <= min(ends) <= max(ends) < count + base:
        return f'links go from {min(ends)} to {max(ends)}; expected {base} to {count + base - 1}'
    return None


def read_links(records: dict[int, dict], counts: dict[int, int], origins: dict[int, tuple], base: Literal['auto', 0, 1],
               findings: Findings) -> dict[int, np.ndarray]:
    """Zero-based links of every category, (E, 2) int64; (0, 2) where it has none or they are a problem.

    Where `base` is 'auto' and the file does not state it, a category whose links hold a 0 counts from 0, one whose
    links hold its number of keypoints from 1. Links with neither fit both: they are read as those of the other
    categories, if these agree.

    Args:
        records: the categories' records by id.
        counts: their numbers of keypoints.
        origins: for each, its file and the base that this file states, or None.
        base: number of the first keypoint, or 'auto'.
        findings: is told about problems and about every reading that is not zero-based.
    """
    fitting: dict[int, list] = {}
    for id_, record in records.items():
        links = [] if record.get('skeleton') is None or not counts[id_] else record['skeleton']
        path, stated = origins[id_]
        possible = BASES if base == 'auto' and stated is None else (stated if base == 'auto' else base,)
        faults = {start: link_fault(links, counts[id_], start) for start in possible}
        fitting[id_] = [start for start, fault in faults.items() if not fault] if links != [] else []
        fault = next(iter(faults.values()))
        if fault and all(faults.values()):
            either = f' (or 1 to {counts[id_]} if counted from 1)' if len(faults) > 1 and 'expected 0' in fault else ''
            findings.problem(f'{path}: {title(record)}: {fault}{either}')
    sure = {starts[0] for starts in fitting.values() if len(starts) == 1}
    unsure = [id_ for id_, starts in fitting.items() if len(starts) == 2]
    bases = {id_: starts[0] for id_, starts in fitting.items() if len(starts) == 1}
    if len(sure) == 1:
        bases.update(dict.fromkeys(unsure, sure.pop()))
    else:
        for id_ in unsure:
            ends = [end for link in records[id_]['skeleton'] for end in link]
            findings.problem(f'{origins[id_][0]}: {title(records[id_])}: links from {min(ends)} to {max(ends)} of '
                             f'{counts[id_]} keypoints may count from 0 or from 1: set skeleton_base=0 or, as in COCO, '
                             'skeleton_base=1', 'base')
    _announce(records, bases, unsure, findings)
    return {id_: _zero_based(record, bases.get(id_), findings) for id_, record in records.items()}


def title(record: dict) -> str:
    """How messages name a category."""
    return f"category '{record['name']}' (id {record['id']})"


def _announce(records: dict[int, dict], bases: dict[int, int], unsure: list, findings: Findings):
    one_based = [title(records[id_]) for id_, start in bases.items() if start == 1]
    if one_based:
        findings.note(f'skeletons of {len(one_based)} of {len(records)} categories count keypoints from 1, as '
                      f'COCO does, and are read so: {some(one_based)}')
    followed = [title(records[id_]) for id_ in unsure if id_ in bases]
    if followed:
        findings.note(f'skeletons of {len(followed)} categories fit counting from 0 and from 1 and are read '
                      f'from {bases[unsure[0]]}, as those of the other categories: {some(followed)}')


def some(names: list[str], most: int = 5) -> str:
    """The first few of a list of names."""
    return ', '.join(names[:most]) + (f' and {len(names) - most} more' if len(names) > most else '')


def _zero_based(record: dict, base: int | None, findings: Findings) -> np.ndarray:
    if base is None:
        return np.zeros((0, 2), dtype=np.int64)
    links = np.array(record['skeleton'], dtype=np.int64) - base
    loops = links[:, 0] == links[:, 1]
    if loops.any():
        findings.note(f'{title(record)}: {loops.sum()} link(s) from a keypoint to itself are left out')
    return links[~loops]
