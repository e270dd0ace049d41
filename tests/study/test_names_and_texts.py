"""Names, revisions, addresses and texts that are unsafe or too long are refused."""

import copy

import pytest
from support.configurations import DEFAULT, ROOT, changed

from iclgd.study import checks
from iclgd.study.config import ConfigError


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "a/b", "/x", ".x", "-x", "a b", "a\n", "a\0", "a;b", "a@b", "a*"),
        *("аdam", "ａ", "é", "a\u202e", "a--b", "x.json", "x.curves", "x.accuracy", "x" * 51),
    ],
)
@pytest.mark.parametrize(
    "catalogue_of", ["models", "tasks", "demonstrations", "learners", "figures"]
)
def test_a_name_is_no_path(catalogue_of, name):
    config = copy.deepcopy(DEFAULT)
    config[catalogue_of][name] = next(iter(DEFAULT[catalogue_of].values()))
    with pytest.raises(ConfigError, match=r"^config: .*must be|no file name") as caught:
        checks.check(config, ROOT)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "revision", ["../../x", "..", "a/b", "a\n", "", "x" * 65, "a--b", "a.json"]
)
def test_a_revision_is_no_path(revision):
    with pytest.raises(ConfigError, match=r"models\.x\.revisions\.0: the revision '"):
        checks.check(changed("models/x", {"hub": "a/b", "revisions": [revision]}), ROOT)


def test_the_longest_names_fit_a_file_name():
    longest = f"{'x' * 50}@{'x' * 64}"
    assert len(f".{longest}--{longest}.parquet.partial") <= 255


def test_a_study_fits_the_command_line_of_its_report():
    config = copy.deepcopy(DEFAULT)
    for name in range(9):
        checks.check(config, ROOT)
        config["tasks"][f"long{name}"] = {**config["tasks"]["topic4"], "instruction": "x" * 9999}
    with pytest.raises(ConfigError, match="all entries are too long for the command"):
        checks.check(config, ROOT)


@pytest.mark.parametrize(
    "hub", ["../x", "a/b/c", "/x", "a b", "-a", "a--b", "a/..", "x.git", "a\n"]
)
def test_an_address_on_the_hub_is_no_path(hub):
    with pytest.raises(ConfigError, match=r"models\.x\.hub: the address '"):
        checks.check(changed("models/x", {"hub": hub}), ROOT)


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31m", "\u202e", "\u200b", "\u2028", "\t"])
@pytest.mark.parametrize("path", ["models/gptj/label", "figures/order/title"])
def test_what_readers_see_is_printable(path, text):
    with pytest.raises(ConfigError, match="characters that do not print") as caught:
        checks.check(changed(path, text), ROOT)
    assert str(caught.value).isprintable()


def test_prompts_with_more_than_fields_are_refused():
    for part in ("{text.__class__}", "{text[0]}", "{0}", "{}", "{text!r}", "{text:>1000000000}"):
        with pytest.raises(ConfigError, match="the name of a field alone may stand"):
            checks.check(changed("tasks/topic4/prompt", part + " {label}"), ROOT)
    checks.check(changed("tasks/topic4/prompt", "{{{text}}} : {label}"), ROOT)
