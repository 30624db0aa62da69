"""The wheel carries the configurations, and its command line starts from it."""

import subprocess
import sys
import zipfile


def test_the_wheel_builds_and_runs(tmp_path, repository):
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path), "."]
    subprocess.run(build, cwd=repository, check=True)
    (wheel,) = tmp_path.glob("robot_rl-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"robot_rl/configs/train.yaml", "sim/assets/scene.xml", "robot_rl/py.typed"} <= set(
        names
    )
    assert not any("results" in name or name.startswith("tests") for name in names)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = (
        "from robot_rl.cli import main; from robot_rl.config.files import config_dir, options;"
        "print(config_dir()); assert 'arm/reach' in options('task'); main(['--help'])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert str(tmp_path / "site") in run.stdout
    assert "usage: robot-rl" in run.stdout
