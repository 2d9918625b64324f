"""What every store does, in a file or on a server."""

import dataclasses
import threading
import time
from contextlib import ExitStack, suppress
from uuid import uuid4

import numpy as np
import pytest
from builders import make_question, make_segment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from stores import ANSWERING, answer_to, fill, named_segment, python

from prefrl.data.segment import Film, Segment
from prefrl.data.spaces import ActionSpec, ArraySpec, Spaces
from prefrl.errors import StoreError
from prefrl.feedback.answer import fingerprint, is_held_out, standing
from prefrl.feedback.comparison import Comparison
from prefrl.feedback.question import Question
from prefrl.store import rows as dump
from prefrl.store import schema
from prefrl.store.claims import Claims
from prefrl.store.store import Store, StoreInfo

SPACES = Spaces({"obs": ArraySpec((3,))}, ActionSpec(2, "box"))
INFO = StoreInfo("Hopper-v5", {"healthy_reward": 2.0, "xml": "a.xml"}, SPACES, {"numpy": "2.0"}, "hop forward")
ARRAYS = ("actions", "absorbing", "true_rewards", "sim_states", "replay_actions")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def store(any_url):
    with Store(any_url) as store:
        yield store


def assert_same(left: Segment, right: Segment) -> None:
    assert left.obs.keys() == right.obs.keys()
    arrays = [(name, left.obs[name], right.obs[name]) for name in left.obs]
    for name, mine, theirs in arrays + [(name, getattr(left, name), getattr(right, name)) for name in ARRAYS]:
        assert (mine is None) == (theirs is None), name
        if mine is not None:
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs, strict=True)
    assert (left.reset_seed, left.start) == (right.reset_seed, right.start)


def test_segments_come_back_as_they_were(store, rng):
    left = make_segment(rng, absorbing_from=20, state_dim=5, reset_seed=2**62, start=3)
    right = make_segment(rng, replay_steps=0)
    [question_id] = store.add_questions([Question((left, right), num_timesteps=7, wanted=3)])
    [question] = store.pending()
    assert (question.id, question.num_timesteps, question.kind, question.wanted) == (question_id, 7, "comparison", 3)
    assert_same(question.segments[0], left)
    assert_same(question.segments[1], right)
    question.segments[0].obs["obs"][:] = 0  # writable, and nobody else's


def test_stored_segments_keep_their_values_when_the_buffers_are_used_again(store, rng):
    question = make_question(rng)
    before = question.segments[0].obs["obs"].copy()
    store.add_questions([question])
    question.segments[0].obs["obs"][:] = 9
    np.testing.assert_array_equal(store.pending()[0].segments[0].obs["obs"], before)


def test_films_come_back_by_the_question_alone(store, rng):
    film = Film((b"a" * 9, b"b", b"b"), 12.5)
    filmed = dataclasses.replace(make_segment(rng, steps=2), film=film)
    [question_id] = store.add_questions([make_question(rng, 2, left=filmed)])
    question = store.question(question_id)
    assert (question.segments[0].film.jpegs, question.segments[0].film.fps, question.segments[1].film) == (
        film.jpegs,
        12.5,
        None,
    )
    store.add_answers([answer_to(question_id, "left")])
    assert store.answers()[0].question.segments[0].film is None  # the trainer keeps all of these in memory


def test_negative_zero_rewards(store, rng):
    segment = make_segment(rng, true_rewards=np.full(50, -0.0, np.float32))
    store.add_questions([make_question(rng, left=segment)])
    assert np.signbit(store.pending()[0].segments[0].true_rewards).all()


def test_a_segment_in_several_questions_is_stored_once(store, rng):
    shared = make_segment(rng)
    ids = store.add_questions([make_question(rng, left=shared), make_question(rng, right=shared), make_question(rng)])
    assert ids == [1, 2, 3]
    assert len(store.returns(100)) == 5
    first, second, _ = store.pending()
    assert first.segments[0] is second.segments[1]


def test_pending_is_oldest_first_and_leaves_out_the_answered_and_the_withdrawn(store, rng):
    a, b, c, d = store.add_questions([make_question(rng) for _ in range(4)])
    store.withdraw([b])
    store.add_answers([answer_to(c, "skip")])
    assert [question.id for question in store.pending()] == [a, d]
    assert [question.id for question in store.pending(limit=1)] == [a]
    assert store.pending(limit=0) == []
    assert store.num_questions() == 3


def test_an_answer_to_a_withdrawn_question_is_taken_and_answered_ones_are_not_withdrawn(store, rng):
    a, b = store.add_questions([make_question(rng) for _ in range(2)])
    store.withdraw([a])
    store.add_answers([answer_to(a, "left"), answer_to(b, "left")])
    store.withdraw([a, b])
    assert [answer.question.id for answer in store.answers()] == [a, b]
    assert store.num_questions() == 2  # what was answered was asked, withdrawn or not


def test_answers_come_back_in_order(store, rng):
    a, b = store.add_questions([make_question(rng) for _ in range(2)])
    assert (store.watermark(), store.num_answers(), store.answers()) == (0, 0, [])
    answers = [answer_to(b, "tie", "ann", shown_at=5, answered_at=6.25), answer_to(a, "right", submission_id="x")]
    assert store.add_answers(answers) == [1, 2]
    first, second = store.answers()
    assert (first.seq, first.question.id, first.value, first.annotator) == (1, b, Comparison("tie"), "ann")
    assert (first.shown_at, first.answered_at, first.replaces) == (5.0, 6.25, None)
    assert (second.seq, second.question.id, second.value, second.annotator) == (2, a, Comparison("right"), "oracle")
    assert [answer.seq for answer in store.answers(after=1)] == [2]
    assert (store.watermark(), store.num_answers()) == (2, 2)


def test_the_same_submission_twice_is_one_row(store, rng):
    a, b = store.add_questions([make_question(rng) for _ in range(2)])
    once = answer_to(a, "left", submission_id="x")
    assert store.add_answers([once, answer_to(b, "left"), once]) == [1, 2, 1]
    assert store.add_answers([once]) == [1]
    assert store.watermark() == 2


def test_undo_and_change(store, rng):
    a, b = store.add_questions([make_question(rng) for _ in range(2)])
    store.add_answers([answer_to(a, "left"), answer_to(b, "left")])
    store.add_answers([answer_to(a, "right", replaces=1), answer_to(b, None, replaces=2)])
    assert [answer.seq for answer in standing(store.answers())] == [3]
    assert [question.id for question in store.pending()] == [b]
    store.add_answers([answer_to(a, None, replaces=3), answer_to(b, "tie")])
    assert [answer.seq for answer in standing(store.answers())] == [6]
    assert [question.id for question in store.pending()] == [a]
    assert store.num_answers() == 1


def test_answers_that_cannot_be(store, rng):
    a, b = store.add_questions([make_question(rng) for _ in range(2)])
    store.add_answers([answer_to(a, "left"), answer_to(a, "right", replaces=1)])
    for answer, message in [
        (answer_to(99, "left"), "has no question 99"),
        (answer_to(a, "left", replaces=77), "has no answer 77 to question 1"),
        (answer_to(b, "left", replaces=1), "has no answer 1 to question 2"),
        (answer_to(a, "left", replaces=1), "replaced already"),
    ]:
        with pytest.raises(StoreError, match=message):
            store.add_answers([answer_to(b, "left"), answer])
    assert store.watermark() == 2  # all or none
    for bad in ("both", "", "LEFT"):
        with pytest.raises(ValueError, match="valid ones"):
            store.add_answers([answer_to(b, bad)])
    with pytest.raises(ValueError, match="what is taken back"):
        store.add_answers([answer_to(b, None)])
    with pytest.raises(ValueError, match="finite time"):
        store.add_answers([answer_to(b, "left", shown_at=float("nan"))])


def test_returns_are_those_of_the_last_segments(store, rng):
    values = [1.5, -2.0, 0.25, 8.0]
    made = [make_segment(rng, 2, true_rewards=np.array([value, 1], np.float32)) for value in values]
    store.add_questions(
        [make_question(rng, left=made[0], right=made[1]), make_question(rng, left=made[2], right=made[3])]
    )
    assert store.returns(100).tolist() == [2.5, -1.0, 1.25, 9.0]
    assert store.returns(3).tolist() == [-1.0, 1.25, 9.0]
    assert store.returns(0).shape == (0,)
    assert store.returns(1).dtype == np.float64


def test_describe_once(store, rng):
    assert store.info() is None
    store.describe(INFO)
    assert store.info() == INFO
    store.describe(StoreInfo(INFO.env_id, INFO.env_kwargs, SPACES, {"numpy": "9"}))
    assert store.info() == INFO
    for other, difference in [
        (StoreInfo("Ant-v5", INFO.env_kwargs, SPACES, {}), "env_id is 'Hopper-v5', not 'Ant-v5'"),
        (StoreInfo("Hopper-v5", {}, SPACES, {}), "env_kwargs is .*'a.xml'}, not {}"),
        (StoreInfo("Hopper-v5", INFO.env_kwargs, Spaces.vectors(4, 2), {}), r"float32\[3\].*, not .*float32\[4\]"),
        (StoreInfo("Hopper-v5", INFO.env_kwargs, Spaces.vectors(3, 1), {}), "width 2, not .* width 1"),
    ]:
        with pytest.raises(StoreError, match=difference):
            store.describe(other)
    with pytest.raises(StoreError, match=r"float32\[3\].* has .*float32\[4\]"):
        store.add_questions([make_question(rng, obs_dim=4)])
    assert store.num_questions() == 0


def test_nothing_that_is_not_finite_is_stored(store, rng):
    question = make_question(rng)
    question.segments[0].obs["obs"][0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        store.add_questions([make_question(rng), question])
    assert store.num_questions() == 0


def test_nothing_to_do(store):
    assert store.add_questions([]) == []
    assert store.add_answers([]) == []
    store.withdraw([])


def test_two_processes_send_the_same_answers(store, rng):
    store.add_questions([make_question(rng, 2) for _ in range(50)])
    ended = []
    threads = [
        threading.Thread(target=lambda name=name: ended.append(python(ANSWERING, store._engine.url, name, "same")))
        for name in ("ann", "bob")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.stderr for process in ended] == ["", ""]
    assert ended[0].stdout == ended[1].stdout
    assert store.watermark() == store.num_answers() == 50


@pytest.mark.fault
def test_a_clock_that_jumps_changes_no_order(store, rng):
    ids = store.add_questions([make_question(rng, 2) for _ in range(3)])
    day, now = 86_400.0, time.time()
    store.add_answers([answer_to(ids[0], "left", shown_at=now, answered_at=now + 1)])
    store.add_answers([answer_to(ids[1], "left", shown_at=now - day, answered_at=now - day)])
    store.add_answers([answer_to(ids[0], "right", replaces=1, shown_at=now + day, answered_at=now - day)])
    assert [(answer.seq, answer.question.id, answer.value) for answer in standing(store.answers())] == [
        (2, ids[1], Comparison("left")),
        (3, ids[0], Comparison("right")),
    ]
    assert [question.id for question in store.pending()] == ids[2:]


def test_observations_keep_their_names_types_and_shapes(store, rng):
    left, right = named_segment(rng, absorbing_from=3), named_segment(rng)
    store.add_questions([Question((left, right))])
    [question] = store.pending()
    assert_same(question.segments[0], left)
    assert_same(question.segments[1], right)
    with store.transaction() as connection:
        rows = connection.execute(select(schema.segments)).mappings().all()
    assert [row["compressed"] for row in rows] == [True, True]  # images are
    assert len(rows[0]["arrays"]) < 0.7 * left.obs["image"].nbytes


def test_a_file_of_version_1_tells_no_kinds_and_they_are_filled_in(store):
    store.describe(StoreInfo("Walk-v0", {}, Spaces.vectors(3, 2), {"numpy": "1"}, "walk"))
    store.describe(StoreInfo("Walk-v0", {}, SPACES, {"numpy": "2"}))
    assert store.info() == StoreInfo("Walk-v0", {}, SPACES, {"numpy": "1"}, "walk")


def test_the_goal_can_be_set(store):
    with pytest.raises(StoreError, match="environment"):
        store.set_goal("run")
    store.describe(INFO)
    store.set_goal("run")
    assert store.info() == dataclasses.replace(INFO, goal="run")


def test_runs_in_one_database_do_not_see_each_other(any_url, rng):
    with Store(any_url, "a") as a, Store(any_url, "b") as b:
        a.describe(INFO)
        b.describe(StoreInfo("Ant-v5", {}, Spaces.vectors(1, 1), {}))
        [first] = a.add_questions([make_question(rng)])
        [second] = b.add_questions([make_question(rng, obs_dim=1, action_dim=1)])
        assert (a.info().env_id, b.info().env_id) == ("Hopper-v5", "Ant-v5")
        a.add_answers([answer_to(first)])
        assert (a.watermark(), a.num_answers(), len(a.answers()), len(a.answers_of("oracle"))) == (1, 1, 1, 1)
        assert (b.watermark(), b.num_answers(), b.answers(), b.answers_of("oracle")) == (0, 0, [], [])
        assert ([*map(len, (a.returns(9), b.returns(9)))], a.pending()) == ([2, 2], [])
        for call in (lambda: b.question(first), lambda: b.add_answers([answer_to(first)])):
            with pytest.raises(StoreError, match="has no question"):
                call()
        a.withdraw([second])
        assert [question.id for question in b.pending()] == [second]
        assert (a.num_questions(), b.num_questions()) == (1, 1)
        assert dump.read(b).rows["annotators"] == []
        assert [row["id"] for row in dump.read(a).rows["questions"]] == [first]
        ours, theirs = Claims(a, "Ada"), Claims(b, "Bob")
        assert (ours.claim(4), theirs.claim(4), ours.others()) == ([], [second], 0)


def test_a_question_is_pending_until_it_has_the_answers_that_it_wants(store, rng):
    asked = make_question(rng)
    [number] = store.add_questions([Question(asked.segments, wanted=2)])
    assert store.add_answer_if_wanted(answer_to(number, "left", "Ada")) == 1
    assert store.add_answer_if_wanted(answer_to(number, "right", "Ada")) is None  # the same annotator counts once
    store.add_answers([answer_to(number, "right", "Ada")])
    assert [question.id for question in store.pending()] == [number]
    bobs = answer_to(number, "tie", "Bob")
    assert store.add_answer_if_wanted(bobs) == store.add_answer_if_wanted(bobs) == 3
    assert store.pending() == []
    assert store.add_answer_if_wanted(answer_to(number, "tie", "Cy")) is None
    assert store.add_answer_if_wanted(answer_to(number, "tie", "Cy", is_repeat=True)) == 4
    store.add_answers([answer_to(number, None, "Bob", replaces=3)])
    assert store.add_answer_if_wanted(answer_to(number, "tie", "Cy")) == 6


def test_a_question_is_held_by_as_many_as_it_wants_answers_and_by_nobody_twice(store, rng):
    asked = [make_question(rng).segments for _ in range(2)]
    many, one = store.add_questions([Question(asked[0], wanted=2), Question(asked[1])])
    ada, again, bob, cy = (Claims(store, name) for name in ("Ada", "Ada", "Bob", "Cy"))
    assert (ada.claim(4), again.claim(4), bob.claim(4), cy.claim(4)) == ([many, one], [], [many], [])
    store.add_answers([answer_to(many, "left", "Ada")])
    assert (ada.claim(4), cy.claim(4)) == ([one], [])  # one answer is wanted, and Bob is at it
    bob.leave()
    assert (again.claim(4), cy.claim(4)) == ([], [many])
    store.add_answers([answer_to(many, None, "Ada", replaces=1)])
    assert ada.claim(4, first=[many]) == [many, one]
    assert ada.others() == 2


def test_repeats_are_nobodys_answers_but_their_annotators(store, rng):
    [number] = store.add_questions([make_question(rng)])
    store.add_answers([answer_to(number, "left", "Ada"), answer_to(number, "tie", "Bob", is_repeat=True)])
    again = answer_to(number, "right", "Ada", is_repeat=True, shown_order=(1, 0), shown_at=1.0, answered_at=3.5)
    store.add_answers([again, answer_to(number, "tie", "Ada", is_repeat=True)])
    store.add_answers([answer_to(number, None, "Ada", is_repeat=True, replaces=4)])
    assert [answer.seq for answer in store.answers()] == [1]
    assert (store.watermark(), store.num_answers(), store.answers(1)) == (1, 1, [])
    first, second = store.answers_of("Ada")
    assert (first.seq, second.seq, first.is_repeat, second.is_repeat) == (1, 3, False, True)
    assert (second.value, second.on_screen(), second.seconds) == (Comparison("right"), Comparison("left"), 2.5)
    with pytest.raises(StoreError, match="no repeat 1"):
        store.add_answers([answer_to(number, "tie", "Ada", is_repeat=True, replaces=1)])
    with pytest.raises(StoreError, match="no answer 3"):
        store.add_answers([answer_to(number, "tie", "Ada", replaces=3)])


def test_the_database_itself_refuses_to_change_answers(store, rng):
    store.add_answers([answer_to(store.add_questions([make_question(rng)])[0])])
    statements = ["UPDATE answers SET value = 'right'", "DELETE FROM answers"]
    if store._engine.dialect.name == "postgresql":
        statements += ["TRUNCATE answers", "TRUNCATE questions CASCADE"]
    for statement in statements:
        with pytest.raises(StoreError, match="never changed"), store.transaction(writes=True) as connection:
            connection.exec_driver_sql(statement)
    assert store.num_answers() == 1


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(["left", "tie", "skip", None]), st.integers(0, 8), st.booleans()), max_size=8)
)
def test_the_store_counts_the_answers_that_standing_counts(any_url, rows):
    """A random history: each row answers, replaces one of its kind or takes it back, where the store lets it."""
    with Store(any_url, uuid4().hex) as store:
        [number] = store.add_questions([make_question(np.random.default_rng(0), 1)])
        held = []
        for value, old, is_repeat in rows:
            of_kind = [answer for answer in held if answer.is_repeat == is_repeat]
            replaces = of_kind[old].seq if old < len(of_kind) else None
            if value is None and replaces is None:
                continue
            given = answer_to(number, value, is_repeat=is_repeat, replaces=replaces)
            with suppress(StoreError):  # replaced already
                held.append(given.at(store.add_answers([given])[0]))
        with store.transaction() as connection:
            ours = schema.answers.c.question_id == number
            counted, kept = (
                [
                    *connection.scalars(
                        select(schema.answers.c.seq).where(ours, condition).order_by(schema.answers.c.seq)
                    )
                ]
                for condition in (schema.is_standing, schema.counts)
            )
        assert counted == [answer.seq for answer in standing(held)]
        assert kept == sorted(answer.seq for repeats in (False, True) for answer in standing(held, repeats=repeats))
        assert store.num_answers() == len(counted)
        assert [answer.seq for answer in store.answers_of("oracle")] == kept
        assert (store.pending() == []) == bool(counted)


def test_a_copy_has_every_row(store, rng, tmp_path):
    fill(store, rng)
    with Store(f"sqlite:///{tmp_path}/copy") as new:
        dump.write(new, dump.read(store))
        assert repr(dump.read(new)) == repr(dump.read(store))
        assert fingerprint(new.answers()) == fingerprint(store.answers())


def test_numbers_go_on_after_those_of_a_copy(any_url, rng, tmp_path):
    with Store(f"sqlite:///{tmp_path}/old") as old, Store(any_url) as new:
        fill(old, rng)
        dump.write(new, dump.read(old))
        assert new.add_questions([make_question(rng, 5)]) == [13]
        assert new.add_answers([answer_to(13, "left", "new")]) == [13]


def test_a_submission_belongs_to_one_question(store: Store) -> None:
    first, second = store.add_questions([make_question(np.random.default_rng(i)) for i in range(2)])
    store.add_answers([answer_to(first, "left", submission_id="once")])
    with pytest.raises(StoreError, match="submission once answered question"):
        store.add_answers([answer_to(second, "right", submission_id="once")])


def test_a_hidden_repeat_that_is_sent_twice_is_stored_once(store: Store) -> None:
    """By another window of the same person too, which knows nothing of the submission."""
    [number] = store.add_questions([make_question(np.random.default_rng(0))])
    store.add_answers([answer_to(number, "left", "Ada")])
    sent = answer_to(number, "right", "Ada", is_repeat=True)
    assert store.add_answer_if_wanted(sent) == store.add_answer_if_wanted(sent) == 2
    assert store.add_answer_if_wanted(answer_to(number, "tie", "Ada", is_repeat=True)) is None
    assert store.add_answer_if_wanted(answer_to(number, "tie", "Bob", is_repeat=True)) == 3
    assert [answer.is_repeat for answer in store.answers(repeats=True)] == [False, True, True]
    store.add_answers([answer_to(number, None, "Ada", is_repeat=True, replaces=2)])
    assert store.add_answer_if_wanted(answer_to(number, "tie", "Ada", is_repeat=True)) == 5


def test_nobody_answers_a_question_more_often_than_it_wants(store: Store) -> None:
    rng = np.random.default_rng(0)
    one, two = store.add_questions([make_question(rng), Question(make_question(rng).segments, wanted=2)])
    store.add_answers([answer_to(one), answer_to(two), answer_to(two)])
    for number in (one, two):
        with pytest.raises(StoreError, match=f"'oracle' has answered question {number}; replace"):
            store.add_answers([answer_to(number)])
    store.add_answers([answer_to(one, None, replaces=1)])
    assert store.add_answers([answer_to(one, "tie"), answer_to(one, "left", "Ada")]) == [5, 6]
    with pytest.raises(StoreError, match="has answered question 1"):
        store.add_answers([answer_to(one, "right", replaces=4)])  # which took the first back
    assert store.add_answers([answer_to(one, "right", replaces=5)]) == [7]


def test_what_is_asked_of_answers_without_their_segments(store: Store) -> None:
    ids = store.add_questions([make_question(np.random.default_rng(i)) for i in range(3)])
    store.add_answers([answer_to(id, "left", "Ada") for id in ids])
    store.add_answers([answer_to(ids[0], None, "Ada", replaces=1), answer_to(ids[1], "tie", "Bob", is_repeat=True)])
    assert (store.answered_by("Ada"), store.answered_by("Bob")) == ({2, 3}, set())
    assert [store.stands(seq) for seq in range(7)] == [False, False, True, True, False, True, False]
    assert [answer.seq for answer in store.answers(after=1, until=3)] == [2, 3]
    assert [answer.seq for answer in store.answers_to(ids[0])] == [1, 4]


def test_what_was_opened_to_be_read_is_not_written_to(any_url: str) -> None:
    with Store(any_url) as store:
        [number] = store.add_questions([make_question(np.random.default_rng(0))])
    with Store(any_url, reads_only=True) as reader:
        assert reader.num_questions() == 1
        with pytest.raises(StoreError, match="opened to be read alone"):
            reader.add_answers([answer_to(number)])
        reader.check()


def test_a_tenth_is_held_out_whatever_other_runs_share_the_database(any_url: str) -> None:
    """Ten runs that ask in turns: each has every tenth id alone."""
    rng = np.random.default_rng(0)
    asked = make_question(rng, 1)
    with ExitStack() as stack:
        stores = [stack.enter_context(Store(any_url, f"run {i}")) for i in range(10)]
        ids = [[store.add_questions([asked])[0] for store in stores] for _ in range(40)]
        for run, store in enumerate(stores):
            store.add_answers([answer_to(turn[run]) for turn in reversed(ids)])
            answers = store.answers()
            assert [answer.question.number for answer in answers] == [*range(40, 0, -1)]
            assert is_held_out(answers, 0.1).sum() == 4
            assert [answer.question.number for answer in store.answers(after=answers[-3].seq or 0)] == [2, 1]


def test_in_a_store_of_one_run_numbers_are_ids(store: Store) -> None:
    asked = [make_question(np.random.default_rng(0), 1) for _ in range(450)]
    ids = store.add_questions(asked)
    store.withdraw(ids[3:7])
    store.add_answers([answer_to(id) for id in ids[::3]])
    assert all(answer.question.number == answer.question.id for answer in store.answers())
    assert [question.number for question in store.pending()] == [question.id for question in store.pending()]
    assert store.question(77).number == 77
