"""A supervisor with one camera, driven by a hand-made clock."""

import numpy as np

from robot_rl.deploy.camera_watch import CameraLimits, CameraWatch
from robot_rl.deploy.safety import SafetyFilter
from robot_rl.deploy.supervisor import HUMAN, POLICY, Supervisor, SupervisorLimits
from robot_rl.deploy.verdicts import ArmReading, Command, Now, Reason
from tests.deploy.test_safety import LIMITS

GO = (0.1, 0.0, 0.0, 0.0)
STILL = (0.0, 0.0, 0.0, 0.0)


class Scene:
    """A supervisor with one camera at a time that the test moves on."""

    def __init__(self) -> None:
        self.t = 100.0
        self.jump_s = 0.0
        self.tcp = (0.35, 0.0, 0.15)
        self.supervisor = Supervisor(
            SafetyFilter(LIMITS), {"front": CameraWatch(CameraLimits())}, SupervisorLimits()
        )
        self.frame = np.arange(3 * 64, dtype=np.uint8)
        self.joints_rad = (0.0, 0.0)
        self.force_n = 0.0
        self.see()
        assert self.supervisor.reset(self.now)[0]
        self.supervisor.activated(self.now.system_s)

    @property
    def now(self) -> Now:
        return Now(self.t + self.jump_s, self.t)

    def see(self) -> None:
        stamp_s = self.now.system_s
        self.supervisor.arm(
            ArmReading(
                position=(*self.tcp, 0.02),
                tcp_pos_m=self.tcp,
                stamp_s=stamp_s,
                joints_rad=self.joints_rad,
                force_n=self.force_n,
            )
        )
        self.supervisor.camera("front", memoryview(self.frame.tobytes()), stamp_s)

    def later(self, delay_s: float) -> None:
        self.t += delay_s

    def policy(self, velocity=GO):
        command = Command(values=velocity, source=POLICY, stamp_s=self.now.system_s)
        return self.supervisor.policy(command, self.now)

    def human(self, velocity=GO):
        command = Command(values=velocity, source=HUMAN, stamp_s=self.now.system_s)
        return self.supervisor.human(command, self.now)

    def step(self, velocity=GO):
        """One control period of healthy operation."""
        self.later(0.1)
        self.frame = self.frame + 1
        self.see()
        return self.policy(velocity)


def why(scene: Scene) -> list[Reason]:
    return scene.supervisor.safety.latch.reasons
