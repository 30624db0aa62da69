"""Length and bookkeeping of a run: what it may change when it goes on."""

RESUMABLE = (
    "steps", "eval_every_steps", "eval_episodes", "final_eval_episodes",
    "log_every_steps", "checkpoint_every_s", "max_train_s", "stop_at_success", "video", "device",
    "precision", "threads", "compile", "human.device", "human.path", "human.port", "human.driver",
    "human.driver_settings",
)  # fmt: skip
