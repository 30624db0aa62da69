"""The environment around a simulation: what the interface says is what an action does."""

import numpy as np
import pytest

from robot_rl.axes import Axis
from robot_rl.deploy.actions import ActionMap
from robot_rl.envs.cameras import CameraSpec
from sim.registry import make_env

CART = (CameraSpec(name="0", height=64, width=64),)


def test_a_repeated_action_displaces_as_the_interface_says():
    env = make_env("arm/lift", (), state=True, action_repeat=3)
    assert env.interface.control_rate_hz == pytest.approx(10 / 3)
    assert [field.scale for field in env.interface.actions] == pytest.approx([0.09] * 3 + [-0.06])
    env.reset(seed=0)
    before = env.simulation.arm.tcp_pos.copy()
    env.step(np.array([0.5, -0.25, 0.0, 0.0], np.float32))
    env.step(np.zeros(4, np.float32))
    moved = env.simulation.arm.tcp_pos - before
    assert moved == pytest.approx([0.045, -0.0225, 0.0], abs=0.004)
    env.close()


def test_a_repeated_action_is_as_fast_on_a_robot():
    for repeat in (1, 2, 5):
        env = make_env("arm/lift", (), state=True, action_repeat=repeat)
        axes = [Axis(name=field.name, unit=field.unit) for field in env.interface.actions]
        command = ActionMap(env.interface, axes).command([1, -1, 0.5, 1], [0.0] * 4)
        assert command == pytest.approx((0.3, -0.3, 0.15, -0.2))
        env.close()


def test_what_does_not_add_up_keeps_its_scale():
    once, often = (
        make_env("dmc/cartpole_balance", CART, action_repeat=repeat) for repeat in (1, 4)
    )
    assert often.interface.actions == once.interface.actions
    assert often.interface.control_rate_hz == once.interface.control_rate_hz / 4
    once.close()
    often.close()
