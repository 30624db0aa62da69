"""How a motion is measured: against forces and speeds that are known."""

from typing import Any

import pytest

from sim.motion import FORCE, JERK, SPEED, MotionMeter
from sim.registry import make_env

WEIGHT = 9.81
SCENE = """
<mujoco><option timestep="0.002"/>
 <worldbody>
  <geom type="plane" size="2 2 1"/>
  <body name="foot" pos="0 0 0.1">
   <joint name="lift" type="slide" axis="0 0 1"/>
   <geom type="box" size="0.1 0.1 0.1" mass="2"/>
   <body pos="0 0.5 1"><joint name="elbow"/><geom type="sphere" size="0.02" mass="0.001"/></body>
  </body>
  <body pos="0 0 0.25"><freejoint/><geom type="box" size="0.05 0.05 0.05" mass="1"/></body>
  <body pos="1 0 0.05"><freejoint/><geom type="box" size="0.05 0.05 0.05" mass="5"/></body>
 </worldbody>
 <actuator>ACTUATOR</actuator>
 <tendon><fixed name="cord"><joint joint="lift" coef="1"/></fixed></tendon>
</mujoco>
"""


def scene(actuator: str, steps: int = 0) -> tuple[Any, Any]:
    """Model and data after `steps`."""
    import mujoco  # not before sim has chosen what draws

    model = mujoco.MjModel.from_xml_string(SCENE.replace("ACTUATOR", actuator))
    data = mujoco.MjData(model)
    for _ in range(steps):
        mujoco.mj_step(model, data)
    return model, data


@pytest.mark.parametrize("actuator", ['<motor joint="lift"/>', '<motor tendon="cord"/>'])
def test_forces_are_those_between_the_robot_and_the_rest(actuator):
    """It carries a kilogram and stands on three; the box beside it is nobody's business."""
    model, data = scene(actuator, steps=3000)
    assert MotionMeter(model).measure(data, 0.1)[FORCE] == pytest.approx((1 + 3) * WEIGHT, rel=0.02)


def test_speed_and_jerk_are_the_largest_of_the_robot_s_joints():
    model, data = scene('<motor joint="lift"/>')
    meter = MotionMeter(model)
    found = []
    for speeds in ([1.0, 0.0], [-3.0, 0.5], [6.0, 0.5]):
        data.qvel[:2], data.qvel[2:] = speeds, 99.0  # what lies there flies
        found.append(meter.measure(data, 0.5))
    assert [m[SPEED] for m in found] == [1.0, 3.0, 6.0]
    assert [JERK in m for m in found] == [False, False, True]
    assert found[2][JERK] == pytest.approx((6.0 + 2 * 3.0 + 1.0) / 0.25)
    meter.begin()
    assert JERK not in meter.measure(data, 0.5)


def test_where_nothing_is_actuated_nothing_is_measured():
    model, data = scene("")
    assert MotionMeter(model).measure(data, 0.1) == {}


def test_a_grasp_is_felt():
    env = make_env("arm/lift", (), state=True)
    env.reset(seed=0)
    felt = [env.step(env.expert_action())[4]["motion"] for _ in range(25)]
    assert felt[0][FORCE] == 0.0
    assert max(step[FORCE] for step in felt) > 1.0
    assert max(step[SPEED] for step in felt) > 0.05
    env.close()
