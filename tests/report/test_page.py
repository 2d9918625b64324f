import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_runs import made_up, trained

from prefrl.cli import main as cli
from prefrl.errors import StorageError, UsageError
from prefrl.report.page import _names, _number, _warned, report
from prefrl.runs.files import sealed, unsealed
from prefrl.runs.run_dir import RunDir

VOID = {"meta", "br", "line", "path", "use", "rect"}


class Page(HTMLParser):
    """Tags of a page that are open, what it links to, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.said: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open += [] if tag in VOID else [tag]
        found = dict(attrs)
        self.links += [str(found[name]) for name in ("href", "src", "xlink:href") if name in found]
        self.ids += [str(found["id"])] if "id" in found else []

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.said)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    trained(folder / "a")
    trained(folder / "b", seed=1)
    trained(folder / "t", reward="true")
    return folder


def test_one_file_tells_of_all_runs_and_needs_no_other(folder: Path, tmp_path: Path) -> None:
    output = report([folder / name for name in "abt"], tmp_path / "new" / "report.html")
    page = Page(output.read_text(encoding="utf-8"))
    assert page.open == []
    assert all(link.startswith(("#", "data:video/mp4;base64,")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert sum(link.startswith("data:") for link in page.links) == 3 + 2 * (4 + 4 + 2 * 3)  # the agents, and clips
    for words in (
        "3 runs of MoveRight-v0",
        "20 labels (2 runs)",
        "true reward",
        "Calibration",
        "Best and worst clips by learned reward",
        "What the agent was taught",
        "How far to trust it",
        "What to do next",
        "Hardest questions",
        "oracle",
        "stable-baselines3",
        "reward-model.members",
    ):
        assert words in page.text
    assert list(output.parent.iterdir()) == [output]


def test_the_page_begins_with_the_agent_and_the_sentence_that_evaluate_says(folder: Path, tmp_path: Path) -> None:
    html = report([folder / "a"], tmp_path / "r.html").read_text(encoding="utf-8")
    kept = RunDir(folder / "a").verdict()
    assert kept is not None
    first_look = html[: html.index("<details>")]
    assert first_look.count("data:video/mp4;base64,") == 1
    assert kept.sentence in first_look.replace("&#39;", "'")
    words = html[html.index('<div class="lead">') : html.index("</dl>")]
    for insider in ("EPIC", "log-odds", "Brier", "calibration", "rank correlation", "paid by", "held-out"):
        assert insider not in words


def test_where_no_agent_can_be_drawn_the_page_says_so(tmp_path: Path) -> None:
    run = trained(tmp_path / "a")
    for checkpoint in (run.path / "checkpoints").iterdir():
        shutil.rmtree(checkpoint)
    text = Page(report([run.path], tmp_path / "r.html").read_text(encoding="utf-8")).text
    assert "No video: The agent has not been saved yet" in text
    assert "What to do next" in text


def test_one_run_is_compared_with_nothing(folder: Path, tmp_path: Path) -> None:
    text = Page(report([folder / "a"], tmp_path / "r.html").read_text(encoding="utf-8")).text
    assert "How they compare" not in text
    assert "1 run of" in text


def test_what_a_run_says_of_itself_is_only_text(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "a", tmp_path / "<script>alert(1)<")
    saved = unsealed((folder / "a" / "config.json").read_bytes())
    (tmp_path / "<script>alert(1)<" / "config.json").write_bytes(sealed({**saved, "git_commit": "<img src=x>"}))
    html = report([tmp_path / "<script>alert(1)<"], tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "&lt;script&gt;alert(1)&lt;" in html


def test_a_run_that_has_just_begun_is_not_called_an_old_one(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    shutil.copy(folder / "a" / "config.json", tmp_path / "run")
    html = report([tmp_path / "run"], tmp_path / "r.html").read_text(encoding="utf-8")
    assert "no checkpoint yet" in html
    assert "watched for alarms" not in html


def test_alarms_of_the_training_are_told_with_what_to_do(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "a", tmp_path / "a")
    run = RunDir(tmp_path / "a")
    alarms = [{"kind": "reward_hacking", "message": "watch it"}, {"kind": "drift", "message": "agree first"}]
    record = run.metrics()[-1]
    with run.metrics_path.open("w") as file:
        for step, raised in ((100, alarms[:1]), (200, alarms), (300, alarms[1:])):
            file.write(json.dumps({**record, "num_timesteps": step, "alarms": raised}) + "\n")
    text = Page(report([run.path], tmp_path / "r.html").read_text(encoding="utf-8")).text
    assert "Drift , since step 200: agree first Reward hacking (over), since step 100: watch it" in text


def test_no_alarms_and_no_watch_are_two_things() -> None:
    assert _warned([]) is None
    assert _warned(made_up([{"num_timesteps": 1}]).metrics) is None
    assert _warned([{"num_timesteps": 1, "alarms": []}]) == []


def test_folders_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    assert _names([tmp_path / "a" / "r", tmp_path / "b" / "r"]) == ["a/r", "b/r"]
    assert _names([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, "-"), (float("nan"), "-"), (12345.6, "12,346"), (-0.123456, "-0.123"), (99.94, "99.9")],
)
def test_figures_have_as_many_digits_as_are_worth_reading(value: float | None, written: str) -> None:
    assert _number(value) == written


def test_what_cannot_be_reported_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report"]) == 2
    assert cli.main(["report", str(tmp_path / "missing")]) == 2
    assert "no folder" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="is a folder"):
        report([folder / "a"], tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be used"):
        report([folder / "t"], tmp_path / "file" / "r.html")
