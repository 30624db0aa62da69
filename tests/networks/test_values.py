"""Critics that say a distribution over returns."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.errors import ConfigError
from robot_rl.networks.values import Bins, Number, ValueConfig, make_value

FITS = ("two_hot", "hl_gauss")


def bins(fit: str, **settings: float) -> Bins:
    value = make_value(ValueConfig(fit=fit, bins=5, low=0.0, high=8.0, **settings))
    assert isinstance(value, Bins)
    return value


def test_two_hot_lies_on_the_two_bins_beside_the_return():
    target = bins("two_hot").target(torch.tensor([3.0, 8.0, -1.0, 9.0]))
    wanted = [[0, 0.5, 0.5, 0, 0], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]]
    torch.testing.assert_close(target, torch.tensor(wanted))


def test_hl_gauss_is_the_mass_of_a_gaussian_in_each_bin():
    target = bins("hl_gauss", sigma=0.5)
    normal = torch.distributions.Normal(4.0, 1.0)  # half of a bin, which is 2 wide
    edges = torch.tensor([-1.0, 1.0, 3.0, 5.0, 7.0, 9.0])
    mass = normal.cdf(edges).diff()
    torch.testing.assert_close(target.target(torch.tensor(4.0)), mass / mass.sum())


@given(st.floats(0.0, 8.0))
def test_what_is_laid_on_two_bins_is_read_back(y):
    value = bins("two_hot")
    logits = value.target(torch.tensor(y)).clamp(min=1e-12).log()
    assert float(value.mean(logits)) == pytest.approx(y, abs=1e-4)


@pytest.mark.parametrize("fit", FITS)
def test_the_loss_is_least_where_the_mean_is_the_return(fit):
    value = bins(fit)
    y = torch.tensor([2.5, 6.0])
    out = torch.zeros(2, 5, requires_grad=True)
    optimizer = torch.optim.Adam([out], lr=0.1)
    for _ in range(400):
        optimizer.zero_grad()
        value.loss(out, y).sum().backward()
        optimizer.step()
    torch.testing.assert_close(value.mean(out.detach()), y, atol=0.15, rtol=0)


def test_targets_are_those_of_every_member():
    value = bins("two_hot")
    out, y = torch.randn(3, 4, 5), torch.rand(4) * 8
    loss = value.loss(out, y)
    assert loss.shape == (3, 4)
    torch.testing.assert_close(loss[1], value.loss(out[1], y))


def test_returns_that_no_bin_expresses_are_counted():
    y = torch.tensor([-0.1, 0.0, 8.0, 8.1])
    assert float(bins("two_hot").outside(y)) == 0.5


def test_a_number_is_fitted_by_its_square_error():
    value = make_value(ValueConfig())
    assert isinstance(value, Number)
    out = torch.tensor([[[1.0], [2.0]]])
    torch.testing.assert_close(value.loss(out, torch.tensor([3.0, 2.0])), torch.tensor([[4.0, 0]]))


@pytest.mark.parametrize("settings", [{"bins": 1}, {"low": 2.0, "high": 1.0}, {"sigma": 0.0}])
def test_bins_that_are_none_are_refused(settings):
    with pytest.raises(ConfigError, match=r"bins >= 2, low < high"):
        ValueConfig(**settings)
