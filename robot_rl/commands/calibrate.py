"""`robot-rl calibrate`: print a board, take pictures of it, find a camera's lens and place."""

import argparse
import contextlib
import sys
from pathlib import Path

from robot_rl.build.compose import compose
from robot_rl.errors import ConfigError


def run(arguments: argparse.Namespace) -> int:
    return {"board": _board, "record": _record, "solve": _solve}[arguments.action](arguments)


def _board(arguments: argparse.Namespace) -> int:
    from hardware.calibration.board import Board
    from sim.variation.pictures import write_png

    board = Board(arguments.columns, arguments.rows, arguments.square_m)
    write_png(arguments.out, board.picture()[:, :, None].repeat(3, axis=2))
    width_m, height_m = board.columns * board.square_m, board.rows * board.square_m
    print(
        f"{arguments.out}: print it {1000 * width_m:.0f} x {1000 * height_m:.0f} mm large, glue it "
        "onto something flat, and measure a square: --square-m"
    )
    return 0


def _record(arguments: argparse.Namespace) -> int:
    """A picture for every Enter, until `q` or the end of the input."""
    from hardware.calibration.pictures import Pictures
    from hardware.robot import open_arm_and_camera

    config = compose(arguments.overrides)
    pictures = Pictures(Path(arguments.out))
    with contextlib.ExitStack() as closing:
        arm, reader = open_arm_and_camera(config.robot, arguments.camera)
        closing.callback(arm.disconnect)
        closing.callback(reader.close)
        print("Enter takes a picture where the arm stands now, q ends.", flush=True)
        stamp_s = 0.0
        for line in sys.stdin:
            if line.strip() == "q":
                break
            frame, state = reader.after(stamp_s, timeout_s=2.0), arm.state()
            stamp_s = frame.stamp_s
            print(f"{pictures.root / pictures.add(frame.image, state)}", flush=True)
    return 0


def _solve(arguments: argparse.Namespace) -> int:
    from hardware.calibration.board import Board
    from hardware.calibration.lens import calibrate_lens
    from hardware.calibration.mount import calibrate_mount
    from hardware.calibration.pictures import Pictures

    board = Board(arguments.columns, arguments.rows, arguments.square_m)
    pictures = list(Pictures(Path(arguments.folder)))
    sizes = {picture.image.shape[:2] for picture in pictures}
    if len(sizes) > 1:
        raise ConfigError(
            f"{arguments.folder} has pictures of {len(sizes)} sizes; a calibration is of one."
        )
    found = [(picture, board.find(picture.image)) for picture in pictures]
    used = [(picture, seen) for picture, seen in found if seen is not None]
    for picture, seen in found:
        print(f"  {picture.name}  {'not seen' if seen is None else f'{len(seen[0])} corners'}")
    camera = calibrate_lens([seen for _, seen in used], *sizes.pop())
    print(f"lens: {camera.lens_error_px:.2f} px over {camera.pictures} pictures")
    if arguments.mount != "none":
        posed = [(picture, seen) for picture, seen in used if picture.tool is not None]
        tools = [picture.tool for picture, _ in posed if picture.tool is not None]
        camera = calibrate_mount(camera, [seen for _, seen in posed], tools, arguments.mount)
        at = ", ".join(f"{part:.4f}" for part in camera.pos_m)
        print(f"in the {arguments.mount}: {at} m, {camera.mount_error_px:.2f} px")
    camera.save(Path(arguments.out))
    print(f"{arguments.out}")
    return 0
