"""What a person is shown of the agent: as it acts now, as it did at first, and as it does in the end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prefrl.config.run import TrainConfig
from prefrl.config.teachers import TRAITS
from prefrl.data.episode import Episode, cut
from prefrl.data.segment import Segment
from prefrl.environments.recorder import RecordingVecEnv
from prefrl.errors import EnvError
from prefrl.runs.run_dir import RunDir
from prefrl.store.shown import ShownName, read_shown, write_shown
from prefrl.training.learner import Learner

LONGEST = 300
"""Most steps of an episode that are shown: six seconds of LunarLander, two and a half of Hopper."""

FIRST_LOOK = 60
"""Steps of each environment after which there is something to show, while the exploration still goes on."""

MOST = 0.1  # of a run's steps that are taken in addition to show the agent that it leaves
SHORTEST = 50  # steps of that episode, or else its last one is shown


class Showing:
    """Writes into the run folder what the agent does, if somebody looks at clips; else it does nothing."""

    def __init__(self, config: TrainConfig, run: RunDir) -> None:
        self.config, self.run = config, run
        self.is_needed = TRAITS[config.teacher].needs_clips and config.reward == "learned"

    @contextmanager
    def exploring(self, recorder: RecordingVecEnv) -> Iterator[None]:
        """Show within the block what is done there as soon as there is something to see."""

        def look(steps: int) -> None:
            if steps == FIRST_LOOK:
                self.agent_now(recorder.so_far())

        recorder.on_step = look if self.is_needed else None
        try:
            yield
        finally:
            recorder.on_step = None

    def agent_now(self, episodes: Sequence[Episode]) -> None:
        """Show the last of `episodes` that ran to its end."""
        self._write("now", episodes)

    def agent_before(self, episodes: Sequence[Episode]) -> None:
        """Show what the agent did at first, unless that is known."""
        if self.is_needed and read_shown(self.run, "before") is None:
            self._write("before", episodes)

    def agent_after(self, learner: Learner) -> None:
        """Show an episode of the agent that the run leaves; what it did last where that would take too many steps."""
        if self.is_needed and not self._write("after", self._last_episodes(learner)):
            last = read_shown(self.run, "now")
            if last is not None:
                write_shown(self.run, "after", last)

    def _last_episodes(self, learner: Learner) -> list[Episode]:
        affordable = int(MOST * self.config.steps) // learner.recorder.num_envs
        longest = min(learner.time_limit or LONGEST, LONGEST, affordable)
        if self.config.record_frames or longest < min(learner.time_limit or SHORTEST, SHORTEST):
            return []
        try:
            return learner.roll_out(longest)[:1]
        except EnvError:  # what was trained is saved
            return []

    def _write(self, name: ShownName, episodes: Sequence[Episode]) -> bool:
        segment = to_show(episodes, filmed=self.config.record_frames) if self.is_needed else None
        if segment is not None:
            write_shown(self.run, name, segment)
        return segment is not None


def to_show(episodes: Sequence[Episode], *, filmed: bool = False) -> Segment | None:
    """The beginning of the last of `episodes` that ran to its end, else of the longest; None if none can be drawn.

    `filmed`: whether pictures were recorded, and nothing else may be drawn.
    """
    latest = sorted(reversed(episodes), key=lambda e: (not e.finished, 0 if e.finished else -len(e.actions)))
    for episode in latest:
        for segment in cut([episode], min(LONGEST, len(episode.actions)))[:1]:
            sources = (segment.film,) if filmed else (segment.film, segment.sim_states, segment.reset_seed)
            if any(source is not None for source in sources):
                return segment
    return None
