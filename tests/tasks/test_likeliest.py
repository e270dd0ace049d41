"""The likeliest tokens are those of a stable sort of all."""

import pytest
import torch

from iclgd.tasks.readouts.next_token import NextToken, likeliest


def test_ties_go_by_token_id_by_hand():
    values, ids = likeliest(torch.tensor([[0.1, 0.4, 0.2, 0.4, 0.2, 0.2]]), 4)
    assert ids.tolist() == [[1, 3, 2, 4]]
    assert values.tolist() == torch.tensor([[0.4, 0.4, 0.2, 0.2]]).tolist()


@pytest.mark.parametrize("keep", [1, 3, 10, 40, 100])
@pytest.mark.parametrize("different", [1, 2, 5, 1000])
def test_they_are_those_of_a_stable_sort(keep, different):
    rows = torch.randint(different, (7, 40), generator=torch.manual_seed(0)).double()
    rows[0], rows[1, :3] = 0.0, -torch.inf
    values, ids = rows.sort(descending=True, stable=True)
    found = likeliest(rows, keep)
    assert torch.equal(found[0], values[:, :keep]) and torch.equal(found[1], ids[:, :keep])


def test_the_tail_is_the_rest():
    logits = torch.randn(5, 30, generator=torch.manual_seed(1))
    found = NextToken([2, 3], 4).read(logits)
    rest = logits.double().softmax(-1).sort(descending=True).values[:, 4:].sum(-1)
    torch.testing.assert_close(torch.from_numpy(found.tail_mass), rest.float(), rtol=1e-6, atol=0)
    assert not NextToken([2, 3], 30).read(logits).tail_mass.any()
    broken = logits.clone()
    broken[1, 7] = torch.nan
    assert NextToken([2, 3], 4).read(broken).finite.tolist() == [True, False, True, True, True]
