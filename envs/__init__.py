"""Gymnasium environments of prefrl's own; importing this package registers them.

`gymnasium.make("prefrl_envs:prefrl/HopperBackflip-v0")` imports it by itself.
"""

from gymnasium.envs.registration import register

register("prefrl/HopperBackflip-v0", "prefrl_envs.hopper_backflip:HopperBackflipEnv", max_episode_steps=500)
register("prefrl/HalfCheetahStand-v0", "prefrl_envs.half_cheetah_stand:HalfCheetahStandEnv", max_episode_steps=200)
register("prefrl/ReacherCircle-v0", "prefrl_envs.reacher_circle:ReacherCircleEnv", max_episode_steps=200)
register("prefrl/Drive-v0", "prefrl_envs.drive:DriveEnv", max_episode_steps=500)
