"""A task of the arm suite that runs in real time, as an arm and cameras to connect to."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from hardware.arm import ArmFeatures, ArmState
from hardware.camera import CameraFeatures, Frame
from robot_rl.axes import Axis
from robot_rl.envs.registry import RenderConfig, TaskConfig, open_env
from robot_rl.errors import ConfigError, HardwareError
from robot_rl.types import IMAGE_PREFIX, Interface

_MAX_LAG_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The world at one control tick: what cameras and joints showed at `stamp_s`."""

    images: dict[str, np.ndarray]
    state: ArmState
    success: bool
    episode_steps: int
    stamp_s: float


class SimWorld:
    """Steps physics against the wall clock on a thread of its own, which also draws.

    `on_tick` is called on that thread at the task's control rate. A machine that is too slow
    makes the world late, never faster: `lag_s` tells by how much in all.
    """

    def __init__(
        self, task: TaskConfig, seed: int = 0, on_tick: Callable[[Snapshot], None] | None = None
    ) -> None:
        if not task.name.startswith("arm/"):
            raise ConfigError(f"a simulated robot runs tasks of the arm suite, not {task.name}.")
        self.lock = threading.RLock()
        self.lag_s = 0.0
        self.on_tick = on_tick or (lambda snapshot: None)
        self.newest: Snapshot | None = None
        self._task, self._seed = task, seed
        self._ticked = threading.Condition()
        self._requests: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self._closing = threading.Event()
        self._started: Future[None] = Future()
        self._steps = self._tick = 0
        self._env: Any = None
        self._thread = threading.Thread(target=self._run, name="world", daemon=True)

    def start(self) -> None:
        """Returns once the world runs. Raises what building it raised."""
        if not self._thread.is_alive():
            self._thread.start()
        self._started.result()

    @property
    def interface(self) -> Interface:
        return self._env.interface

    @property
    def simulation(self) -> Any:
        return self._env.simulation

    @property
    def axes(self) -> tuple[Axis, ...]:
        """What commands to it are about; the fingers stay where a task does not use them."""
        return self.simulation.arm.axes

    @property
    def servo(self) -> Any:
        return self.simulation.arm.servo

    def reset(self, seed: int) -> Snapshot:
        """Start the episode that `env.reset(seed=seed)` starts; its first look."""
        return self.after(self._on_thread(lambda: self._reset(seed)), timeout_s=10.0)

    def after(self, stamp_s: float, timeout_s: float) -> Snapshot:
        """The newest look later than `stamp_s`. Raises `HardwareError` when none comes."""
        with self._ticked:
            self._ticked.wait_for(lambda: self._later(stamp_s), timeout_s)
            if self.newest is None or not self._later(stamp_s):
                raise HardwareError(f"the simulated world gave no frame within {timeout_s} s.")
            return self.newest

    def state(self) -> ArmState:
        with self.lock:
            return self._state(time.time())

    def close(self) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    # ------------------------------------------------------------------ thread

    def _run(self) -> None:
        try:
            # A GL context belongs to the thread that made it.
            self._env = open_env(self._task, RenderConfig())
            self._env.reset(seed=self._seed)
            self._started.set_result(None)
        except Exception as error:
            self._started.set_exception(error)
            return
        self._loop()
        self._env.close()

    def _loop(self) -> None:
        arm = self.simulation.arm
        tick_s, ticks_per_step = arm.config.tick_s, arm.config.ticks
        due_s = time.monotonic()
        while not self._closing.is_set():
            self._serve_requests()
            if self._tick % ticks_per_step == 0:
                self._show()
            with self.lock:
                arm.tick()
            self._tick += 1
            due_s = self._wait_until(due_s + tick_s)

    def _wait_until(self, due_s: float) -> float:
        late_s = time.monotonic() - due_s
        if late_s > _MAX_LAG_S:
            self.lag_s += late_s
            return due_s + late_s
        time.sleep(max(0.0, -late_s))
        return due_s

    def _serve_requests(self) -> None:
        while True:
            try:
                call, answer = self._requests.get_nowait()
            except Empty:
                return
            try:
                answer.set_result(call())
            except Exception as error:
                answer.set_exception(error)

    def _on_thread(self, call: Callable[[], Any]) -> Any:
        answer: Future[Any] = Future()
        self._requests.put((call, answer))
        return answer.result(timeout=10.0)

    def _later(self, stamp_s: float) -> bool:
        return self.newest is not None and self.newest.stamp_s > stamp_s

    def _reset(self, seed: int) -> float:
        with self.lock:
            self._env.reset(seed=seed)
            # The next thing that happens is the first look, at the very start state.
            self._steps = self._tick = 0
            return time.time()

    def _show(self) -> None:
        with self.lock:
            # The first look at an episode is not yet a step of it.
            success = self._steps > 0 and self._env.simulation.check_success()
            stamp_s = time.time()
            images = self._env.look()
            snapshot = Snapshot(
                images={key.removeprefix(IMAGE_PREFIX): image for key, image in images.items()},
                state=self._state(stamp_s),
                success=success,
                episode_steps=self._steps,
                stamp_s=stamp_s,
            )
            self._steps += 1
        with self._ticked:
            self.newest = snapshot
            self._ticked.notify_all()
        self.on_tick(snapshot)

    def _state(self, stamp_s: float) -> ArmState:
        arm = self._env.simulation.arm
        measured = arm.proprio()
        return ArmState(
            joint_pos_rad=tuple(map(float, arm.joint_pos)),
            joint_vel_rad_s=tuple(map(float, arm.joint_vel)),
            tcp_pos_m=tuple(map(float, measured[:3])),
            tcp_quat=tuple(map(float, arm.tcp_quat)),
            tcp_vel_m_s=tuple(map(float, measured[3:6])),
            tcp_rot_vel_rad_s=tuple(map(float, arm.tcp_rot_vel)),
            gripper_m=float(measured[6]),
            stamp_s=stamp_s,
        )


class SimulatedArm:
    """The arm of a `SimWorld`."""

    def __init__(self, world: SimWorld) -> None:
        self._world = world

    @property
    def features(self) -> ArmFeatures:
        from sim.arm import TOOL_DOWN_QUAT

        arm = self._world.simulation.arm
        low, high = arm.joint_range
        return ArmFeatures(
            name="sim",
            axes=self._world.axes,
            joint_names=arm.kind.joints,
            joint_low_rad=tuple(map(float, low)),
            joint_high_rad=tuple(map(float, high)),
            gripper_max_m=arm.kind.gripper_max_m,
            rest_quat=TOOL_DOWN_QUAT,
        )

    def connect(self) -> None:
        self._world.start()

    def state(self) -> ArmState:
        return self._world.state()

    def command(self, command: Sequence[float], duration_s: float) -> None:
        with self._world.lock:
            self._world.servo.command(command, duration_s)

    def stop(self) -> None:
        with self._world.lock:
            self._world.servo.stop()

    def recover(self) -> None:
        """A simulated arm has no faults of its own."""

    def disconnect(self) -> None:
        self._world.close()


class SimulatedCamera:
    """One camera of a `SimWorld`."""

    def __init__(self, world: SimWorld, name: str) -> None:
        self._world = world
        self._name = name
        self._seen_s = 0.0

    @property
    def features(self) -> CameraFeatures:
        for field in self._world.interface.cameras:
            if field.name == self._name:
                return CameraFeatures(
                    name=field.name, height=field.height, width=field.width, rate_hz=field.rate_hz
                )
        raise HardwareError(f"the simulated robot has no camera '{self._name}'.")

    def connect(self) -> None:
        self._world.start()

    def read(self, timeout_s: float) -> Frame:
        newest = self._world.after(self._seen_s, timeout_s)
        self._seen_s = newest.stamp_s
        return Frame(image=newest.images[self._name], stamp_s=newest.stamp_s)

    def disconnect(self) -> None:
        self._world.close()
