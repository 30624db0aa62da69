"""`robot-rl act`: collect for a learner that runs elsewhere."""

import argparse
import logging
from pathlib import Path

from robot_rl.build.apart import build_acting, read_token
from robot_rl.deploy import urgency
from robot_rl.training.apart.wire import parsed, written
from robot_rl.training.run import StopSignals

log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    address = parsed(arguments.address)
    token = read_token(Path(arguments.token))
    spool = Path(arguments.spool or f"runs/actor-{arguments.actor:02d}")
    with StopSignals() as stop:
        acting = build_acting(address, token, arguments.actor, spool, arguments.patience_s, stop)
        if acting is not None:
            log.info("actor %d collects for the learner at %s", arguments.actor, written(address))
            refused = urgency.hurry(urgency.MIND) if acting.real_time else ""
            if refused:
                log.info(refused)
            acting.run(stop)
    return 0
