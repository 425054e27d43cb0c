"""The settings of reading files."""

import pytest

from capekit.datasets.settings import Findings, ReadSettings
from capekit.errors import CapekitError


@pytest.mark.parametrize('options, expected', [
    (dict(skeleton_base=2), 'skeleton_base=2 is not one of auto, 0, 1'),
    (dict(skeleton_base=True), 'skeleton_base=True'),
    (dict(box_format='corners'), 'xywh, xyxy'), (dict(bit_depth=7), 'bit_depth=7 must be'),
    (dict(bit_depth='12'), 'at most 16'), (dict(max_pixels=0), 'max_pixels=0 must be'),
    (dict(max_pixels=1e6), 'whole number')])
def test_values_that_are_none(options, expected):
    with pytest.raises(CapekitError) as caught:
        ReadSettings(**options)
    assert expected in str(caught.value)


def test_what_was_changed():
    assert ReadSettings().changed() == {}
    assert ReadSettings(skeleton_base=0, bit_depth=12).changed() == dict(skeleton_base=0, bit_depth=12)


def test_of_one_kind_of_problem_the_first_is_shown():
    findings = Findings()
    for line in ('a', 'b', 'c'):
        findings.problem(line, 'kind')
    with pytest.raises(CapekitError, match='^a; 2 more like this$'):
        findings.raise_problems()
    findings.problem('d')
    with pytest.raises(CapekitError, match=r'^a; 2 more like this; and 1 other problem\(s\), which capekit audit'):
        findings.raise_problems()
