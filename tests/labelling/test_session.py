import dataclasses
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from builders import make_query
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sqlalchemy import insert

from prefrl.feedback.answer import effective
from prefrl.feedback.comparison import Choice
from prefrl.labelling.session import AHEAD, REPEAT_GAP, Reply, Session, Showing, Summary, binomial_p
from prefrl.store.claims import LEASE, Desk
from prefrl.store.schema import claims, labellers
from prefrl.store.store import Store, StoreInfo


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url) as store:
        store.describe(StoreInfo("Some-v0", {}, 3, 2, {}))
        yield store


def ask(store: Store, count: int) -> list[int]:
    rng = np.random.default_rng(0)
    return store.add_queries([make_query(rng, steps=4) for _ in range(count)])


def session(store: Store, name: str = "Ada", share: float = 0.0, **desk: object) -> Session:
    new = Session(Desk(store, **desk), name, rng=np.random.default_rng(1), asked_for=20, repeat_share=share)
    new.refresh()
    return new


def answer(of: Session, choice: Choice = "left", seconds: float = 10.0) -> Showing:
    of.refresh()
    showing = of.upcoming()[0]
    assert of.answer(showing, Reply(choice, 100.0, 100.0 + seconds))
    return showing


def counted(store: Store) -> list[tuple[int | None, str | None]]:
    return [(p.query.id, p.choice) for p in effective(store.preferences())]


def test_queries_come_oldest_first_and_answers_are_stored_with_their_times(store: Store) -> None:
    ids = ask(store, 6)
    ada = session(store)
    assert [showing.query_id for showing in ada.upcoming()] == ids[:AHEAD]
    choices: list[Choice] = ["left", "right", "tie", "skip", "left", "right"]
    assert [answer(ada, choice).query_id for choice in choices] == ids
    assert counted(store) == list(zip(ids, choices, strict=True))
    assert {(p.annotator, p.shown_at, p.answered_at) for p in store.preferences()} == {("Ada", 100.0, 110.0)}
    ada.refresh()
    assert ada.upcoming() == ()


def test_the_same_reply_twice_is_one_answer(store: Store) -> None:
    ask(store, 2)
    ada = session(store)
    showing, reply = ada.upcoming()[0], Reply("left")
    assert [ada.answer(showing, reply), ada.answer(showing, reply)] == [True, True]
    assert session(store).answer(showing, reply)  # by a labeller that was killed before it heard of the commit
    assert len(store.preferences()) == 1
    assert ada.summary().labels == 1


def test_two_labellers_never_hold_the_same_query(store: Store) -> None:
    ids = ask(store, 11)
    ada, bob = session(store), session(store, "Bob")
    seen = []
    while ada.upcoming() or bob.upcoming():
        for one in (ada, bob):
            one.refresh()
            assert not {s.query_id for s in ada.upcoming()} & {s.query_id for s in bob.upcoming()}
            if one.upcoming():
                seen.append(answer(one).query_id)
            one.refresh()
    assert sorted(seen) == ids
    assert sorted(id for id, _ in counted(store)) == ids


def test_the_first_answer_stands_and_the_second_is_refused(store: Store) -> None:
    ids = ask(store, 1)
    ada, bob = session(store), session(store, "Bob")
    assert bob.upcoming() == ()
    assert ada.answer(Showing(ids[0]), Reply("left"))
    assert not bob.answer(Showing(ids[0]), Reply("right"))
    assert counted(store) == [(ids[0], "left")]
    assert (bob.summary().labels, bob.can_undo) == (0, False)


def test_leaving_gives_the_claims_back(store: Store) -> None:
    ids = ask(store, 3)
    ada = session(store)
    assert session(store, "Bob").upcoming() == ()
    ada.leave()
    assert [s.query_id for s in session(store, "Cy").upcoming()] == ids


def test_the_claims_of_another_machine_last_as_long_as_it_shows_life(store: Store) -> None:
    ids, clock = ask(store, 1), Clock()
    with store.transaction(writes=True) as connection:
        connection.execute(insert(labellers).values(holder="elsewhere 1 a", beat=5))
        connection.execute(insert(claims).values(query_id=ids[0], holder="elsewhere 1 a"))
    ada = session(store, clock=clock)
    for beat in (6, 7, 8):
        clock.now += LEASE - 1
        with store.transaction(writes=True) as connection:
            connection.execute(labellers.update().where(labellers.c.holder == "elsewhere 1 a").values(beat=beat))
        ada.refresh()
        assert ada.upcoming() == ()
    clock.now += LEASE + 1
    ada.refresh()
    assert [s.query_id for s in ada.upcoming()] == ids


@pytest.mark.fault
def test_the_claims_of_a_killed_process_are_free_at_once(store: Store, url: str) -> None:
    ids = ask(store, 2)
    code = f"""if True:
        import os, signal
        from prefrl.store.claims import Desk
        from prefrl.store.store import Store
        print(Desk(Store({url!r})).claim(4), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-9, f"{ids}\n")
    assert [s.query_id for s in session(store).upcoming()] == ids


def test_withdrawing_leaves_what_a_labeller_holds(store: Store) -> None:
    ids = ask(store, AHEAD + 2)
    ada = session(store)
    store.withdraw(ids)
    assert [answer(ada).query_id for _ in range(AHEAD)] == ids[:AHEAD]
    ada.refresh()
    assert ada.upcoming() == ()


def test_when_nothing_is_learned_any_more_only_the_query_on_the_screen_is_left(store: Store) -> None:
    ids = ask(store, AHEAD + 2)
    ada = session(store)
    store.withdraw(claimed_too=True)
    ada.refresh()
    assert [s.query_id for s in ada.upcoming()] == ids[:1]
    answer(ada)
    ada.refresh()
    assert ada.upcoming() == ()
    assert counted(store) == [(ids[0], "left")]
    ada.undo()
    assert [s.query_id for s in ada.upcoming()] == ids[:1]
    assert answer(ada, "right").query_id == ids[0]


def test_who_was_taken_for_dead_keeps_only_the_query_on_the_screen(store: Store) -> None:
    ids = ask(store, 4)
    ada = session(store)
    with store.transaction(writes=True) as connection:
        connection.execute(labellers.delete())  # as others do when a computer wakes up from a long sleep
    store.withdraw(ids[:3])
    ada.refresh()
    assert [s.query_id for s in ada.upcoming()] == [ids[0], ids[3]]
    answer(ada)
    assert counted(store) == [(ids[0], "left")]


def test_undo_takes_back_one_answer_after_the_other_also_after_a_restart(store: Store) -> None:
    ids = ask(store, 4)
    ada = session(store)
    for choice in ("left", "right", "tie"):
        answer(ada, choice)  # type: ignore[arg-type]
    assert ada.undo() == "tie"
    assert ada.upcoming()[0] == Showing(ids[2], seen=True)
    ada.leave()
    again = session(store)
    assert again.undo() == "right"
    assert counted(store) == [(ids[0], "left")]
    assert [s.query_id for s in again.upcoming()] == [ids[1], ids[2], ids[3]]
    assert answer(again, "skip").query_id == ids[1]
    assert counted(store) == [(ids[0], "left"), (ids[1], "skip")]
    assert [again.undo(), again.undo(), again.undo()] == ["skip", "left", None]
    assert counted(store) == []
    assert len(store.preferences()) == 8  # four answers and four retractions: nothing is ever changed


def test_undo_leaves_the_answers_of_others_alone(store: Store) -> None:
    ask(store, 2)
    answer(session(store, "Bob"), "right")
    assert session(store).undo() is None
    assert [choice for _, choice in counted(store)] == ["right"]


def test_undo_in_two_windows_of_one_person_goes_further_back(store: Store) -> None:
    ids = ask(store, 2)
    first = session(store)
    answer(first, "left")
    answer(first, "right")
    second = session(store)
    assert second.undo() == "right"
    assert first.undo() == "left"
    assert first.upcoming()[0] == Showing(ids[0], seen=True)


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["left", "right", "tie", "skip", "undo", "restart"]), max_size=15))
def test_answers_and_undos_in_any_order_give_what_a_list_would(actions: list[str]) -> None:
    with Store("sqlite://") as store:
        store.describe(StoreInfo("Some-v0", {}, 3, 2, {}))
        ask(store, 15)
        ada, model = session(store, share=0.3), []
        for action in actions:
            if action == "undo":
                assert ada.undo() == (model.pop()[2] if model else None)
            elif action == "restart":
                ada.leave()
                ada = session(store, share=0.3)
            else:
                showing = answer(ada, action)  # type: ignore[arg-type]
                model.append((showing.query_id, showing.is_repeat, action))
        assert sorted(counted(store)) == sorted((id, choice) for id, repeat, choice in model if not repeat)
        assert [(g.query_id, g.is_repeat, g.on_screen) for g in ada.desk.log("Ada")] == model


def repeated(store: Store) -> tuple[Session, list[Showing]]:
    """A session in which every pair that may be repeated is, and what it has shown, its last one a repeat."""
    ask(store, 30)
    ada, shown = session(store, share=0.999), []
    while not shown or not shown[-1].is_repeat:
        shown.append(answer(ada, "left"))
    return ada, shown


def test_a_hidden_repeat_comes_late_and_never_counts_for_the_reward(store: Store) -> None:
    ada, shown = repeated(store)
    repeat = shown[-1]
    assert [s.query_id for s in shown].index(repeat.query_id) <= len(shown) - 1 - REPEAT_GAP
    assert store.num_preferences() == ada.pace().answered == len(shown) - 1
    assert counted(store) == [(s.query_id, "left") for s in shown[:-1]]
    assert ada.desk.log("Ada")[-1].on_screen == "left"
    assert ada.desk.log("Ada")[-1].choice == ("right" if repeat.swapped else "left")


def test_consistency_is_that_of_the_clips_and_not_of_the_sides(store: Store) -> None:
    ada, shown = repeated(store)
    assert (ada.summary().repeats, ada.summary().consistent) == (1, int(not shown[-1].swapped))
    assert ada.undo() == "left"
    assert ada.summary().repeats == 0
    assert ada.upcoming()[0].query_id == shown[-1].query_id
    again = session(store)  # a restart forgets a repeat that was taken back
    assert again.summary().repeats == 0
    assert again.undo() == "left"
    assert len(counted(store)) == len(shown) - 2


def test_sides_of_repeats_are_exchanged_about_half_the_time(store: Store) -> None:
    ask(store, 60)
    ada = session(store, share=0.5)
    shown = []
    while ada.upcoming():
        shown.append(answer(ada))
        ada.refresh()
    swapped = [s.swapped for s in shown if s.is_repeat]
    assert len(swapped) > 10
    assert 0.2 < np.mean(swapped) < 0.8
    assert not any(s.swapped for s in shown if not s.is_repeat)
    assert len({s.query_id for s in shown if s.is_repeat}) == len(swapped)  # at most once each


def test_pace(store: Store) -> None:
    ask(store, 6)
    ada = session(store)
    answer(ada, seconds=9)
    answer(ada, seconds=10)
    assert ada.pace().per_hour is None
    answer(ada, seconds=11)
    answer(ada, seconds=5000)  # lunch
    answer(ada, seconds=-86400)  # the clock was set back a day
    assert ada.pace().per_hour == 360.0
    assert ada.pace().seconds_left == 150.0  # 15 of 20 are left
    assert session(store).pace() == ada.pace()


def test_the_summary_in_words() -> None:
    summary = Summary(labels=12, minutes=3.04, ties=1, skips=2, repeats=4, consistent=3, lefts=10, rights=1)
    assert summary.lines() == [
        "12 labels in 3.0 min: 1 tie, 2 can't tell",
        "same answer on 3 of 4 hidden repeats (75%)",
        "left 10 times, right 1 time: a favourite side? (p = 0.012)",
    ]
    assert dataclasses.replace(summary, lefts=38).lines()[-1].endswith("a favourite side? (p < 0.001)")


@pytest.mark.parametrize(
    ("successes", "trials", "p"), [(0, 0, 1.0), (0, 5, 0.0625), (5, 10, 1.0), (8, 10, 0.109375), (1, 1, 1.0)]
)
def test_binomial_p_by_hand(successes: int, trials: int, p: float) -> None:
    assert binomial_p(successes, trials) == p


@given(st.integers(0, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_binomial_p_is_scipys(case: tuple[int, int]) -> None:
    successes, trials = case
    expected = binomtest(successes, trials).pvalue if trials else 1.0
    assert binomial_p(successes, trials) == pytest.approx(expected, abs=1e-12)


def test_the_goal_is_stored_with_the_run(store: Store, url: str) -> None:
    Desk(store).set_goal("do a backflip")
    with Store(url) as other:
        assert other.info() == StoreInfo("Some-v0", {}, 3, 2, {}, "do a backflip")


def test_a_session_needs_neither_pygame_nor_torch_nor_an_environment() -> None:
    heavy = "{'pygame', 'torch', 'gymnasium', 'mujoco'}"
    code = f"import sys, prefrl.labelling.session; print({heavy} & sys.modules.keys() or 'none')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "none\n"
