import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from builders import make_question
from hypothesis import given, settings
from hypothesis import strategies as st
from label_bot import said
from sqlalchemy import insert, select, update

from prefrl.data.segment import Film
from prefrl.data.spaces import Spaces
from prefrl.feedback.answer import standing
from prefrl.feedback.comparison import Comparison, Preferred
from prefrl.feedback.question import Question
from prefrl.labelling.actions import OFFERS
from prefrl.labelling.session import AHEAD, REPEAT_GAP, Session, Showing
from prefrl.store.claims import LEASE, Claims
from prefrl.store.info import StoreInfo
from prefrl.store.schema import claims, labellers, questions, seal
from prefrl.store.store import Store

SWAPPED = (1, 0)
INFO = StoreInfo("Some-v0", {}, Spaces.vectors(3, 2), {})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url) as store:
        store.describe(INFO)
        yield store


def ask(store: Store, count: int) -> list[int]:
    rng = np.random.default_rng(0)
    return store.add_questions([make_question(rng, steps=4) for _ in range(count)])


def session(store: Store, name: str = "Ada", share: float = 0.0, **claims_: object) -> Session:
    new = Session(Claims(store, name, **claims_), rng=np.random.default_rng(1), asked_for=20, repeat_share=share)
    new.refresh()
    return new


def answer(of: Session, value: Preferred = "left", seconds: float = 10.0) -> Showing:
    of.refresh()
    showing = of.upcoming()[0]
    assert of.answer(of.read(showing, value, shown_at=100.0, answered_at=100.0 + seconds))
    return showing


def counted(store: Store) -> list[tuple[int | None, str | None]]:
    return [(answer.question.id, said(answer)) for answer in standing(store.answers())]


def undo(of: Session) -> str | None:
    """What was taken back, in terms of the screen."""
    taken = of.undo()
    return None if taken is None else taken.on_screen().preferred


def test_questions_come_oldest_first_and_answers_are_stored_with_their_times(store: Store) -> None:
    ids = ask(store, 6)
    ada = session(store)
    assert [showing.question_id for showing in ada.upcoming()] == ids[:AHEAD]
    values: list[Preferred] = ["left", "right", "tie", "skip", "left", "right"]
    assert [answer(ada, value).question_id for value in values] == ids
    assert counted(store) == list(zip(ids, values, strict=True))
    assert {(p.annotator, p.shown_at, p.answered_at) for p in store.answers()} == {("Ada", 100.0, 110.0)}
    ada.refresh()
    assert ada.upcoming() == ()


def test_the_same_answer_twice_is_one(store: Store) -> None:
    ask(store, 2)
    ada = session(store)
    given = ada.read(ada.upcoming()[0], "left")
    assert [ada.answer(given), ada.answer(given)] == [True, True]
    again = session(store)
    assert again.answer(given)  # by a labeller that was killed before it heard of the commit
    assert len(store.answers()) == 1
    assert ada.summary().labels == 1
    assert again.summary().labels == 0
    assert [undo(again), undo(again)] == ["left", None]


def test_two_labellers_never_hold_the_same_question(store: Store) -> None:
    ids = ask(store, 11)
    ada, bob = session(store), session(store, "Bob")
    seen = []
    while ada.upcoming() or bob.upcoming():
        for one in (ada, bob):
            one.refresh()
            assert not {s.question_id for s in ada.upcoming()} & {s.question_id for s in bob.upcoming()}
            if one.upcoming():
                seen.append(answer(one).question_id)
            one.refresh()
    assert sorted(seen) == ids
    assert sorted(id for id, _ in counted(store)) == ids


def test_the_first_answer_stands_and_the_second_is_refused(store: Store) -> None:
    ids = ask(store, 1)
    ada, bob = session(store), session(store, "Bob")
    assert bob.upcoming() == ()
    assert ada.answer(ada.read(Showing(ids[0]), "left"))
    assert not bob.answer(bob.read(Showing(ids[0]), "right"))
    assert counted(store) == [(ids[0], "left")]
    assert (bob.summary().labels, bob.can_undo) == (0, False)


def test_leaving_gives_the_claims_back(store: Store) -> None:
    ids = ask(store, 3)
    ada = session(store)
    assert session(store, "Bob").upcoming() == ()
    ada.leave()
    assert [s.question_id for s in session(store, "Cy").upcoming()] == ids


def test_the_claims_of_another_machine_last_as_long_as_it_shows_life(store: Store) -> None:
    ids, clock = ask(store, 1), Clock()
    with store.transaction(writes=True) as connection:
        connection.execute(insert(labellers).values(holder="elsewhere 1 a", run_id=1, annotator="Bob", beat=5))
        connection.execute(insert(claims).values(question_id=ids[0], holder="elsewhere 1 a"))
    ada = session(store, clock=clock)
    for beat in (6, 7, 8):
        clock.now += LEASE - 1
        with store.transaction(writes=True) as connection:
            connection.execute(labellers.update().where(labellers.c.holder == "elsewhere 1 a").values(beat=beat))
        ada.refresh()
        assert ada.upcoming() == ()
    clock.now += LEASE + 1
    ada.refresh()
    assert [s.question_id for s in ada.upcoming()] == ids


@pytest.mark.fault
def test_the_claims_of_a_killed_process_are_free_at_once(store: Store, url: str) -> None:
    ids = ask(store, 2)
    code = f"""if True:
        import os, signal
        from prefrl.store.claims import Claims
        from prefrl.store.store import Store
        print(Claims(Store({url!r}), "Bob").claim(4), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-9, f"{ids}\n")
    assert [s.question_id for s in session(store).upcoming()] == ids


def test_withdrawing_leaves_what_a_labeller_holds(store: Store) -> None:
    ids = ask(store, AHEAD + 2)
    ada = session(store)
    store.withdraw(ids)
    assert [answer(ada).question_id for _ in range(AHEAD)] == ids[:AHEAD]
    ada.refresh()
    assert ada.upcoming() == ()


def test_when_nothing_is_learned_any_more_only_the_question_on_the_screen_is_left(store: Store) -> None:
    ids = ask(store, AHEAD + 2)
    ada = session(store)
    store.withdraw(claimed_too=True)
    ada.refresh()
    assert [s.question_id for s in ada.upcoming()] == ids[:1]
    answer(ada)
    ada.refresh()
    assert ada.upcoming() == ()
    assert counted(store) == [(ids[0], "left")]
    ada.undo()
    assert [s.question_id for s in ada.upcoming()] == ids[:1]
    assert answer(ada, "right").question_id == ids[0]


def test_who_was_taken_for_dead_keeps_only_the_question_on_the_screen(store: Store) -> None:
    ids = ask(store, 4)
    ada = session(store)
    with store.transaction(writes=True) as connection:
        connection.execute(labellers.delete())  # as others do when a computer wakes up from a long sleep
    store.withdraw(ids[:3])
    ada.refresh()
    assert [s.question_id for s in ada.upcoming()] == [ids[0], ids[3]]
    answer(ada)
    assert counted(store) == [(ids[0], "left")]


def test_undo_takes_back_one_answer_after_the_other_also_after_a_restart(store: Store) -> None:
    ids = ask(store, 4)
    ada = session(store)
    for value in ("left", "right", "tie"):
        answer(ada, value)  # type: ignore[arg-type]
    assert undo(ada) == "tie"
    assert ada.upcoming()[0] == Showing(ids[2], seen=True)
    ada.leave()
    again = session(store)
    assert undo(again) == "right"
    assert counted(store) == [(ids[0], "left")]
    assert [s.question_id for s in again.upcoming()] == [ids[1], ids[2], ids[3]]
    assert answer(again, "skip").question_id == ids[1]
    assert counted(store) == [(ids[0], "left"), (ids[1], "skip")]
    assert [undo(again), undo(again), undo(again)] == ["skip", "left", None]
    assert counted(store) == []
    assert len(store.answers()) == 8  # four answers, and four that take one back: nothing is ever changed


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
    assert undo(second) == "right"
    assert undo(first) == "left"
    assert first.upcoming()[0] == Showing(ids[0], seen=True)


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["left", "right", "tie", "skip", "undo", "restart"]), max_size=15))
def test_answers_and_undos_in_any_order_give_what_a_list_would(actions: list[str]) -> None:
    with Store("sqlite://") as store:
        store.describe(INFO)
        ask(store, 15)
        ada, model = session(store, share=0.3), []
        for action in actions:
            if action == "undo":
                assert undo(ada) == (model.pop()[2] if model else None)
            elif action == "restart":
                ada.leave()
                ada = session(store, share=0.3)
            else:
                showing = answer(ada, action)  # type: ignore[arg-type]
                model.append((showing.question_id, showing.is_repeat, action))
        assert sorted(counted(store)) == sorted((id, value) for id, is_repeat, value in model if not is_repeat)
        stored = store.answers_of("Ada")
        assert [(a.question.id, a.is_repeat, a.on_screen().preferred) for a in stored] == model


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
    assert [s.question_id for s in shown].index(repeat.question_id) <= len(shown) - 1 - REPEAT_GAP
    assert store.num_answers() == ada.pace().answered == len(shown) - 1
    assert counted(store) == [(s.question_id, "left") for s in shown[:-1]]
    stored = store.answers_of("Ada")[-1]
    assert (stored.is_repeat, stored.shown_order) == (True, repeat.shown_order)
    assert stored.on_screen() == Comparison("left")
    assert stored.value == Comparison("right" if repeat.shown_order == SWAPPED else "left")


def test_consistency_is_that_of_the_clips_and_not_of_the_sides(store: Store) -> None:
    ada, shown = repeated(store)
    assert (ada.summary().repeats, ada.summary().consistent) == (1, int(shown[-1].shown_order != SWAPPED))
    assert undo(ada) == "left"
    assert ada.summary().repeats == 0
    assert ada.upcoming()[0].question_id == shown[-1].question_id
    again = session(store)  # a restart forgets a repeat that was taken back
    assert again.summary().repeats == 0
    assert undo(again) == "left"
    assert len(counted(store)) == len(shown) - 2


def test_sides_of_repeats_are_exchanged_about_half_the_time(store: Store) -> None:
    ask(store, 60)
    ada = session(store, share=0.5)
    shown = []
    while ada.upcoming():
        shown.append(answer(ada))
        ada.refresh()
    swapped = [s.shown_order == SWAPPED for s in shown if s.is_repeat]
    assert len(swapped) > 10
    assert 0.2 < np.mean(swapped) < 0.8
    assert not any(s.shown_order == SWAPPED for s in shown if not s.is_repeat)
    assert len({s.question_id for s in shown if s.is_repeat}) == len(swapped)  # at most once each


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


def test_a_session_needs_neither_pygame_nor_torch_nor_an_environment() -> None:
    heavy = "{'pygame', 'torch', 'gymnasium', 'mujoco'}"
    code = f"import sys, prefrl.labelling.session; print({heavy} & sys.modules.keys() or 'none')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "none\n"


def test_what_is_no_answer_is_refused(store: Store) -> None:
    ask(store, 1)
    ada = session(store)
    for value in ("both", None, 5, ["left"], {"left": 1}):
        with pytest.raises(ValueError, match="comparison"):
            ada.read(ada.upcoming()[0], value)
    with pytest.raises(ValueError, match="question 7 is not asked here"):
        ada.showing(7)


def test_a_question_in_the_queue_does_not_keep_its_films(store: Store) -> None:
    film = Film((b"jpeg",) * 5, 30.0)
    filmed = [replace(segment, film=film) for segment in make_question(np.random.default_rng(0), steps=4).segments]
    store.add_questions([Question(tuple(filmed))])
    ada = session(store)
    assert [segment.film for segment in ada.read(ada.upcoming()[0], "left").question.segments] == [None, None]


def test_a_question_of_a_kind_that_the_front_end_cannot_show_is_left_to_others(store: Store) -> None:
    ids = ask(store, 3)
    with store.transaction(writes=True) as connection:
        row = connection.execute(select(questions).where(questions.c.id == ids[0])).mappings().one()
        values = seal(questions, {**row, "kind": "a kind of tomorrow"})
        connection.execute(update(questions).where(questions.c.id == ids[0]).values(values))
    ada = Session(Claims(store, "Ada", kinds=OFFERS), rng=np.random.default_rng(0), repeat_share=0.0)
    ada.refresh()
    assert [showing.question_id for showing in ada.upcoming()] == ids[1:]
    answer(ada)
    other = Session(Claims(store, "Ada", kinds=()), rng=np.random.default_rng(0), repeat_share=0.9)
    other.refresh()
    assert (other.upcoming(), other.can_undo) == ((), False)
