"""CapeFormer's options: each does what its name says, and wrong values are named."""

import pytest
import torch
from asking import ask, labels

from capekit.errors import CapekitError
from capekit.models.heads import CapeFormerHead

SMALL = dict(in_channels=(16,), channels=16, num_heads=2, hidden_channels=16, num_slots=12, heatmap_size=16)


def _inputs(head, batch=2, shots=1, slots=5):
    torch.manual_seed(1)
    points, visible = torch.rand(batch * shots, slots, 2), torch.ones(batch * shots, slots, dtype=torch.bool)
    support = head.encode_support([torch.randn(batch * shots, 16, 4, 4)], points, visible)
    support = {name: value.unflatten(0, (batch, shots)) for name, value in support.items()}
    return support, head.encode_query([torch.randn(batch, 16, 4, 4)]), torch.full((batch,), slots), []


@pytest.mark.parametrize('option', ['identifier', 'encoder', 'reduction', 'similarity_error'])
def test_unknown_choice_names_the_valid_ones(option):
    with pytest.raises(CapekitError, match=f"{option}='wrong' is not one of .*,"):
        CapeFormerHead(**{**SMALL, option: 'wrong'})


def test_more_slots_than_identifiers():
    head = CapeFormerHead(**SMALL)
    with pytest.raises(CapekitError, match='20 keypoint slots, but num_slots=12'):
        ask(head, *_inputs(head, slots=20))


@pytest.mark.parametrize(('option', 'gone'), [('heatmap_weight', 'heatmap_loss'), ('proposal_weight', 'proposal_loss'),
                                              ('layer_weight', 'l1_loss_layer0'), ('decoder_layers', 'l1_loss_layer0')])
def test_a_term_is_left_out(option, gone):
    head = CapeFormerHead(**SMALL, **{option: 0})
    answer = ask(head, *_inputs(head))
    losses = head.loss(answer, labels(torch.rand(2, 5, 2), torch.ones(2, 5, dtype=torch.bool)))
    assert gone not in losses and losses


def test_paper_reduction_sums_keypoints_and_averages_layers():
    torch.manual_seed(0)
    head = CapeFormerHead(**SMALL)
    answer, points, visible = ask(head, *_inputs(head)), torch.rand(2, 5, 2), torch.ones(2, 5, dtype=torch.bool)
    release = head.loss(answer, labels(points, visible))
    head.reduction = 'paper'
    paper = head.loss(answer, labels(points, visible))
    torch.testing.assert_close(paper['l1_loss_layer1'], release['l1_loss_layer1'] * 5 / 3)
    assert paper['proposal_loss'] == release['proposal_loss']


def test_identifier_tells_equal_keypoints_apart():
    torch.manual_seed(0)
    for identifier, apart in (('fixed', True), ('learned', True), ('none', False)):
        head = CapeFormerHead(**SMALL, identifier=identifier).eval()
        support, query, counts, links = _inputs(head)
        support['keypoints'][:, :, 1] = support['keypoints'][:, :, 0]
        similarity = ask(head, support, query, counts, links).extras['similarity']
        assert torch.allclose(similarity[:, 0], similarity[:, 1], atol=1e-6) is not apart


def test_joint_encoder_lets_keypoints_reach_the_pixels():
    torch.manual_seed(0)
    for encoder, reached in (('joint', True), ('detr', False)):
        head = CapeFormerHead(**SMALL, encoder=encoder, decoder_layers=0).eval()
        support, query, counts, links = _inputs(head)
        before = ask(head, support, query, counts, links).extras['similarity'][:, 1]
        support['keypoints'][:, :, 0] += 1
        after = ask(head, support, query, counts, links).extras['similarity'][:, 1]
        assert torch.allclose(before, after, atol=1e-6) is not reached


def test_peak_is_the_window_around_the_maximum():
    head = CapeFormerHead(**SMALL).eval()
    answer = ask(head, *_inputs(head))
    similarity = answer.extras['similarity']
    for sample, k in ((0, 0), (1, 3)):
        probability = similarity[sample, k].flatten().softmax(0).view(4, 4)
        y, x = divmod(int(similarity[sample, k].argmax()), 4)
        window = probability.new_zeros(4, 4)
        rows, columns = slice(max(y - 1, 0), y + 2), slice(max(x - 1, 0), x + 2)
        window[rows, columns] = probability[rows, columns]
        centres = (torch.arange(4) + 0.5) / 4
        expected = torch.stack(((window.sum(0) * centres).sum(), (window.sum(1) * centres).sum())) / window.sum()
        torch.testing.assert_close(answer.extras['peaks'][sample, k], expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(answer.scores[sample, k], window.sum())


def test_layers_teach_the_matching_through_the_first_position_encoding_alone():
    torch.manual_seed(0)
    head = CapeFormerHead(**SMALL, heatmap_weight=0, proposal_weight=0)
    for parameter in head.offset_mlps.parameters():
        torch.nn.init.normal_(parameter, std=0.1)

    def reached(layer):
        head.zero_grad()
        answer = ask(head, *_inputs(head))
        losses = head.loss(answer, labels(torch.rand(2, 5, 2), torch.ones(2, 5, dtype=torch.bool)))
        losses[f'l1_loss_layer{layer}'].backward()
        return all(bool(p.grad is not None and p.grad.any()) for p in head.matching.proposals.parameters())

    assert reached(0) and reached(2)
    torch.nn.init.zeros_(head.position_mlp[2].weight)  # the coordinates themselves start detached
    assert not reached(0) and not reached(2)
