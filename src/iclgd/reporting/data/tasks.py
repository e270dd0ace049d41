"""Tasks and demonstrations."""

from __future__ import annotations

from iclgd.reporting.data.artifact import Artifact, keys

ARTIFACTS = (
    Artifact(
        "results/tasks/{task}.parquet",
        "one row per example; a prompt is `instruction` + (`text` + `answer` + `ending`) of every"
        " demonstration + `text` of the query",
        {
            **keys("task"),
            "example": "number of the row",
            **keys("split"),
            "instruction": "stands once, before all demonstrations",
            "text": "the input, up to the space before the answer",
            "answer": "the label word, with the space in front of it",
            "ending": "what separates a demonstration from what follows",
            "label": "class, from 0",
        },
    ),
    Artifact(
        "results/tasks/{task}.json",
        "numbers of rows of a data set: used, and left out by reason; controls have no such file",
        {
            **keys("task"),
            "read": "rows that were read, by split of the source",
            "left_out": "rows that are in no split, by reason: their label is in `leave_out`; all"
            " their fields are `empty`; they have more characters than `longest`; they are"
            " `contradictory`, the same text with two labels; `duplicate`; for training, but"
            " queries as well (`asked`); for test, but `surplus`, beyond `queries`",
            "classes": "rows of every label word, by split",
        },
    ),
    Artifact(
        "results/demonstrations/{task}/{design}/{draws}.parquet",
        "which examples are shown, the one table that every learner uses",
        {
            **keys("task design draw order"),
            "position": "place in the prompt, from 0",
            "example": "number of the task's row at that place",
            "binding": "label that each label of the task has in this draw; null: its own",
        },
    ),
)
