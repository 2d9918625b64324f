"""Find out before a run begins how its clips can show what happened."""

from dataclasses import replace

from prefrl.config.run import TrainConfig
from prefrl.config.teachers import TRAITS
from prefrl.environments.guarded import settings_kept
from prefrl.rendering.clips import Renderer


def with_clips(config: TrainConfig) -> TrainConfig:
    """`config`, with `replay` if that is what it takes, for a teacher that looks at clips.

    An environment that is not of a known family is tried: what it draws as it acts is compared with clips of that.

    Raises:
        EnvError: it cannot be drawn here, or its clips would show something else than what happened.
    """
    if not (TRAITS[config.teacher].needs_clips or config.record_frames):
        return config
    with settings_kept(), Renderer(config.env_id, config.env_kwargs) as renderer:
        if config.record_frames or renderer.is_known or renderer.tells_truth(replay=config.replay):
            return config
        renderer.require_truth(replay=True)
        return replace(config, replay=True)
