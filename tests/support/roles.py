"""The roles of the learners, models and tasks in made-up tables."""

ROLES = {
    "icl": "icl",
    "icl-reordered": "icl-reordered",
    "icl-redrawn": "icl-redrawn",
    "bayes": "bayes",
    "icl-imagined": "imagined",
    "oracle": "solver",
    "gd": "gd",
    "gd-v-middle": "gd-middle",
    "gd-v-deep": "gd-deep",
    "functions": "gd-kernel",
    "distil": "taught",
    "patch": "taught",
    "gd-v": "gd-other",
    "gd-kv": "gd-other",
    "gd-kv-attention": "gd-other",
    "sgd": "sgd",
    "sgd-1": "sgd",
    "sgd-2": "sgd",
    "sgd-4": "sgd",
    "adam": "adam",
}
