"""A wrapper around any Stable-Baselines3 `VecEnv` that records. Axes: L recorded steps, N environments."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from prefrl.data.episode import Episode
from prefrl.data.info_keys import JPEG_FRAME, LAST_OBS, MODEL_CHANGE, RAW_LAST_OBS, RESET_SEED, SIM_STATE, TRUNCATED
from prefrl.data.model_change import ModelChange
from prefrl.data.spaces import Obs, named, rows
from prefrl.environments.guarded import is_flag, only
from prefrl.environments.spaces import action_array, spaces_of
from prefrl.errors import EnvError
from prefrl.rendering.camera import rate
from prefrl.rendering.recording import Reel, Shot

LARGEST = 1e18
"""An observed number beyond it is taken for infinite: float32 does not hold its square."""

FEW = 10
"""Steps that may all be bad in a recording."""


def terminations(dones: NDArray[np.bool_], infos: list[dict[str, Any]]) -> NDArray[np.bool_]:
    """(N,) which environments ended in a terminal state, and not at a time limit."""
    terminated = dones.copy()
    for i in np.flatnonzero(dones):
        terminated[i] = not infos[i].get(TRUNCATED, False)
    return terminated


class Sight(NamedTuple):
    """What a clip of one state needs: the simulator's state and perhaps its model, or a picture, or neither."""

    sim_state: NDArray[np.float64] | None
    shot: Shot | None
    model: ModelChange | None


class End(NamedTuple):
    """Where an episode stopped, or the recording."""

    step: int
    terminated: bool | None  # None: the episode was still running
    last_obs: Obs
    last_sight: Sight
    success: bool | None


def reported_success(info: Mapping[str, Any]) -> bool | None:
    """What an environment says of an episode in its last `info`: Gymnasium-Robotics and SB3 name it `is_success`.

    None unless it is a bool or a 0 or 1, be it in an array of one element: a word may mean anything.
    """
    said = (only(info.get(name)) for name in ("is_success", "success"))
    return next((bool(value) for value in said if is_flag(value)), None)


class RecordingVecEnv(VecEnvWrapper):
    """Keeps what passes through: raw observations, executed actions, true rewards, simulator states or pictures.

    The recording holds copies, for environments that hand out the same buffer each step. Numbers that are not finite
    are recorded as they are, so that their segments are left out, but passed on as 0, so that they reach no normaliser;
    more than `bad_steps_limit` steps with such numbers since the last `reset` are an error.
    """

    def __init__(self, venv: VecEnv, bad_steps_limit: int = 100) -> None:
        super().__init__(venv)
        self.spaces = spaces_of(venv.observation_space, venv.action_space, "the environment")
        self.bad_steps_limit, self.bad_steps = bad_steps_limit, 0
        self.on_step: Callable[[int], None] | None = None
        """Called after each step with the number of them since the last reset, if it is set."""

        self._clear()

    def _clear(self) -> None:
        self._obs: list[Obs] = []  # L + 1 of name -> (N, *shape), before each step and after the last
        self._actions: list[NDArray[np.float32]] = []  # L of (N, width)
        self._rewards: list[NDArray[np.float32]] = []  # L of (N,)
        self._reel = Reel()
        self._sights: list[list[Sight]] = []  # L + 1 of N
        self._ends: list[list[End]] = [[] for _ in range(self.num_envs)]
        self._episode_seeds: list[list[int | None]] = [[] for _ in range(self.num_envs)]  # of each episode's reset

    def reset(self) -> VecEnvObs:
        obs = self.venv.reset()
        self.bad_steps = 0  # here, not over the run: one that was resumed must not get further than one that was not
        self._clear()
        self._keep(obs, [self._sight(info) for info in self._reset_infos()])
        for seeds, info in zip(self._episode_seeds, self._reset_infos(), strict=True):
            seeds.append(info.get(RESET_SEED))
        self._obs[-1] = _marked(self._obs[-1])
        usable: VecEnvObs = _usable(obs)
        return usable

    def step_async(self, actions: NDArray[Any]) -> None:
        self._actions.append(action_array(self.action_space, actions))
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        obs, rewards, dones, infos = self.venv.step_wait()
        sights = [self._sight(info) for info in infos]
        terminated = terminations(dones, infos)
        for i in np.flatnonzero(dones):
            last_obs = _marked(named(infos[i][LAST_OBS]))
            success = reported_success(infos[i])
            self._ends[i].append(End(len(self._actions), bool(terminated[i]), last_obs, sights[i], success))
            if "is_success" in infos[i]:
                infos[i]["is_success"] = success  # SB3 takes the mean of what stands there, whatever it is
            infos[i][LAST_OBS] = _usable(infos[i][LAST_OBS])
            infos[i][RAW_LAST_OBS] = infos[i][LAST_OBS]  # VecNormalize clips the other
            reset_info = self._reset_infos()[i]
            sights[i] = self._sight(reset_info)
            self._episode_seeds[i].append(reset_info.get(RESET_SEED))
        with np.errstate(over="ignore"):  # to infinity, which is told below
            self._rewards.append(np.array(rewards, dtype=np.float32))
        self._keep(obs, sights)
        if self.on_step is not None:
            self.on_step(len(self._actions))
        if _is_usable(self._obs[-1]) and np.isfinite(self._rewards[-1]).all():
            return obs, rewards, dones, infos
        self._obs[-1] = _marked(self._obs[-1])
        self._count_bad()
        return _usable(obs), _usable(rewards, np.inf), dones, infos

    def _reset_infos(self) -> list[dict[str, Any]]:
        return self.unwrapped.reset_infos  # a wrapper's own list stays empty

    def _sight(self, info: dict[str, Any]) -> Sight:
        return Sight(info.get(SIM_STATE), self._reel.keep(info.get(JPEG_FRAME)), info.get(MODEL_CHANGE))

    def _keep(self, obs: VecEnvObs, sights: list[Sight]) -> None:
        self._obs.append(named(obs))  # type: ignore[arg-type]  # no supported space gives a tuple
        self._sights.append(sights)

    def _count_bad(self) -> None:
        self.bad_steps += 1
        if self.bad_steps > self.bad_steps_limit:
            raise self._bad()

    def _bad(self) -> EnvError:
        spec = self.get_attr("spec", 0)[0]
        return EnvError(
            f"{spec.id if spec else 'the environment'} gave observations or rewards that are not finite in "
            f"{self.bad_steps} steps (NaN, infinity, observations beyond {LARGEST:g} or rewards beyond float32's "
            "3.4e38); mend its step(), or wrap it so that it ends such episodes"
        )

    def drain(self) -> list[Episode]:
        """Hand over all episodes since the last reset, unfinished ones included, and start an empty recording.

        There must be a reset before the next step.

        Raises:
            EnvError: most of more than a few steps were not finite, so that hardly a segment could be used.
        """
        if self.bad_steps > max(FEW, len(self._actions) // 2):
            raise self._bad()
        obs = {name: np.stack([step[name] for step in self._obs]) for name in self._obs[0]}  # (L + 1, N, *shape)
        actions, rewards = np.stack(self._actions), np.stack(self._rewards)  # (L, N, width), (L, N)
        episodes = [
            episode
            for i in range(self.num_envs)
            for episode in self._split(i, rows(obs, np.s_[:, i]), actions[:, i], rewards[:, i])
        ]
        self._clear()
        return episodes

    def so_far(self) -> list[Episode]:
        """What `drain` would hand over of the first environment, while the recording goes on."""
        obs = {name: np.stack([step[name][0] for step in self._obs]) for name in self._obs[0]}
        return self._split(0, obs, np.stack(self._actions)[:, 0], np.stack(self._rewards)[:, 0])

    def _split(self, env: int, obs: Obs, actions: NDArray[np.float32], rewards: NDArray[np.float32]) -> list[Episode]:
        episodes, start = [], 0
        still_running = End(len(actions), None, rows(obs, -1), self._sights[-1][env], None)
        for (stop, terminated, last_obs, last_sight, success), seed in zip(
            [*self._ends[env], still_running], self._episode_seeds[env], strict=True
        ):
            if stop == start:  # a reset was the last thing recorded
                continue
            sights = [*(row[env] for row in self._sights[start:stop]), last_sight]
            jpegs = _jpegs(sights)
            episodes.append(
                Episode(
                    obs={name: _ended(array[start:stop], last_obs[name]) for name, array in obs.items()},
                    actions=actions[start:stop].copy(),
                    true_rewards=rewards[start:stop].copy(),
                    terminated=terminated is True,
                    truncated=terminated is False,
                    sim_states=_states(sights),
                    models=_models(sights),
                    reset_seed=seed,
                    jpegs=jpegs,
                    fps=30.0 if jpegs is None else rate(self.get_attr("metadata", env)[0]),
                    env_index=env,
                    success=success,
                )
            )
            start = stop
        return episodes


def _ended(array: NDArray[Any], last: NDArray[Any]) -> NDArray[Any]:
    """`array` (n, *shape) with one more row, of the same type: some environments give another type than their space."""
    return np.concatenate((array, last[None].astype(array.dtype)))


def _states(sights: list[Sight]) -> NDArray[np.float64] | None:
    states = [sight.sim_state for sight in sights if sight.sim_state is not None]
    return np.stack(states) if len(states) == len(sights) else None


def _models(sights: list[Sight]) -> list[ModelChange] | None:
    models = [sight.model for sight in sights if sight.model is not None]
    return models if len(models) == len(sights) else None


def _jpegs(sights: list[Sight]) -> list[bytes | None] | None:
    recorded = any(sight.shot is not None for sight in sights)
    return [sight.shot.jpeg if sight.shot else None for sight in sights] if recorded else None


def _is_usable(obs: Obs) -> bool:
    """Whether nothing in it is NaN, infinite or beyond `LARGEST`."""
    return all(array.dtype.kind != "f" or bool((np.abs(array) < LARGEST).all()) for array in obs.values())


def _marked(obs: Obs) -> Obs:
    """`obs` with infinity in place of what is beyond `LARGEST`, so that its segments are left out."""
    return {
        name: np.where(np.abs(array) >= LARGEST, np.copysign(np.inf, array), array).astype(array.dtype)
        if array.dtype.kind == "f"
        else array
        for name, array in obs.items()
    }


def _usable(values: Any, largest: float = LARGEST) -> Any:
    """The same with 0 in place of NaN and what is not below `largest`; an array, or arrays by name."""
    if isinstance(values, Mapping):
        return {name: _usable(array) for name, array in values.items()}
    below = np.abs(values) < largest
    return values if below.all() else np.where(below, values, np.zeros((), values.dtype))
