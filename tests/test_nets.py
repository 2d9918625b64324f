import numpy as np
import torch

from prefrl.nets import StackedNets


def nets(members: int = 3) -> StackedNets:
    return StackedNets(members, (4, 8, 5, 2), torch.Generator().manual_seed(0))


def test_two_layers_by_hand() -> None:
    made = StackedNets(1, (1, 2, 1), torch.Generator())
    with torch.no_grad():
        for parameter, values in zip(
            (*made.weights, *made.biases), ([[[1.0, -1.0]]], [[[2.0], [3.0]]], [[[1.0, 0.0]]], [[[0.5]]]), strict=True
        ):
            parameter.copy_(torch.tensor(values))
    # hidden: 3 + 1 = 4 and -3 -> -0.03 by the leak; 2 * 4 - 3 * 0.03 + 0.5
    torch.testing.assert_close(made(torch.tensor([[3.0]])), torch.tensor([[[8.41]]]))


def test_numpy_gives_the_same() -> None:
    rows = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    np.testing.assert_allclose(nets().in_numpy(rows.numpy()), nets()(rows).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_members_are_independent() -> None:
    made, rows = nets(), torch.ones(2, 4)
    before = made(rows).detach()
    with torch.no_grad():
        made.weights[0][1].zero_()
    changed = (made(rows) != before).flatten(1).any(1)
    assert changed.tolist() == [False, True, False]
