"""The smallest robot: an arm that stands where it is put, and a camera that ticks."""

import time

import numpy as np

from hardware.arm import ArmFeatures, ArmState
from hardware.camera import CameraFeatures, Frame
from robot_rl.axes import GRIPPER, TCP_LINEAR, Axis
from robot_rl.errors import HardwareError
from robot_rl.types import ActionField, CameraField, Interface, ProprioField

SIZE, TICK_S, PERIOD_S = 16, 0.02, 0.1
AXES = (*(Axis(name=n, unit="m") for n in (*TCP_LINEAR, GRIPPER)),)
THRUST = Axis(name="thrust", unit="N", by="level", hold=9.81)
INTERFACE = Interface(
    task="paper/stand",
    control_rate_hz=10.0,
    cameras=(CameraField(name="front", height=SIZE, width=SIZE, rate_hz=10.0),),
    proprio=(ProprioField(name="tcp_pos", unit="m", size=3),),
    actions=tuple(
        ActionField(name=name, unit="m", kind="displacement", scale=0.03, hold=0.0)
        for name in TCP_LINEAR
    ),
)


class PaperArm:
    """Goes at once where a control period would take it. `broken` makes the next command raise."""

    def __init__(self, axes=AXES) -> None:
        self.features = ArmFeatures(
            name="paper",
            axes=axes,
            joint_names=("a",),
            joint_low_rad=(-1.0,),
            joint_high_rad=(1.0,),
        )
        self.tcp = [0.3, 0.0, 0.1]
        self.commands: list[tuple[float, ...]] = []
        self.broken = ""

    def connect(self) -> None: ...

    def state(self) -> ArmState:
        return ArmState(
            joint_pos_rad=(0.0,),
            joint_vel_rad_s=(0.0,),
            tcp_pos_m=tuple(self.tcp),
            tcp_quat=(1.0, 0.0, 0.0, 0.0),
            tcp_vel_m_s=(0.0, 0.0, 0.0),
            stamp_s=time.time(),
            other={"thrust": 9.0},
        )

    def command(self, command, duration_s) -> None:
        if self.broken:
            raise HardwareError(self.broken)
        self.commands.append(tuple(command))
        self.tcp = [x + v * PERIOD_S for x, v in zip(self.tcp, command[:3], strict=True)]

    def stop(self) -> None: ...

    def recover(self) -> None:
        self.broken = ""

    def disconnect(self) -> None: ...


class PaperCamera:
    """Its pictures count up. `unplugged` makes it fall silent."""

    def __init__(self, name: str = "front", size: int = SIZE) -> None:
        self.features = CameraFeatures(name=name, height=size, width=size, rate_hz=1 / TICK_S)
        self.unplugged = False
        self._count = 0

    def connect(self) -> None: ...

    def read(self, timeout_s: float) -> Frame:
        if self.unplugged:
            raise HardwareError("the cable is out.")
        time.sleep(TICK_S)
        self._count += 1
        image = np.full((self.features.height, self.features.width, 3), self._count % 256, np.uint8)
        return Frame(image=image, stamp_s=time.time())

    def disconnect(self) -> None: ...
