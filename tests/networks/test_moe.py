"""Mixture of experts."""

import dataclasses

import pytest
import torch

from robot_rl.errors import ConfigError
from robot_rl.networks.layers import orthogonal_init
from robot_rl.networks.moe import MoE, MoEConfig, switch_balance_loss

CONFIG = MoEConfig(num_experts=6, top_k=2, expert_dim=8, gate_dim=8, gate_dropout=0.0)


def make_moe(**settings) -> MoE:
    torch.manual_seed(0)
    return MoE(10, dataclasses.replace(CONFIG, **settings)).apply(orthogonal_init)


def test_sparse_and_dense_agree_in_value_and_gradient():
    sparse, dense = make_moe(sparse=True), make_moe(sparse=False)
    x = torch.randn(32, 10)
    outputs, gradients = [], []
    for moe in (sparse, dense):
        y, _ = moe(x)
        (y.square().sum()).backward()
        outputs.append(y)
        gradients.append(torch.cat([p.grad.flatten() for p in moe.parameters()]))
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_output_is_the_weighted_sum_of_the_chosen_experts():
    moe = make_moe()
    x = torch.randn(1, 10)
    weight, index = moe.router(x).softmax(-1).topk(2)
    weight = weight / weight.sum()
    wanted = sum(weight[0, k] * moe.experts.one(int(index[0, k]), x) for k in range(2))
    torch.testing.assert_close(moe(x)[0], wanted)


def test_balance_loss_is_one_when_balanced_and_grows_on_collapse():
    uniform = torch.full((4, 4), 0.25)
    assert float(switch_balance_loss(uniform, torch.arange(4)[:, None])) == pytest.approx(1.0)
    collapsed = torch.eye(4)[[0, 0, 0, 0]]
    loss = switch_balance_loss(collapsed, torch.zeros(4, 1, dtype=torch.long))
    assert float(loss) == pytest.approx(4.0)


def test_balance_loss_moves_the_router_towards_balance():
    moe = make_moe(top_k=1)
    with torch.no_grad():
        moe.router[-1].bias[0] = 3.0
    x = torch.randn(256, 10)
    optimizer = torch.optim.Adam(moe.router.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        _, balance_loss = moe(x)
        losses.append(float(balance_loss.detach()))
        optimizer.zero_grad()
        balance_loss.backward()
        optimizer.step()
    assert losses[0] > 2.0
    assert losses[-1] < 1.3


def test_more_chosen_than_there_are_is_refused():
    with pytest.raises(ConfigError, match=r"top_k is 5.*num_experts \(4\)"):
        MoEConfig(num_experts=4, top_k=5)
