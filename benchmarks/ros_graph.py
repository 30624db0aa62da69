"""A graph of real node processes and a probe that watches it, for benchmarks and tests."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from robot_rl.agents.bc import BCConfig
from robot_rl.build.agents import build_agent
from robot_rl.build.config import TrainConfig
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.networks.actor_critic import Actor
from robot_rl.networks.compute import Compute
from robot_rl.networks.policy import Policy, random_observation
from robot_rl.networks.stacked import NetworkConfig, StackedConfig, StackedPolicy
from robot_rl.replay import Replay
from robot_rl.replay.storage import Step
from robot_rl.types import ActionField, CameraField, Interface, ProprioField
from robot_rl_nodes.transport import profile

START_S = 60.0


def steady_policy(root: Path, action: tuple[float, float, float], spread: float = 0.0) -> Path:
    """The folder of a policy for arm/reach, front camera only, that takes `action`.

    `spread` is the scale of what its actions add by what it sees.
    """
    network = NetworkConfig(hidden_dim=16, frame_stack=1)
    policy = StackedPolicy(StackedConfig(network=network), _reach_interface())
    assert isinstance(policy.actor, Actor)
    out = policy.actor.out
    with torch.no_grad():
        out.weight.mul_(spread)
        out.bias.copy_(torch.atanh(torch.tensor(action)))
    return _written(policy, root)


def remembering_policy(root: Path, action: tuple[float, float, float]) -> Path:
    """The same with a recurrent policy, cloned from demonstrations that do `action` in noise.

    What it does hangs on what it saw and on what was applied before. With an ONNX file.
    """
    from robot_rl.deploy.onnx import export_onnx

    torch.manual_seed(0)
    interface, rng = _reach_interface(), np.random.default_rng(0)
    network = NetworkConfig(hidden_dim=16, feature_dim=8)
    config = BCConfig(memory="gru", memory_dim=8, segment_length=5, batch_size=8, network=network)
    agent = build_agent(config, interface, Compute.choose("cpu", "auto"))
    replay = Replay(60, config.draws, interface, lanes=1, seed=0)
    for _ in range(5):
        replay.begin(0, random_observation(interface, rng))
        for t in range(10):
            step = Step(np.array(action, np.float32), 0.0, False, t == 9, "expert")
            replay.add(0, step, random_observation(interface, rng))
    for _ in range(20):
        agent.update(replay.sample(config.batch_size))
    folder = _written(agent.policy(), root)
    export_onnx(agent.policy(), folder)
    return folder


def _written(policy: Policy, root: Path) -> Path:
    folder = PolicyFolder(root / "policy")
    folder.write(policy, TrainConfig(), {})
    return folder.root


def _reach_interface() -> Interface:
    size = 64
    return Interface(
        task="arm/reach",
        control_rate_hz=10.0,
        cameras=(CameraField(name="front", height=size, width=size, rate_hz=10.0),),
        proprio=(
            ProprioField(name="tcp_pos", unit="m", size=3),
            ProprioField(name="tcp_vel", unit="m/s", size=3),
            ProprioField(name="gripper_opening", unit="m", size=1),
        ),
        actions=tuple(
            ActionField(name=f"tcp_{axis}", unit="m", scale=0.03, kind="displacement", hold=0.0)
            for axis in "xyz"
        ),
    )


class Graph:
    """Node processes on a ROS domain of their own, each with a log file."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        os.environ["ROS_DOMAIN_ID"] = str(random.randint(1, 101))
        os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] = str(profile("local"))
        os.environ.update(environment or {})
        self.root = Path(tempfile.mkdtemp(prefix="ros-graph-"))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._arguments: dict[str, tuple[Any, ...]] = {}

    def start(
        self,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        namespace: str = "",
        prefix: tuple[str, ...] = (),
        executable: str = "",
        before: Callable[[], None] | None = None,
    ) -> None:
        """`name` is also the program unless `executable` says otherwise."""
        self._arguments[name] = (parameters, namespace, prefix, executable, before)
        file = self.root / f"{name}.yaml"
        file.write_text(yaml.safe_dump({"/**": {"ros__parameters": dict(parameters or {})}}))
        program = Path(sys.executable).with_name(executable or name)
        remap = ["-r", f"__ns:={namespace}"] if namespace else []
        command = [*prefix, str(program), "--ros-args", *remap]
        command += ["--params-file", str(file)] if parameters else []
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, preexec_fn=before
            )

    def restart(self, name: str) -> None:
        self.start(name, *self._arguments[name])

    def signal(self, name: str, number: int) -> None:
        os.killpg(self.processes[name].pid, number)

    def kill(self, name: str) -> None:
        self.signal(name, signal.SIGKILL)
        self.processes[name].wait()

    def log(self, name: str) -> Path:
        return self.root / f"{name}.log"

    def close(self) -> None:
        for number in (signal.SIGCONT, signal.SIGTERM):
            for process in self.processes.values():
                if process.poll() is None:
                    os.killpg(process.pid, number)
        end_s = time.monotonic() + 5.0
        for process in self.processes.values():
            try:
                process.wait(max(0.1, end_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def __enter__(self) -> "Graph":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Probe:
    """A node in this process: it notes what the arm was told and calls services."""

    def __init__(self) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from geometry_msgs.msg import PoseStamped, TwistStamped
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node
        from rclpy.signals import SignalHandlerOptions
        from std_msgs.msg import Bool, Header

        from robot_rl_nodes import graph

        self.context = rclpy.Context()
        rclpy.init(context=self.context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node("probe", context=self.context)
        self.modes: list[tuple[float, str]] = []
        self.twists: list[tuple[float, Any]] = []
        self.positions: list[tuple[float, float, float]] = []
        self.stopped = True
        self.recorder_failed_s: float | None = None
        self.health: dict[str, Any] = {}
        self.node.create_subscription(Header, graph.ARM_MODE, self._mode, graph.LATCHED)
        self.node.create_subscription(TwistStamped, graph.ARM_TWIST, self._twist, graph.STATE)
        self.node.create_subscription(PoseStamped, graph.TCP_POSE, self._pose, graph.STATE)
        self.node.create_subscription(Bool, graph.ESTOP, self._estop, graph.LATCHED)
        self.node.create_subscription(
            DiagnosticArray, graph.DIAGNOSTICS, self._diagnostics, graph.STATE
        )
        self._activation = self.node.create_publisher(
            Header, graph.POLICY_ACTIVATION, graph.COMMAND
        )
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    @property
    def mode(self) -> str:
        return self.modes[-1][1] if self.modes else "unknown"

    def until(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Raises `TimeoutError` that names `what` was waited for."""
        end_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > end_s:
                raise TimeoutError(f"{what} did not happen within {timeout_s:g} s")
            time.sleep(0.002)

    def told(self, node: str, key: str) -> int:
        """A count in the newest diagnostics of `node`; 0 where it has told none."""
        values = {v.key: v.value for v in self.health[node].values} if node in self.health else {}
        return int(values.get(key, 0))

    def activate(self) -> None:
        """What a policy node says when someone activates it."""
        from std_msgs.msg import Header

        from robot_rl_nodes.messages import to_time

        self._activation.publish(Header(stamp=to_time(time.time()), frame_id="activated"))

    def trigger(self, name: str, within_s: float = START_S) -> tuple[bool, str]:
        from std_srvs.srv import Trigger

        answer = self.call(Trigger, name, Trigger.Request(), within_s)
        return answer.success, answer.message

    def call(self, kind: Any, name: str, request: Any, within_s: float = START_S) -> Any:
        """Raises `TimeoutError` where nobody answers `within_s`."""
        client = self.node.create_client(kind, name)
        try:
            if not client.wait_for_service(START_S):
                raise TimeoutError(f"nobody offers {name}")
            answer = client.call(request, timeout_sec=within_s)
        finally:
            self.destroy(self.node.destroy_client, client)
        if answer is None:
            raise TimeoutError(f"{name} did not answer")
        return answer

    def destroy(self, how: Callable[[Any], object], what: Any) -> None:
        """On the executor's thread: destroyed under its wait, a thing ends that thread."""
        gone = threading.Event()
        self._executor.create_task(lambda: (how(what), gone.set()))
        if not gone.wait(START_S):
            raise TimeoutError(f"{what} was not destroyed within {START_S:g} s")

    def set_parameter(self, node: str, name: str, value: int | str) -> None:
        from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
        from rcl_interfaces.srv import SetParameters

        held = (
            ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=value)
            if isinstance(value, int)
            else ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
        )
        request = SetParameters.Request(parameters=[Parameter(name=name, value=held)])
        (result,) = self.call(SetParameters, f"/{node}/set_parameters", request).results
        if not result.successful:
            raise ValueError(result.reason)

    def close(self) -> None:
        import rclpy

        self._closing.set()
        self._thread.join(timeout=5.0)
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def _spin(self) -> None:
        while not self._closing.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def _mode(self, message: Any) -> None:
        stamp_s = message.stamp.sec + 1e-9 * message.stamp.nanosec
        self.modes.append((stamp_s, message.frame_id))

    def _twist(self, message: Any) -> None:
        self.twists.append((time.time(), message.twist.linear))

    def _pose(self, message: Any) -> None:
        at = message.pose.position
        self.positions.append((at.x, at.y, at.z))

    def _estop(self, message: Any) -> None:
        self.stopped = message.data

    def _diagnostics(self, message: Any) -> None:
        (status,) = message.status
        self.health[status.name] = status
        if status.name == "recorder" and status.level != b"\x00":
            stamp = message.header.stamp
            self.recorder_failed_s = self.recorder_failed_s or stamp.sec + 1e-9 * stamp.nanosec
