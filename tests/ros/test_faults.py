"""A fault holds the arm, nothing moves by itself afterwards, and an explicit word brings it back.

`benchmarks/faults.py` has all fifteen, with times; here are those that take different roads.
"""

import pytest

from benchmarks.faults import SCENARIOS


@pytest.mark.parametrize(
    ("name", "told_by"),
    [
        ("policy_hung", ("holding: commanded", "fault: watchdog")),
        ("camera_frozen", ("holding: commanded",)),
        ("arm_stalled", ("fault: watchdog",)),
        ("safety_killed", ("fault: watchdog",)),
        ("web_lost", ("holding: commanded",)),
        ("nan_action", ("holding: commanded",)),
        ("two_publishers", ("holding: commanded", "fault: two publishers")),
    ],
)
def test_a_fault_holds_the_arm_until_someone_says_so(name, told_by):
    found = SCENARIOS[name]()
    assert found.told_by.startswith(told_by)
    assert not found.moved_by_itself_after
    assert found.recovered
    assert found.recording_kept
