from setuptools import setup

NAME = "robot_rl_nodes"
NODES = ("arm", "camera", "evaluate", "policy", "recorder", "safety", "sim_robot", "teleop")

setup(
    name=NAME,
    version="0.1.0",
    packages=[NAME, f"{NAME}.launching"],
    package_data={NAME: ["profiles/*.xml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    entry_points={"console_scripts": [f"{node}_node = {NAME}.{node}_node:main" for node in NODES]},
)
