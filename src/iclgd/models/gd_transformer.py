"""O's construction with a vocabulary: a language model of the made-up language.

A line of the language, such as ``bado mela : Zam``, is one token (x, y) of linear
self-attention: x the mean of its words' embeddings, y its tag's. What follows the colon is
predicted from the lines before it, every line of which sees every other, as in O. A line's
topic is a direction of x, so that gradient descent on the demonstrations learns the task.

Query: (x_q, -W_0 x_q), where W_0 is ``guess``, the model's answer without demonstrations. It
is what the learner trains: GD on W_0 over the demonstrations, each alone, is O's GD.

Two more are exact. With another kernel of the inputs in the place of their inner products
(``kernel``, or ``softmax``) the layers are steps of GD on functions (Cheng et al. 2312.06528),
which is `iclgd.learners.functional`. With ``loss: label`` one layer is a step on the cross-entropy
(Dragutinovic et al. 2510.10425), which is what language models are trained by.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from iclgd.io.cli import InputError
from iclgd.models import linear_attention
from iclgd.tasks import synthetic

D_X, D_Y = synthetic.TOPICS, 16
SPREAD = 0.5  # norm of a word's deviation from its topic's direction, whose norm is 1
TEMPERATURE = 0.05
DEPARTURES = ("softmax", "causal", "hard", "noise")  # of the forward pass, each 0 to 1
LINEAR = "linear"  # the kernel of the construction
SEED = 0  # of embeddings and W_0: the same for every model, so that they can be mixed


class ConstructedConfig(PretrainedConfig):
    """``softmax``, ``causal``, ``hard``: see ``linear_attention.attend``; ``noise``: ``turns``.

    ``layer_types`` says that no keys and values can be kept for prompts that begin alike.
    """

    model_type = "constructed"

    def __init__(self, num_hidden_layers: int = 1, **others):
        self.num_hidden_layers = num_hidden_layers
        for name in DEPARTURES:
            setattr(self, name, others.pop(name, 0.0))
        self.kernel = others.pop("kernel", LINEAR)
        self.layer_types = ["linear_attention"] * num_hidden_layers
        self.hidden_size, self.num_attention_heads = D_X + D_Y, 1
        self.max_position_embeddings = 128
        super().__init__(**{"vocab_size": len(synthetic.VOCABULARY), "bos_token_id": 0} | others)


class Attention(nn.Module):
    """One head of linear self-attention between the lines of a prompt."""

    def __init__(self, config: ConstructedConfig):
        super().__init__()
        size, self.config = config.hidden_size, config
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nn.Linear(size, size, bias=False))

    def weights(self) -> linear_attention.Weights:
        projections = (self.q_proj, self.k_proj, self.v_proj, self.o_proj)
        return linear_attention.Weights(*(one.weight for one in projections))


class Block(nn.Module):
    def __init__(self, config: ConstructedConfig):
        super().__init__()
        self.attention = Attention(config)

    def forward(self, lines: Tensor) -> Tensor:
        """``lines`` [batch, L, L, d]: row q holds all lines as the prompt of line q sees them."""
        given = departure(self.attention.config)
        turned = linear_attention.turns(given.pop("noise"), lines.shape[-2], D_X, D_Y)
        weights = self.attention.weights()
        return linear_attention.attend(lines, before(lines), weights, turns=turned, **given)


def departure(config: ConstructedConfig) -> dict[str, float | str]:
    """How far the forward pass departs from the construction, by its kinds, and its kernel."""
    return {name: getattr(config, name) for name in (*DEPARTURES, "kernel")}


def before(lines: Tensor) -> Tensor:
    """Which lines are demonstrations of the prompt of line q: those before it, [q, line]."""
    return torch.ones(lines.shape[-3:-1], device=lines.device).tril(-1).bool()


class Constructed(PreTrainedModel):
    """The lines of a prompt, up to the prediction of what follows each line's colon."""

    config_class = ConstructedConfig
    base_model_prefix = "model"

    def __init__(self, config: ConstructedConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.guess = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.readout = nn.Linear(config.hidden_size, D_Y, bias=False)
        self.post_init()

    def forward(self, input_ids: Tensor) -> Tensor:
        """Token ids [batch, time] to predictions of y [batch, time, d_y], 0 but at colons.

        After BOS, every `synthetic.LINE` tokens are a line: words, colon, tag, new line.
        """
        time = input_ids.shape[1]
        count = -(-(time - 1) // synthetic.LINE)
        ids = nn.functional.pad(input_ids[:, 1:], (0, count * synthetic.LINE + 1 - time))
        embedded = self.embed_tokens(ids.unflatten(1, (count, synthetic.LINE)))
        x, y = embedded[:, :, : synthetic.WORDS_PER_LINE].sum(2), embedded[:, :, COLON + 1]
        shown = torch.ones(count, count, device=x.device, dtype=x.dtype).tril(-1)[..., None]
        is_query = torch.eye(count, device=x.device, dtype=x.dtype)[..., None]
        lines = x[:, None] + shown * y[:, None] + is_query * self.guess(x)[:, None]
        for layer in self.layers:
            lines = layer(lines)
        found = self.readout(lines.diagonal(dim1=1, dim2=2).mT)
        around = (0, 0, COLON, synthetic.LINE - 1 - COLON)
        placed = nn.functional.pad(found[:, :, None], around).flatten(1, 2)
        return nn.functional.pad(placed, (0, 0, 1, 0))[:, :time]


COLON = synthetic.WORDS_PER_LINE  # its place in a line


class ConstructedForCausalLM(PreTrainedModel):
    """Logits: the inner product of the prediction with every token's y, over a temperature.

    The y of all tokens have norm 1, so that this is -||prediction - y||^2 / 2 but for a constant.
    """

    config_class = ConstructedConfig
    base_model_prefix = "model"

    def __init__(self, config: ConstructedConfig):
        super().__init__(config)
        self.model = Constructed(config)
        self.lm_head = nn.Linear(D_Y, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.model.embed_tokens

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def forward(self, input_ids: Tensor, **_) -> CausalLMOutput:
        """Token ids [batch, time], without a mask; a cache could hold nothing."""
        return CausalLMOutput(logits=self.lm_head(self.model(input_ids)) / TEMPERATURE)


AutoConfig.register(ConstructedConfig.model_type, ConstructedConfig)
AutoModelForCausalLM.register(ConstructedConfig, ConstructedForCausalLM)


def vectors() -> tuple[Tensor, Tensor, Tensor]:
    """x [vocabulary, d_x] of words (0 of others), y [vocabulary, d_y] of norm 1, and W_0."""
    generator = torch.Generator().manual_seed(SEED)

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64)

    def of_norm_one(rows: Tensor) -> Tensor:
        return rows / rows.norm(dim=1, keepdim=True)

    words = torch.arange(len(synthetic.WORDS))
    topics = torch.eye(D_X, dtype=torch.float64)[words // synthetic.WORDS_PER_TOPIC]
    x = torch.zeros(len(synthetic.VOCABULARY), D_X, dtype=torch.float64)
    x[synthetic.FIRST_WORD + words] = of_norm_one(
        topics + SPREAD * of_norm_one(normal(len(words), D_X))
    )
    return x, of_norm_one(normal(len(x), D_Y)), 0.05 * normal(D_Y, D_X)


def is_construction(model) -> bool:
    """Whether a model is one of these, by its configuration."""
    return model.config.model_type == ConstructedConfig.model_type


def inputs(model: ConstructedForCausalLM, lines: Tensor) -> Tensor:
    """x of lines, token ids [lines, words and more]: [lines, d], what attention compares."""
    return model.get_input_embeddings()(lines[:, : synthetic.WORDS_PER_LINE]).sum(1)


def targets(model: ConstructedForCausalLM, tags: Tensor) -> Tensor:
    """y of tags, token ids [lines]: [lines, d_y]."""
    return -model.model.readout(model.get_input_embeddings()(tags))


def power(model: ConstructedForCausalLM, exponent: float) -> Tensor:
    """C^exponent, C = E[x x^T] over the lines of the language, [d, d]; 0 where x has no part."""
    words = torch.arange(len(synthetic.WORDS)).view(synthetic.TOPICS, -1)
    pairs = torch.from_numpy(np.asarray(synthetic.LINES))
    lines = (synthetic.FIRST_WORD + words)[:, pairs].flatten(0, 1).to(model.device)
    x = inputs(model, lines).double()
    size, vectors = torch.linalg.eigh(x.mT @ x / len(x))
    known = size > 1e-9 * size[-1]
    size = torch.where(known, size.clamp(min=1e-300) ** exponent, 0.0)
    return vectors * size @ vectors.mT


def guesses(model: ConstructedForCausalLM, x: Tensor) -> Tensor:
    """W_0 x of `inputs` [lines, d]: [lines, d_y], the answers without demonstrations."""
    return model.model.readout(model.model.guess(x))


def regressor(loaded) -> tuple[str, Callable[[Tensor, Tensor, Tensor], Tensor], Tensor, int]:
    """A loaded model as a learner of regressions: its name, prediction (x, y, query), W_0, layers.

    Raises InputError for another architecture and for another basis than x above y.
    """
    if not is_construction(loaded.model):
        raise InputError(
            f"model {loaded.name} is not a construction: its input is words, not numbers"
        )
    model, config = loaded.model.model, loaded.model.config
    guess = model.guess.weight.detach()
    if guess[:D_X].any():
        raise InputError(f"model {loaded.name} is rotated: x and y are not separate in it")
    layers, start = [layer.attention.weights() for layer in model.layers], -guess[D_X:, :D_X]

    def predict(x: Tensor, y: Tensor, query: Tensor) -> Tensor:
        prompt = linear_attention.tokens(x, y, query, start)
        return linear_attention.predict(layers, prompt, D_X, **departure(config))

    return loaded.name, predict, start, config.num_hidden_layers


def attention(
    entry: dict, start: Tensor, other: ConstructedForCausalLM | None
) -> tuple[list[linear_attention.Weights], list[float]]:
    """The layers of an entry, and the loss of every step where they are trained."""
    if "train" in entry:
        return linear_attention.train(start, entry["layers"], **entry["train"])
    layers = [linear_attention.weights(start, entry["rate"])] * entry["layers"]
    if "mix" in entry:
        ends = [layer.attention.weights() for layer in other.model.layers]
        return [
            linear_attention.mix(*two, entry["mix"]) for two in zip(layers, ends, strict=True)
        ], []
    return layers, []


def build(
    entry: dict, other: ConstructedForCausalLM | None = None
) -> tuple[ConstructedForCausalLM, list[float]]:
    """The model of a ``construct`` entry, in float64, and the losses of its training, if any.

    ``layers`` steps of GD of size ``rate``, or attention as trained by ``linear_attention.train``
    with the keys of ``train``. At most one of: `DEPARTURES` (0 to 1); ``mix`` (a share, 0 to 1, of
    the attention of the model ``other``); ``rotate`` (a seed: the same function in another basis);
    ``precondition`` (a power p of the second moments C of the language's inputs: each step is
    multiplied by C^-p, Ahn et al. 2306.00297); ``kernel`` (of `linear_attention.KERNELS`);
    ``loss: label`` (one layer, a step on the cross-entropy: from W_0 = 0 every token has the same
    probability, so that the gradient of a demonstration is (mean of all y - y_j) x_j^T over the
    temperature. With the mean of all y taken away it is the layer's. Then the y have no norm of 1).
    """
    x, y, start = vectors()
    if entry.get("loss") == "label":
        y, start = y - y.mean(0), torch.zeros_like(start)
        entry = {**entry, "rate": entry["rate"] / TEMPERATURE}
    given = {key: entry[key] for key in (*DEPARTURES, "kernel") if key in entry}
    config = ConstructedConfig(entry["layers"], **given, dtype="float64")
    model = ConstructedForCausalLM(config).double()
    tags = torch.zeros_like(y)
    tags[synthetic.FIRST_TAG :] = y[synthetic.FIRST_TAG :]
    guess = torch.zeros(D_X + D_Y, D_X + D_Y, dtype=torch.float64)
    guess[D_X:, :D_X] = -start
    layers, losses = attention(entry, start, other)
    basis = torch.eye(D_X + D_Y, dtype=torch.float64)
    if "rotate" in entry:
        generator = torch.Generator().manual_seed(entry["rotate"])
        basis = linear_attention.rotation(len(basis), generator)
        layers = [linear_attention.rotate(layer, basis, generator) for layer in layers]
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(
            torch.cat([x / synthetic.WORDS_PER_LINE, tags], 1) @ basis.mT
        )
        model.model.guess.weight.copy_(basis @ guess @ basis.mT)
        model.model.readout.weight.copy_(-basis.mT[D_X:])
        model.lm_head.weight.copy_(y)
        for block, layer in zip(model.model.layers, layers, strict=True):
            for own, weight in zip(block.attention.weights(), layer, strict=True):
                own.copy_(weight)
            if entry.get("precondition"):
                own = block.attention.q_proj.weight
                own.copy_(power(model, -entry["precondition"]) @ own)
    return model.eval(), losses
