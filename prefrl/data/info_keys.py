"""Names in an environment's `info` under which prefrl hands things on to itself: an environment's own never collide."""

SIM_STATE = "prefrl.sim_state"
"""The simulator's state, float64 (state_dim,), that comes with the observation."""

MODEL_CHANGE = "prefrl.model_change"
"""The `ModelChange` of the simulator in that state, where its model is looked at."""

JPEG_FRAME = "prefrl.jpeg_frame"
"""A picture of that state, bytes of a JPEG."""

RESET_SEED = "prefrl.reset_seed"
"""The seed of the episode's reset; it and the actions so far replay the episode."""

RAW_LAST_OBS = "prefrl.raw_last_obs"
"""The last observation of an episode, as no normaliser has changed it."""

LAST_OBS, TRUNCATED = "terminal_observation", "TimeLimit.truncated"
"""What Stable-Baselines3 reads at the end of an episode, by its own names; set last, over an environment's."""
