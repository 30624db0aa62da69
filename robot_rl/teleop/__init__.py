"""What an operator holds: axes and a dead-man switch, from a web page, a keyboard or a joystick."""
