"""What a front end shows while nothing is asked: the agent, and words; at the end what was learned."""

from dataclasses import replace

from prefrl.labelling import waiting
from prefrl.labelling.reel import Reel
from prefrl.labelling.service import LabellingService
from prefrl.labelling.state import State
from prefrl.labelling.waiting import Words


class Interlude:
    """Follows the state of a service."""

    def __init__(self, service: LabellingService) -> None:
        self.service = service
        self.reel = Reel()
        self.words = Words("")
        self.is_end = False
        """Whether nothing will be asked any more, unless the run is given more to do."""

        self._end: tuple[str, ...] = ()

    def follow(self, state: State, *, is_asking: bool, error: str | None, starts: bool) -> None:
        """Take up a new `state`.

        Args:
            state: the service's.
            is_asking: whether clips of a question are on the screen, so that nothing else is needed there.
            error: why they cannot be drawn.
            starts: whether a trainer is about to begin the run.
        """
        run_dir = self.service.run_dir
        was_end, self.is_end = self.is_end, waiting.is_end(state)
        self.words = waiting.words(state, run_dir, error=error, starts=starts)
        if self.is_end:
            if not was_end:  # counted once, or its minutes would go on
                self._end = waiting.end(state, self.service.summary(), run_dir)
            self.words = replace(self.words, lines=self._end)
        names = waiting.shown(state) if self.is_end or not is_asking else ()
        self.reel.follow({name: self.service.shown(name) for name in names})

    @property
    def captions(self) -> tuple[str, ...]:
        """One for each clip of the reel."""
        return tuple(waiting.CAPTIONS[name] for name in self.reel.names)
