"""The operator's page in a real browser."""

import time

from playwright.sync_api import expect

from robot_rl.interventions.operator import OperatorState, Wish
from robot_rl.interventions.web import TeleopPage
from tests.interventions.served import STATE, until


def test_the_page_shows_picture_state_and_numbers(browser, served):
    page = browser.new_page()
    page.goto(served.page.url)
    # Polled from here: the page's own policy forbids what `wait_for_function` would evaluate in it.
    width = "document.querySelector('#picture').naturalWidth"
    assert until(lambda: page.evaluate(width) == 64)
    expect(page.locator("#safety")).to_have_text("stopped")
    assert page.inner_text("#why") == "camera frozen"
    assert page.inner_text("#source") == "policy"
    assert "0.300 → 0.150 m/s" in page.inner_text("#actions")
    assert "1.250 rad" in page.inner_text("#joints")
    assert "2.5 ms" in page.inner_text("#latencies")
    page.click("#estop")
    expect(page.locator("#answer")).to_have_text("stopped by hand")
    assert served.pressed == ["estop"]
    page.close()


def test_axes_count_only_while_the_deadman_is_held(browser, served):
    page = browser.new_page()
    page.goto(served.page.url)
    expect(page.locator("#safety")).to_have_text("stopped")
    page.keyboard.down("w")
    time.sleep(0.2)
    assert not served.operator.wish().held
    assert served.operator.wish().axes == {}
    page.keyboard.up("w")
    page.keyboard.down("Shift")
    page.keyboard.down("w")
    assert until(lambda: served.operator.wish().axes == {"tcp_x": 0.5})
    assert served.operator.wish().held
    page.keyboard.up("Shift")
    assert until(lambda: not served.operator.wish().held)
    assert not served.operator.lost
    page.close()


def test_there_are_controls_for_the_axes_of_the_robot_alone(browser, served):
    page = browser.new_page()
    page.goto(served.page.url)
    expect(page.locator("#pads button")).to_have_count(8)
    words = page.locator("#pads button").all_inner_texts()
    assert words[::2] == ["x + W", "y + A", "z + R", "open O"]
    page.close()


def test_what_turns_and_what_nobody_has_a_name_for_is_driven_too(browser):
    operator = OperatorState(silence_s=0.5)
    axes = ("thrust", "joint/elbow", "tcp_rz")
    served = TeleopPage(operator, axes, lambda: STATE, lambda: None, port=0)
    served.start()
    page = browser.new_page()
    page.goto(served.url)
    expect(page.locator("#pads button")).to_have_count(6)
    page.keyboard.down("Shift")
    for key, axis, way in (("j", "tcp_rz", 0.5), ("2", "thrust", -0.5), ("3", "joint/elbow", 0.5)):
        page.keyboard.down(key)
        wanted = Wish(held=True, axes={axis: way})
        assert until(lambda wanted=wanted: operator.wish() == wanted)
        page.keyboard.up(key)
    button = page.get_by_role("button", name="elbow \N{MINUS SIGN}").bounding_box()
    page.mouse.move(button["x"] + 5, button["y"] + 5)
    page.mouse.down()
    assert until(lambda: operator.wish() == Wish(held=True, axes={"joint/elbow": -0.5}))
    page.mouse.up()
    assert until(lambda: operator.wish() == Wish(held=True))
    page.close()
    served.close()


def test_the_deadman_button_is_held_with_the_pointer(browser, served):
    page = browser.new_page()
    page.goto(served.page.url)
    expect(page.locator("#safety")).to_have_text("stopped")
    box = page.locator("#deadman").bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    assert until(lambda: served.operator.wish().held)
    page.mouse.up()
    assert until(lambda: not served.operator.wish().held)
    page.close()


def test_a_lost_connection_is_not_a_release(browser, served):
    context = browser.new_context()
    page = context.new_page()
    page.goto(served.page.url)
    expect(page.locator("#safety")).to_have_text("stopped")
    page.keyboard.down("Shift")
    assert until(lambda: served.operator.wish().held)
    context.set_offline(True)
    # Offline emulation leaves open sockets alone, so the page's own sending is stopped too.
    page.evaluate("socket.send = () => {}")
    assert until(lambda: served.operator.lost, 1.0)
    assert not served.operator.wish().held
    context.close()
