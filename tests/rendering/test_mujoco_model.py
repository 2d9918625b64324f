import changing_envs  # noqa: F401  # registers them
import gymnasium as gym
import numpy as np
import pytest

from prefrl.data.info_keys import MODEL_CHANGE, SIM_STATE
from prefrl.data.model_change import ModelChange, model_rows
from prefrl.data.segment import Segment
from prefrl.errors import EnvError
from prefrl.rendering.clips import Renderer
from prefrl.rendering.mujoco_model import ModelSetter, ModelWatch, model_arrays
from prefrl.rendering.simulator_state import RecordSimState, set_up_mujoco, snapshot

set_up_mujoco()


def changes(env: gym.Env, resets: int, steps: int = 3) -> list[ModelChange]:
    """Of all states of some episodes."""
    env, found = RecordSimState(env), []
    for number in range(resets):
        found.append(env.reset(seed=0 if number == 0 else None)[1][MODEL_CHANGE])
        found += [env.step(env.action_space.sample())[4][MODEL_CHANGE] for _ in range(steps)]
    return found


def test_a_model_that_stays_as_it_is_takes_nothing() -> None:
    found = changes(gym.make("HalfCheetah-v5"), 3)
    assert model_rows(found) == {}
    assert all(change is found[0] for change in found)


def test_what_differs_in_some_episode_is_kept_of_all() -> None:
    found = changes(gym.make("Coloured-v0"), 6)
    rows = model_rows(found)
    assert rows is not None
    assert set(rows) == {"geom_rgba", "geom_size"}
    assert rows["geom_rgba"].shape == (24, 3, 4)
    assert model_rows(found[:4])["geom_rgba"].shape == (1, 3, 4)
    for change in found:
        assert change["geom_rgba"][1, 0] in (0, 1)  # red or green, the fresh model's blue never


def test_environments_that_are_not_made_alike_tell_what_they_differ_in() -> None:
    """The same colour as by chance the constructor chose must not count as that of a fresh model elsewhere."""
    envs = [RecordSimState(gym.make("ColouredAtOnce-v0")) for _ in range(4)]
    for env in envs:
        change = env.reset(seed=0)[1][MODEL_CHANGE]
        assert {"geom_size"} <= set(change.fresh.changing)
        np.testing.assert_array_equal(change["geom_size"], env.unwrapped.model.geom_size)


def test_a_change_in_the_middle_of_an_episode_is_noticed_at_once() -> None:
    env = gym.make("InvertedPendulum-v5")
    watch = ModelWatch(env.unwrapped)
    env.reset(seed=0)
    first = watch.after_reset()
    assert watch.after_step(ends=False) is first
    env.unwrapped.model.geom_rgba[0, 0] = 0.5
    second = watch.after_step(ends=False)
    assert second is not None
    assert set(second.changed) == {"geom_rgba"}
    env.unwrapped.model.vis.headlight.ambient[0] = 0.75
    assert set(watch.after_step(ends=True).changed) == {"geom_rgba", "vis.headlight.ambient"}
    assert first.changed == {}


def test_what_stays_as_it_is_within_an_episode_is_kept_once() -> None:
    env = gym.make("HalfCheetah-v5")
    watch, model = ModelWatch(env.unwrapped), env.unwrapped.model
    env.reset(seed=0)
    model.tex_data[:] = 7
    model.geom_size[:] = 0.25
    found = [watch.after_reset()]
    for step in range(3):
        model.geom_rgba[0] = step / 8
        found.append(watch.after_step(ends=step == 2))
    for name in ("tex_data", "geom_size"):
        assert all(change.changed[name] is found[0].changed[name] for change in found)
    np.testing.assert_array_equal([change["geom_rgba"][0, 0] for change in found[1:]], [0, 0.125, 0.25])
    rows = model_rows(found)
    assert rows["tex_data"].base is found[0].changed["tex_data"]
    assert (rows["tex_data"] == 7).all()
    model.tex_data[0] = 8
    assert watch.after_reset()["tex_data"][0] == 8
    assert found[0]["tex_data"][0] == 7


def test_a_texture_that_changes_beside_a_colour_is_noticed() -> None:
    """Which of the steps before it was at is not known, so that none after it can be kept."""
    env = gym.make("HalfCheetah-v5")
    watch, model = ModelWatch(env.unwrapped), env.unwrapped.model
    env.reset(seed=0)
    watch.after_reset()
    model.tex_data[0] ^= 1
    model.geom_rgba[0] = 0.5
    watch.after_step(ends=False)
    assert watch.after_step(ends=True) is None


def test_what_cannot_be_put_into_another_model_is_lost_until_it_is_as_before() -> None:
    env = gym.make("HalfCheetah-v5")
    watch, model = ModelWatch(env.unwrapped), env.unwrapped.model
    model.geom_bodyid[0] = 1  # to draw it so elsewhere might read where nothing is
    assert watch.after_reset() is None
    assert watch.after_step(ends=False) is None
    model.geom_bodyid[0] = 0
    assert watch.after_reset() is not None
    model.geom_contype[0] = 3  # nothing is drawn by it
    assert watch.after_step(ends=False).changed == {}
    model.tex_data[0] ^= 1  # at some step before this one
    assert watch.after_step(ends=True) is None
    assert set(watch.after_reset().changed) == {"tex_data"}


def test_setting_a_model_is_the_inverse_of_changing_it() -> None:
    env, other = gym.make("HalfCheetah-v5").unwrapped, gym.make("HalfCheetah-v5").unwrapped
    setter, fresh = ModelSetter(other), {k: v.copy() for k, v in model_arrays(other.model).items()}
    watch = ModelWatch(env)
    env.model.geom_rgba[:] = 0.25
    env.model.geom_matid[:] = (env.model.geom_matid + 1) % 2
    env.model.vis.map.fogend = 3.5
    env.model.light_active[0] = False
    rows = model_rows([watch.after_reset()])
    assert setter.set(rows, 0) == set(rows) == {"geom_rgba", "geom_matid", "vis.map.fogend", "light_active"}
    for name, array in model_arrays(env.model).items():
        np.testing.assert_array_equal(model_arrays(other.model)[name], array)
    assert setter.set(rows, 0) == set()
    assert setter.set({}, 0) == set(rows)
    for name, array in fresh.items():
        np.testing.assert_array_equal(model_arrays(other.model)[name], array)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("geom_bodyid", np.zeros((1, 9), np.int32)),
        ("geom_matid", np.full((1, 9), 10**6, np.int32)),
        ("geom_matid", np.full((1, 9), -7, np.int32)),
        ("geom_rgba", np.zeros((1, 8, 4), np.float32)),
        ("geom_rgba", np.zeros((1, 9, 4), np.float64)),
        ("geom_size", np.full((1, 9, 3), np.nan)),
        ("vis.headlight.active", np.array([77])),
        ("vis.quality.offsamples", np.array([10**9])),
        ("nothing", np.zeros((1, 2))),
        ("__class__", np.zeros((1, 2))),
    ],
)
def test_what_a_stranger_wrote_is_put_into_no_model(name: str, array: np.ndarray) -> None:
    setter = ModelSetter(gym.make("HalfCheetah-v5").unwrapped)
    with pytest.raises(EnvError, match=f"HalfCheetah-v5 has {name} ") as caught:
        setter.set({name: array}, 0)
    assert "\n" not in str(caught.value)


def test_clips_with_other_models_can_be_drawn_side_by_side() -> None:
    env = RecordSimState(gym.make("Coloured-v0"))
    made = []
    for seed in range(4):
        info = env.reset(seed=seed)[1]
        zeros, obs = np.zeros(2, np.float32), np.zeros((3, 5), np.float32)
        states = np.stack([info[SIM_STATE] + shift * 0.01 for shift in range(3)])
        rows = model_rows([info[MODEL_CHANGE]])
        made.append(
            Segment({"obs": obs}, zeros[:, None], np.zeros(3, bool), zeros, sim_states=states, model=rows or None)
        )
    with Renderer("Coloured-v0", size=48) as renderer:
        alone = [renderer.frames(segment) for segment in made]
        together = zip(*[renderer.iter_frames(segment) for segment in made], strict=True)
        for step, frames in enumerate(together):
            for frame, whole in zip(frames, alone, strict=True):
                np.testing.assert_array_equal(frame, whole[step])
    assert snapshot(env) is not None


def test_a_texture_of_an_episode_is_drawn() -> None:
    env = RecordSimState(gym.make("HalfCheetah-v5"))
    pictures = []
    with Renderer("HalfCheetah-v5", size=48) as renderer:
        for value in (0, 255, None):
            if value is not None:
                env.unwrapped.model.tex_data[:] = value
            info = env.reset(seed=1)[1]
            rows = model_rows([info[MODEL_CHANGE]]) if value is not None else None
            segment = Segment(
                {"obs": np.zeros((2, 17), np.float32)},
                np.zeros((1, 6), np.float32),
                np.zeros(2, bool),
                np.zeros(1, np.float32),
                sim_states=np.stack([info[SIM_STATE]] * 2),
                model=rows,
            )
            pictures.append(renderer.frames(segment)[0].astype(float))
    dark, light, fresh = pictures
    assert light.mean() > dark.mean() + 50
    assert dark.mean() < fresh.mean() < light.mean()
