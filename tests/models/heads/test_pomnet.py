"""POMNet's options: each does what its name says, and wrong values are named."""

import pytest
import torch
from asking import ask, labels

from capekit.errors import CapekitError
from capekit.models.heads import POMNetHead
from capekit.models.heads.pomnet import ConvolutionMatching

SMALL = dict(in_channels=(16,), channels=16, num_heads=2, hidden_channels=16, decoder_channels=8, heatmap_size=16)


def _inputs(head, visible):
    """Features of random maps; visible: (B, S, K)."""
    torch.manual_seed(1)
    batch, shots, slots = visible.shape
    support = head.encode_support([torch.randn(batch * shots, 16, 4, 4)], torch.rand(batch * shots, slots, 2),
                                  visible.flatten(0, 1))
    support = {name: value.unflatten(0, (batch, shots)) for name, value in support.items()}
    return support, head.encode_query([torch.randn(batch, 16, 4, 4)]), torch.full((batch,), slots), []


@pytest.mark.parametrize('option', ['matching', 'reduction', 'refine'])
def test_unknown_choice_names_the_valid_ones(option):
    with pytest.raises(CapekitError, match=f"{option}='wrong' is not one of .*,"):
        POMNetHead(**{**SMALL, option: 'wrong'})


def test_matching_is_the_convolution_of_the_concatenation():
    torch.manual_seed(0)
    matching = ConvolutionMatching(6, 4, max_pairs=2).eval()
    matching.norm.running_mean.normal_()
    pixels, tokens, sample = torch.randn(2, 6, 5, 7), torch.randn(5, 6), torch.tensor([0, 0, 1, 1, 1])
    copied = tokens[:, :, None, None].expand(-1, -1, 5, 7)
    expected = matching.norm(matching.conv(torch.cat((pixels[sample], copied), 1))).relu()
    torch.testing.assert_close(matching(pixels, tokens, sample), matching.decoder(expected)[:, 0], atol=1e-6, rtol=1e-4)


def test_masked_slots_are_matched_once(monkeypatch):
    torch.manual_seed(0)
    head = POMNetHead(**SMALL).eval()
    visible = torch.ones(2, 1, 6, dtype=torch.bool)
    visible[0, 0, [1, 4, 5]] = False
    counts, match = [], head.matching.forward
    monkeypatch.setattr(head.matching, 'forward',
                        lambda pixels, tokens, sample: counts.append(len(tokens)) or match(pixels, tokens, sample))
    heatmaps = ask(head, *_inputs(head, visible)).extras['heatmaps']
    assert torch.equal(heatmaps[0, 1], heatmaps[0, 4]) and torch.equal(heatmaps[0, 1], heatmaps[0, 5])
    assert not torch.equal(heatmaps[0, 1], heatmaps[0, 0]) and not torch.equal(heatmaps[0, 2], heatmaps[0, 3])
    ask(head.train(), *_inputs(head, visible))
    assert counts == [3 + 1 + 6, 3 + 6]


def test_answers_are_those_of_a_loop_over_slots():
    """The released way: padding goes through everything, and the Matching Head takes one slot after the other."""
    torch.manual_seed(0)
    head, visible = POMNetHead(**SMALL).eval(), torch.arange(6)[None, None] < 3
    support, query, counts, links = _inputs(head, visible)
    heatmaps = ask(head, support, query, counts, links).extras['heatmaps']
    pixels, mask = query['pixels'], visible[:, 0]
    tokens = head.support_projection(support['keypoints'].mean(1) * mask[..., None])
    for slot, token in enumerate(head.interact(tokens, pixels, mask).unbind(1)):
        copied = token[..., None, None].expand(-1, -1, *pixels.shape[-2:])
        matched = head.matching.norm(head.matching.conv(torch.cat((pixels, copied), 1))).relu()
        torch.testing.assert_close(head.matching.decoder(matched)[:, 0], heatmaps[:, slot], atol=1e-6, rtol=1e-4)


def test_reductions_weigh_keypoints_or_categories():
    torch.manual_seed(0)
    visible = torch.ones(1, 1, 6, dtype=torch.bool)
    visible[..., 4:] = False
    losses = {}
    for reduction in ('release', 'paper'):
        head = POMNetHead(**SMALL, reduction=reduction).eval()
        answer = ask(head, *_inputs(head, visible))
        answer.extras['heatmaps'] = torch.rand(1, 6, 32, 32, generator=torch.Generator().manual_seed(0))
        losses[reduction] = head.loss(answer, labels(torch.full((1, 6, 2), 0.5), torch.ones(1, 6, dtype=torch.bool)))
    torch.testing.assert_close(losses['paper']['mse_loss'], losses['release']['mse_loss'] * 100 / 4)


def test_keypoints_see_each_other_by_self_attention_only():
    visible = torch.ones(1, 1, 5, dtype=torch.bool)
    for switches, reached in ((dict(), True), (dict(cross_attention=False), True), (dict(self_attention=False), False),
                              (dict(self_attention=False, cross_attention=False), False)):
        torch.manual_seed(0)
        head = POMNetHead(**SMALL, **switches, matching='inner_product').eval()
        support, query, counts, links = _inputs(head, visible)
        before = ask(head, support, query, counts, links).extras['heatmaps'][:, 1]
        support['keypoints'][:, :, 0] += 1
        after = ask(head, support, query, counts, links).extras['heatmaps'][:, 1]
        assert torch.allclose(before, after, atol=1e-6) is not reached
