"""Links that count keypoints from 0 or from 1."""

import pytest
from coco_files import content


def links(*skeletons, keypoints=4, info=None) -> dict:
    """A file with one category per skeleton."""
    data = content([(n, f'kind{n}', keypoints) for n in range(1, len(skeletons) + 1)])
    for category, skeleton in zip(data['categories'], skeletons, strict=True):
        category['skeleton'] = skeleton
    if info is not None:
        data['info'] = info
    return data


def found(dataset) -> list:
    return [category.links.tolist() for category in dataset.categories.values()]


def test_zero_based_links_are_read_in_silence(read):
    dataset = read(links([[0, 1], [1, 3]], [], None))
    assert found(dataset) == [[[0, 1], [1, 3]], [], []] and not dataset.notes


def test_one_based_links_are_read_and_announced(read):
    dataset = read(links([[1, 2], [2, 3], [3, 4]]))
    assert found(dataset) == [[[0, 1], [1, 2], [2, 3]]]
    assert len(dataset.notes) == 1 and "of 1 categories count keypoints from 1" in dataset.notes[0]
    assert "'kind1' (id 1)" in dataset.notes[0]


def test_bases_may_differ_between_categories(read):
    assert found(read(links([[0, 1]], [[1, 4]]))) == [[[0, 1]], [[0, 3]]]


def test_links_that_fit_both_follow_the_other_categories(read):
    for sure, expected in (([[1, 4]], [[0, 1]]), ([[0, 3]], [[1, 2]])):
        dataset = read(links(sure, [[1, 2]]))
        assert found(dataset)[1] == expected
        assert "as those of the other categories: category 'kind2' (id 2)" in dataset.notes[-1]


@pytest.mark.parametrize('others', [[], [[[0, 1]], [[1, 4]]]])
def test_links_that_fit_both_are_never_guessed(read, others):
    data = links([[1, 2], [1, 3]], *others)
    message = read(data)
    assert 'a.json' in message and "'kind1' (id 1): links from 1 to 3 of 4" in message and 'skeleton_base=1' in message
    if not others:
        assert found(read(data, skeleton_base=0)) == [[[1, 2], [1, 3]]]
        assert found(read(data, skeleton_base=1)) == [[[0, 1], [0, 2]]]


def test_a_file_may_state_its_base(read):
    assert found(read(links([[1, 2]], info=dict(skeleton_base=0)))) == [[[1, 2]]]
    assert found(read(links([[1, 2]], info=dict(skeleton_base=1)))) == [[[0, 1]]]
    assert 'expected 1 to 4' in read(links([[0, 2]], info=dict(skeleton_base=1)))


def test_a_link_to_itself_is_left_out(read):
    dataset = read(links([[0, 1], [2, 2]]))
    assert found(dataset) == [[[0, 1]]] and '1 link(s) from a keypoint to itself' in dataset.notes[0]


@pytest.mark.parametrize('skeleton, expected', [
    (3, 'skeleton 3 is not a list'), (0, 'skeleton 0 is'), ('0-1', 'is not a list'), ({}, 'is not a list'),
    ([0, 1], 'the link 0'), ([[0, 1, 2]], 'the link [0, 1, 2]'), ([['0', '1']], 'pairs of keypoint numbers'),
    ([[0.0, 1.0]], 'pairs'), ([[True, 2]], 'pairs'), ([[None, 1]], 'pairs'), ([[0, 4]], '0 to 4; expected 0 to 3'),
    ([[-1, 2]], '-1 to 2'), ([[1, 5]], '1 to 5; expected 0 to 3 (or 1 to 4 if counted from 1)'),
    ([[0, 2 ** 70]], '0 to')], ids=str)
def test_what_are_no_links(read, skeleton, expected):
    message = read(links(skeleton))
    assert 'a.json' in message and "'kind1' (id 1)" in message and expected in message
