"""What no node expects is refused, counted and told; the node lives, and the arm holds."""

import time
from pathlib import Path

import numpy as np
from sensor_msgs.msg import Image
from trajectory_msgs.msg import JointTrajectory

from benchmarks.ros_graph import START_S, steady_policy
from benchmarks.ros_robot import Publisher, Robot, robot
from robot_rl.axes import Axis
from robot_rl.deploy.artefact import PolicyFolder
from robot_rl.deploy.onnx import ONNX, export_onnx
from robot_rl_nodes import graph
from robot_rl_nodes.messages import to_time, to_trajectory


def picture(**changes: object) -> Image:
    message = Image(height=64, width=64, encoding="rgb8", step=192)
    message.data = np.random.default_rng(0).integers(0, 256, 64 * 192, np.uint8).tobytes()
    for name, value in changes.items():
        setattr(message, name, value)
    return message


DAMAGED = {
    "other encoding": picture(encoding="mono8"),
    "no encoding": picture(encoding=""),
    "wrong step": picture(step=64),
    "no step": picture(step=0),
    "cut short": picture(data=bytes(100)),
    "too long": picture(data=bytes(64 * 192 + 1)),
    "nothing": picture(height=0, width=0, step=0, data=b""),
}


def show(r: Robot, topic: str, pictures: list[Image]) -> None:
    out = r.probe.node.create_publisher(Image, topic, graph.IMAGE_OUT)
    r.probe.until(lambda: out.get_subscription_count() > 0, 20.0, "somebody who looks")
    for message in pictures:
        message.header.stamp = to_time(time.time())
        out.publish(message)
        time.sleep(0.02)
    r.probe.destroy(r.probe.node.destroy_publisher, out)


def test_damaged_pictures_end_no_node_and_stop_the_arm():
    with robot(teleop=True) as r:
        for name, damaged in DAMAGED.items():
            r.move()
            show(r, "/camera/image_raw", [damaged] * 3)
            r.probe.until(lambda: r.probe.stopped and not r.moving(), 10.0, f"a stop: {name}")
        for node in ("policy", "safety"):
            r.probe.until(
                lambda n=node: r.probe.told(n, "refused_pictures") >= len(DAMAGED), 20.0, node
            )
        r.move()
        assert {p.poll() for p in r.graph.processes.values()} == {None}
        assert "a picture of front is refused" in r.graph.log("policy_node").read_text()
        assert "camera picture cannot be read" in r.graph.log("safety_node").read_text()


def test_a_camera_passes_over_what_its_driver_damaged():
    with robot(policy=None) as r:
        seen = []
        r.probe.node.create_subscription(
            Image, "/camera/image_raw", lambda m: seen.append(m.header.stamp), graph.IMAGE_IN
        )
        r.probe.until(lambda: len(seen) > 5, START_S, "pictures")
        show(r, "/sim/front/image_raw", list(DAMAGED.values()))
        seen.clear()
        r.probe.until(lambda: len(seen) > 5, 10.0, "pictures after the damaged ones")
        assert r.graph.processes["camera_node"].poll() is None


def burst_on_sight(folder: Path) -> None:
    """Add to the ONNX policy a look-up that is out of range where a picture is not noise.

    Noise is what an engine is warmed up with.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load(str(folder / ONNX))
    (image,) = [i.name for i in model.graph.input if i.name.startswith("image/")]
    for node in model.graph.node:
        node.output[:] = ["whole" if name == "action" else name for name in node.output]
    constants = {"table": ([1], [0.0]), "noise": ([], [127.5]), "as noise": ([], [3.0])}
    for name, (shape, values) in constants.items():
        tensor = helper.make_tensor(name, TensorProto.FLOAT, shape, values)
        model.graph.initializer.append(tensor)
    model.graph.node.extend(
        [
            helper.make_node("Cast", [image], ["grey"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["grey"], ["mean"], keepdims=0),
            helper.make_node("Sub", ["mean", "noise"], ["off"]),
            helper.make_node("Abs", ["off"], ["far off"]),
            helper.make_node("Greater", ["far off", "as noise"], ["a picture"]),
            helper.make_node("Cast", ["a picture"], ["place"], to=TensorProto.INT64),
            helper.make_node("Gather", ["table", "place"], ["looked_up"]),
            helper.make_node("Add", ["whole", "looked_up"], ["action"]),
        ]
    )
    onnx.save(model, str(folder / ONNX))


def test_an_engine_that_raises_holds_and_says_so_until_it_is_activated(tmp_path):
    folder = PolicyFolder(steady_policy(tmp_path, (0.01, 0.3, 0.0)))
    export_onnx(folder.load(), folder.root)
    burst_on_sight(folder.root)
    with robot(policy=None) as r:
        r.graph.start("policy_node", {"policy": str(folder.root), "engine": "onnx"})
        r.probe.until(lambda: "policy" in r.probe.health, START_S, "the policy node")
        r.recover()
        r.probe.until(
            lambda: r.probe.health["policy"].level == b"\x02", 20.0, "an error in diagnostics"
        )
        assert r.probe.health["policy"].message.startswith("unexpected ")
        assert "out of" in r.probe.health["policy"].message
        assert "holds until it is activated" in r.graph.log("policy_node").read_text()
        assert not r.moving()
        r.activate_again()
        r.probe.until(lambda: _complaints(r) >= 2, 20.0, "the same complaint again")


def _complaints(r: Robot) -> int:
    return r.graph.log("policy_node").read_text().count("holds until it is activated")


def test_a_command_to_a_joint_that_is_not_there_stops_the_arm_and_ends_no_node():
    tail = [Axis(name="tail", unit="m")]
    with robot(policy=False) as r, Publisher(r, graph.POLICY_TWIST) as twist:
        out = r.probe.node.create_publisher(JointTrajectory, graph.POLICY_JOINTS, graph.COMMAND)
        twist.velocity = (0.0, 0.03, 0.0)
        r.move()

        def told() -> bool:
            stamp_s = time.time()
            out.publish(to_trajectory(tail, [0.1], [0.0], 0.1, stamp_s))
            time.sleep(0.02)  # the trajectory is sent before its twist
            twist.publish_at(stamp_s, twist.velocity)
            return "a command moves tail; the arm has" in r.graph.log("safety_node").read_text()

        r.probe.until(told, 20.0, "a refusal")
        r.probe.until(lambda: r.probe.stopped and not r.moving(), 10.0, "a stop")
        assert "wrong number of axes" in r.graph.log("safety_node").read_text()
        assert r.graph.processes["safety_node"].poll() is None
