"""What Stable-Baselines3 calls while an agent learns."""

from collections.abc import Callable, Sequence

from stable_baselines3.common.callbacks import BaseCallback, CallbackList

Callbacks = BaseCallback | Sequence[BaseCallback] | None
"""Callbacks of a caller's own: none, one or several."""


class Watch(BaseCallback):
    """Calls `check` before each rollout, and `call` with the number of steps after it."""

    def __init__(self, check: Callable[[], None], call: Callable[[int], None]) -> None:
        super().__init__()
        self.check, self.call = check, call

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self.check()

    def _on_rollout_end(self) -> None:
        self.call(self.num_timesteps)


class Together(CallbackList):
    """Calls several, and remembers whether one of them has ended training."""

    ended = False

    def _on_step(self) -> bool:
        self.ended = not super()._on_step()
        return not self.ended


def listed(callbacks: Callbacks) -> list[BaseCallback]:
    """All of them."""
    if callbacks is None:
        return []
    return [callbacks] if isinstance(callbacks, BaseCallback) else list(callbacks)
