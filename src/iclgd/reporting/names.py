"""Roles and labels of the names in a study.

Names are arbitrary. Each has a role, derived from its entry in the configuration
(``iclgd.study.roles``), and a label for readers; neither is inferred from the name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from iclgd.io.cli import InputError
from iclgd.reporting import style
from iclgd.study.names import base, value

# The pretrained model without demonstrations: epoch 0 of every GD. No entry has a space in it.
ZERO_SHOT = "zero shot"
# Roles without training:
REFERENCES = ("icl", "icl-reordered", "icl-redrawn", "bayes", "imagined", "solver")
LABELS = {
    "icl": "ICL",
    "icl-reordered": "ICL, demonstrations reordered",
    "icl-redrawn": "ICL, other demonstrations",
    "bayes": "Bayes (exact)",
    "imagined": "after an imagined example",
    "solver": "solver without GD",
    "taught": "taught by ICL",
    "shuffled": "taught by ICL, shuffled",
    "labelled": "trained on right labels",
    "tangent": "best first-order step",
    "gd": "GD, whole model",
    "gd-middle": "GD, middle layer",
    "gd-deep": "GD, deep layer",
    "gd-kernel": "GD on functions",
    "newton": "Newton's method",
    "sgd": "SGD",
    "adam": "Adam",
    "zs": "no demonstrations (ZS)",
}
LEARNERS = ("learner", "a", "b")


@dataclass(frozen=True)
class Names:
    """The names of one figure. ``roles`` and ``labels``: by name without ``@value``."""

    roles: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def role(self, name: str) -> str:
        """A learner's role, a key of `style.ROLES`. Raises InputError for a name without one."""
        if name == ZERO_SHOT:
            return "zs"
        if base(name) not in self.roles:
            raise InputError(f"--figure: learner {base(name)!r} has no role")
        return self.roles[base(name)]

    def with_roles(self, frame: pl.DataFrame) -> pl.DataFrame:
        """``frame`` with the role of every learner: ``learner_role``, ``a_role``, ``b_role``."""
        for column in LEARNERS:
            if column in frame.columns:
                known = frame[column].unique().drop_nulls().to_list()
                roles = pl.Series([self.role(one) for one in known], dtype=pl.String)
                role = pl.col(column).replace_strict(known, roles, default=None)
                frame = frame.with_columns(role.cast(pl.String).alias(f"{column}_role"))
        return frame

    def is_reference(self, learner: str) -> bool:
        """Whether a learner involves no training: in-context learning itself, in any order or with
        any demonstrations, the exact Bayesian reader, one of these after an imagined example, or
        another solver.
        """
        return self.role(learner) in REFERENCES

    def families(self, learners: Iterable[str]) -> list[str]:
        """Families in the order of `style.ROLES`, then by name: ICL first, GD whole, middle, ..."""
        order = list(style.ROLES)
        found = {base(one) for one in learners}
        return sorted(found, key=lambda one: (order.index(self.role(one)), one))

    def styles(self, learners: Iterable[str]) -> dict[str, dict]:
        """Colour and dash of every family; families of one role differ in their dashes."""
        found: dict[str, dict] = {}
        seen: Counter[str] = Counter()
        for one in self.families(learners):
            look, place = style.ROLES[self.role(one)], seen[self.role(one)]
            more = style.MORE_DASHES[place % len(style.MORE_DASHES)]
            found[one] = {**look, "dash": more if place else look["dash"]}
            seen[self.role(one)] += 1
        return found

    def label(self, name: str) -> str:
        """What readers see: the label of the name or of its entry, or one made of its role.

        A learner's value is its rate; that of a model a revision or a dose.
        """
        if name in self.labels:
            return self.labels[name]
        text = self.labels.get(base(name)) or self._by_role(base(name))
        if rate(name) is not None and self.roles.get(base(name)) in style.ROLES:
            return f"{text}, rate {style.number(rate(name))}"
        return f"{text} {value(name)}".strip()

    def _by_role(self, name: str) -> str:
        """A label for an entry that has none: its role's, with the name where others share it."""
        role = "zs" if name == ZERO_SHOT else self.roles.get(name)
        if role not in LABELS:
            return name
        several = [*self.roles.values()].count(role) > 1
        return f"{LABELS[role]} ({name})" if several else LABELS[role]

    def short(self, learner: str) -> str:
        """A column's heading: the label without the method, as in ``W_V, deep layer``."""
        return re.sub(r"^GD,\s*", "", self.label(base(learner)))

    def run_title(self, run: dict) -> str:
        """``llama-7b · AG News · 4 demonstrations (design n4)``, without a model of several."""
        shots = f"{run['shots']} demonstration" + ("" if run["shots"] == 1 else "s")
        design = self.labels.get(run["design"], f"design {run['design']}")
        models = [self.label(run["model"])] if "model" in run else []
        return " · ".join([*models, self.label(run["task"]), f"{shots} ({design})"])

    def key(self, learners: Iterable[str], styles: dict[str, dict]) -> list[dict]:
        """The part of a figure's key that names learners."""
        return [{"label": self.label(one), **styles[one]} for one in learners]

    def model_colours(self, models: list[str]) -> dict[str, str]:
        """A colour for every model: warm for constructions of GD, cold for all others."""
        made = [one for one in models if self.roles.get(base(one)) == "construction"]
        rest = [one for one in models if one not in made]
        warm = style.ramp(style.RATES[1:4], len(made))
        cold = style.ramp(style.MODELS, len(rest))
        return dict(zip([*made, *rest], [*warm, *cold], strict=True))


def rate(learner: str) -> float | None:
    """The learning rate in a learner's name; None where it has none."""
    try:
        return float(value(learner))
    except ValueError:
        return None


def rates(learners: Iterable[str]) -> dict[float, str]:
    """A colour for every learning rate in these names, light to dark as they grow."""
    found = sorted({rate(one) for one in learners} - {None})
    return dict(zip(found, style.ramp(style.RATES, len(found)), strict=True))


def rate_key(colours: dict) -> list[dict]:
    """The part of a figure's key that names learning rates."""
    items = [
        {"label": style.number(one), "color": colour, "dash": style.SOLID}
        for one, colour in colours.items()
    ]
    return [{"label": "learning rate"}, *items] if items else []
