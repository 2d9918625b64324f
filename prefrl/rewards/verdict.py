"""The verdict on a learned reward: one sentence from one set of figures, wherever it is said."""

from collections.abc import Sequence
from dataclasses import asdict

from prefrl.config.rewards import RewardConfig
from prefrl.data.verdict import Level, Verdict
from prefrl.errors import UsageError
from prefrl.feedback.answer import Answer, fingerprint
from prefrl.rewards.foresight import FEWEST, Foresight, foresee

CLEAR = 30  # choices that were to be foreseen, below which nobody's answers are called contradictory
COIN = 2e-3  # chance of a coin, above which answers may be one's: see scripts/results/README.md
NEAR_HALF = 0.65  # share of answers foreseen, below which they are; right answers, but few, come to 0.67
TRUST = 0.6  # share of answers foreseen that a trusted reward reaches with certainty: the lower end of the interval
MISLED = 0.6  # share of varied clips ordered rightly, below which a reward is not trusted


def judged(answers: Sequence[Answer], config: RewardConfig, before: Verdict | None = None) -> Verdict:
    """The verdict on a reward learned with `config` from `answers`, all of a store.

    `before`: an earlier verdict; it is kept if it is about the same answers, since another takes some seconds.
    """
    about = fingerprint(answers)
    if before is not None and before.about == about:
        return before
    try:
        return verdict(foresee(answers, config), about)
    except UsageError as error:
        return Verdict("unknown", f"The reward cannot be judged, since {error}", about=about)


def verdict(found: Foresight, about: str = "") -> Verdict:
    """What `found` says, in words; `about` is the fingerprint of the answers."""
    return Verdict(*_said(found), asdict(found), about)


def figures(of: Verdict) -> Foresight | None:
    """What a verdict rests on; None if it rests on nothing, or on what this version does not know."""
    return Foresight.saved(of.figures)


def paid_true() -> Verdict:
    """The verdict where no reward was learned."""
    return Verdict("unknown", "No reward was learned: the agent was paid the environment's own")


def coin_like(found: Foresight) -> bool:
    """Whether the answers are hardly to be told from those of a coin, and are enough to see it."""
    if found.decided < CLEAR:
        return False
    return found.ci95[0] <= 0.5 or (found.chance > COIN and found.right / found.decided < NEAR_HALF)


def contradiction(found: Foresight) -> str:
    """How it is said that answers contradict each other."""
    whose = "The oracle's answers" if found.of_oracle else "Your answers"
    by = "as by chance" if found.ci95[0] <= 0.5 else "hardly more than by chance"
    return f"{whose} contradict each other: {found.right} of {found.decided} follow from the others, {by}"


def _said(found: Foresight) -> tuple[Level, str]:
    whose = "The oracle's answers" if found.of_oracle else "Your answers"
    foreseen = f"{found.right} of {found.decided}"
    if found.decided < FEWEST:
        return "unknown", _too_few(found)
    if coin_like(found):
        return "bad", f"{contradiction(found)}; do not trust the reward"
    clear = found.chance <= COIN and found.ci95[0] >= TRUST
    if not clear and found.decided < CLEAR:
        return "unknown", (
            f"{foreseen} answers follow from the others, which does not tell yet whether to trust the reward: "
            f"give {CLEAR - found.decided} more that name a better clip"
        )
    if not clear:
        return "doubtful", (
            f"{whose} agree with each other in part: {foreseen} follow from the others; look at what the agent does "
            "before you trust the reward, and answer more"
        )
    if not found.of_oracle:
        return "good", (
            f"{whose} agree with each other; the reward foresees {foreseen} that it was not told "
            f"({found.right / found.decided:.0%}): trust it"
        )
    if not found.pairs or found.order_share < MISLED:
        share = f"orders {found.order_share:.0%} of varied clips rightly" if found.pairs else "saw no clips that differ"
        return "doubtful", f"{whose} agree with each other, but the reward {share}: look at what the agent does"
    return "good", (
        f"{whose} agree with each other; the reward orders {found.order_share:.0%} of varied clips rightly: trust it"
    )


def _too_few(found: Foresight) -> str:
    if not found.answers:
        return "Nobody has answered yet, so that the reward cannot be judged"
    named = found.answers - found.undecided
    if found.answers >= FEWEST and 2 * found.undecided > found.answers:
        return (
            f"{found.undecided} of {found.answers} answers are ties or skips, so that the reward cannot be judged: "
            "ask about clips that differ more"
        )
    if named >= FEWEST and not found.decided:
        return "All answers are about one question, so that none can be foreseen from others: ask about more clips"
    return f"Too few answers name a better clip to judge the reward by: {named}, and it takes {FEWEST}"
