"""Mechanisms of MV-MWM beyond those that it shares with Dreamer."""

import torch

from robot_rl.agents.mvmwm import DrawTokens, MVMWMConfig
from robot_rl.networks.masked import MaskedConfig
from tests.agents.test_dreamer import INTERFACE, LENGTH, segment_of
from tests.agents.test_golden import DREAMING, MASKED
from tests.agents.tiny import make_agent, optimised, parameters


def agent_of(**settings):
    small = {**DREAMING, "segment_length": LENGTH, "masked": MASKED, "masked_batch": 8}
    return make_agent(MVMWMConfig, INTERFACE, **{**small, **settings})


def test_every_weight_belongs_to_one_optimiser_and_moves():
    agent = agent_of(lr=1e-2, masked_lr=1e-2)
    owned, before = optimised(agent), parameters(agent._policy)
    assert len(owned) == len(set(owned))
    assert {id(p) for p in agent._policy.parameters()} <= set(owned)
    for seed in range(4):
        agent.update(segment_of(seed=seed))
    after = parameters(agent._policy)
    assert [name for name in before if torch.equal(before[name], after[name])] == []


def test_the_autoencoder_and_the_model_do_not_feel_each_other():
    agent = agent_of()
    encoder = agent._policy.encoder
    before = parameters(encoder)
    agent._learn_to_see(segment_of())
    moved = {n.split(".")[0] for n, x in parameters(encoder).items() if not x.equal(before[n])}
    assert moved == {"autoencoder"}
    before = parameters(encoder)
    super(type(agent), agent)._update(segment_of())
    moved = {n.split(".")[0] for n, x in parameters(encoder).items() if not x.equal(before[n])}
    assert moved == {"into", "reader"}


def test_moments_that_are_not_there_teach_nothing():
    agent, segment = agent_of(masked_batch=1000), segment_of()
    segment.mask[:, 1:] = 0.0
    sizes = []
    autoencoder = agent._policy.encoder.autoencoder
    learned = autoencoder.loss

    def counted(frames, reward):
        sizes.append(len(reward))
        return learned(frames, reward)

    autoencoder.loss = counted
    agent._learn_to_see(segment)
    assert sizes == [4]


def test_the_feature_s_loss_is_half_the_square_error_of_a_token():
    draws, feature = DrawTokens(6, 3, 4), torch.randn(2, 6)
    drawn = draws.out(draws.draw(draws.into(feature).unsqueeze(1) + draws.places))
    off = torch.zeros(2, 3, 4)
    off[..., 0] = 2.0
    found = draws(feature, feature, {"tokens": drawn + off})
    torch.testing.assert_close(found, torch.tensor(2.0))


def test_a_wrist_camera_may_be_there_for_training_alone():
    agent = agent_of(masked=MaskedConfig(**{**vars(MASKED), "control": ("cam0",)}))
    agent.update(segment_of())
    inputs = agent.policy().example(2)
    with torch.inference_mode():
        wanted = agent.policy().step(*inputs)[0]
        inputs[0]["image/cam1"] = 255 - inputs[0]["image/cam1"]
        torch.testing.assert_close(agent.policy().step(*inputs)[0], wanted, rtol=0, atol=0)
