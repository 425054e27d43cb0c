"""Graph convolution against equation 4, written out."""

import pytest
import torch

from capekit.models.layers import GraphConvolutions


@pytest.mark.parametrize('modulation', ['shared', 'fixed', 'self'])
def test_is_equation_4(modulation):
    torch.manual_seed(0)
    graph = GraphConvolutions(6, 2, modulation, num_slots=7, dropout=0.0)
    if modulation == 'fixed':
        torch.nn.init.uniform_(graph.modulations)
    tokens, structure = torch.randn(5, 6), torch.rand(5, 5)
    rows = {'shared': lambda: torch.ones(5, 6), 'fixed': lambda: graph.modulations[:5],
            'self': lambda: graph.modulation_mlp(tokens)}[modulation]()
    update = tokens
    for transform in graph.transforms:
        # (M_j * W) K_j A_ij, summed over j; row m of W makes output channel m.
        update = torch.stack([sum((rows[j][:, None] * transform.weight) @ update[j] * structure[i, j]
                                  for j in range(5)) for i in range(5)]).relu()
    torch.testing.assert_close(graph(tokens, structure), graph.norm(tokens + update))
