"""The caption of every kind of figure, in its report and in Snakemake's, and that of the report."""

from __future__ import annotations

import textwrap


def _text(text: str) -> str:
    """One paragraph."""
    return " ".join(textwrap.dedent(text).split())


CAPTIONS = {
    "agreement": _text("""
        How accurate ICL, gradient descent (GD) and what they are compared with are, and how closely
        their answers agree with ICL's. Accuracy counts a query as right if the most likely token of
        the whole vocabulary is the first token of the answer; token overlap is the share of shared
        tokens among the ten most likely; OCS is the cosine of the two distributions cut to their
        own ten most likely tokens. GD at the rate and epoch with the best accuracy on validation
        queries. Shaded: ICL's own accuracy, and ICL against ICL with its demonstrations reordered.
        Bars: 95 % intervals over draws and queries, which are crossed (two random factors,
        Student's t; of accuracy Wilson's).
    """),
    "epochs": _text("""
        Accuracy and agreement with ICL over epochs of gradient descent, as in Figure 5 of Shen et
        al., one line per learning rate. Horizontal lines: ICL itself, ICL against ICL with other
        orders or demonstrations, the pretrained model without demonstrations (ZS, epoch 0), and,
        thin and without bands, solvers of the task that do no GD. Circles: the epoch with the best
        accuracy on validation queries. Bands: 95 % intervals over draws and queries.
    """),
    "equivalence": _text("""
        Whether gradient descent is as near to ICL as ICL is to itself, by total variation between
        next-token distributions, over test queries; GD at the rate and epoch nearest to ICL on the
        validation queries of the other draws. The excess is the distance of GD from ICL minus that
        of ICL from itself under other orders of the same demonstrations, paired draw by draw and
        query by query. Different: the excess is surely above the smallest effect of interest
        (dashed), which is fixed beforehand. Equivalent: it is surely below that, not surely above
        0, and GD is surely nearer to ICL than every solver of the task that does no GD. Negligible:
        the same, but surely above 0. Unspecific: near, but surely not nearer than the best such
        solver by the smallest effect. Inconclusive: none of these, or, as said beside it, no ICL to
        compare (the pretrained model is not surely farther away than the smallest effect), training
        that had not ended, or rounding that alone moves GD by more. Bars: bounds of one-sided tests
        at 5 %, at the level that Holm's procedure gives each of the primary tests, which the study
        declares; tests below the line are for exploration, without correction.
    """),
    "errors": _text("""
        Whether learners err where ICL errs, where it does (accuracy and distances cannot say so
        where it is unsure). An error: the likeliest label is not the right one. Left: how often a
        learner errs where ICL errs, and where ICL is right; if errors have nothing in common, both
        are the same. Right: where both err, how often with one wrong label; by chance is how often
        ICL's wrong label in one draw is the learner's in another, at the same right label. ICL
        under another order of the same demonstrations shows how far ICL's errors are its own;
        solvers that do no GD show what the task alone leads to. GD at the rate and epoch nearest to
        ICL, for each draw by the validation queries of the others. Bars: 95 % intervals over draws
        and queries; tests are one-sided at 5 %, each by itself.
    """),
    "existence": _text("""
        Where the gap between ICL and gradient descent arises: how far every learner is from ICL, by
        total variation over test queries, from far to near; left in units of the distance of ICL
        from itself under another order of the same demonstrations (the line). What ICL taught has
        seen no label: weights trained on its answers to other texts, task vectors and static
        patches made of its states there, their layer or ridge chosen by the draw's own validation
        queries. Controls: teachers shuffled between texts; the right labels of the same texts.
        Filled: at the rate and epoch nearest to ICL on validation queries, each draw at that of the
        other draws; open: at that of best accuracy. Bars: 95 % intervals over draws and queries.
    """),
    "nearest": _text("""
        How near gradient descent comes to ICL, along its training loss, which makes rates
        comparable: total variation between next-token distributions and share of shared tokens
        among the ten likeliest, over test queries, one line per rate, epochs from left to right.
        Circles: the rate and epoch of each family nearest to ICL on validation queries; none of the
        rates and epochs tried comes nearer there (at the last epoch or the largest rate others
        might). Blue dashes: ICL under another order of the same demonstrations; thin lines, without
        bands: solvers of the task that do no GD. Bands: 95 % intervals over draws and queries.
    """),
    "sensitivity": _text("""
        Whether what is said of gradient descent hangs on how it descends: one row for each protocol
        (batch, optimiser, loss and what it trains), one tile for each rate and recorded epoch.
        Left: total variation between the next-token distributions of GD and ICL, light where they
        are near; outlined are the tiles that are no farther from ICL than ICL is from itself under
        another order of the same demonstrations, plus the smallest effect of interest. Right:
        accuracy. A cross: a run diverged. A ring: the rate and epoch nearest to ICL on validation
        queries. In words: distance and excess over ICL's own noise there, each draw at the rate and
        epoch that the other draws choose, so that the best of many is not chosen by what it is
        judged by. Within reach: the excess is surely below the smallest effect; out of reach:
        surely above it; undecided: neither. Brackets: bounds of one-sided tests at 5 %, each by
        itself. Epoch 0 is the pretrained model without demonstrations (zero-shot).
    """),
    "shots": _text("""
        Accuracy and agreement against the number of demonstrations. GD is shown at the rate and
        epoch with the best accuracy on validation queries; all values are over test queries, which
        are disjoint from those. Bands: 95 % intervals over draws and queries, which are crossed
        (two random factors, Student's t; of accuracy Wilson's).
    """),
    "size": _text("""
        The same comparison for models of several sizes and architectures. A model that did not
        acquire in-context learning, or was trained on the ICL objective, is marked.
    """),
    "depth": _text("""
        Token overlap and OCS for every K from 1 to 100: whether a finding depends on the choice K =
        10. GD at the rate and epoch chosen on validation queries.
    """),
    "scale": _text("""
        Gradient descent with many demonstrations against ICL with few (Table 1 of Shen et al.). GD
        at the rate and epoch chosen on validation queries, accuracy over test queries.
    """),
    "order": _text("""
        Sensitivity to the order of the same demonstrations. Sen is the sum over the vocabulary of
        the standard deviation (ddof = 1) over orders of the next-token probability, averaged over
        queries. If ICL were GD, both would change alike: the cosine of the changes would be 1. But
        it is high, too, if both follow the last labels, whatever is asked. Diamonds: the same
        cosine between different queries. Own parts: that of what is left without the parts along
        both mean patterns over queries, which is 1 if ICL is GD, and does not exist for what reads
        no query. Solvers do no GD.
    """),
    "variance": _text("""
        The variance over all N! orders of the answer's log-odds, split by nested least squares: the
        label of the last demonstration, which demonstration is last, the positions of all
        demonstrations, and the rest. Numbers below 0, which only noise makes, have no length;
        intervals are in the table.
    """),
    "attention": _text("""
        ICL against gradient descent inside self-attention, at the last token of the query: SimAOU
        (updates of the attention's output, L2-normalised as in Dai et al., and not, as in Deutch et
        al.), SimAM (q.k with the query's own tokens, and their changes), Kendall's tau (attention
        to the demonstrations against inner products with their query vectors in training), and
        Rec2FTP (share of GD's corrections that ICL makes too). Grey dots: controls. Grey bars:
        baselines, namely unrelated updates and corrections, and for SimAM and tau the model before
        training. Rates chosen on validation queries.
    """),
    "sparsity": _text("""
        Share of weights below a threshold, raw and after scaling each matrix to RMS 1, with the
        share that the construction of von Oswald et al. would need at the widths of these models
        (dashed, x and y taking half of the width each, as in the construction here; Shen et al.
        take each as wide as the model, which is a matrix of twice the width). Below: measures of
        each head's W_Q^T W_K and W_O W_V that do not depend on the basis. The construction meets
        its own need; rotated, it is the same function, with the same measures below and none of the
        small weights.
    """),
    "checkpoints": _text("""
        ICL accuracy and mean absolute change of the weights over pretraining checkpoints.
    """),
    "controls": _text("""
        ICL with itself (the same demonstrations in another order), ICL with GD, and the same pair
        for negative controls: untrained models, and uninformative demonstrations. A metric on which
        a control agrees as well as ICL with itself cannot decide whether ICL is GD.
    """),
    "dose": _text("""
        The positive control: the construction of von Oswald et al. as a language model, where ICL
        is GD, and how every metric responds as the two become different. GD is at the rate and
        epoch nearest to each model's ICL on validation queries, so that a mere mismatch of rate or
        steps is no departure; dotted, total variation with rate and steps of the construction.
        Softmax attention is descent on functions, in the space of the kernel exp(x.x') and with a
        step of its own at each x: at share 1 the dashed line, a learner that takes just these
        steps, finds them equal. Trained weights are GD of another rate for the most part; with
        fewer or more steps than the model has layers GD is another GD. Not GD are causal attention,
        attention to the nearest demonstration alone, and values that are turned at random: no rate
        and no number of steps makes up for these. A metric that does not fall there cannot
        distinguish the two anywhere.
    """),
    "label_dose": _text("""
        Whether learners follow the labels that demonstrations show: accuracy against the right
        label (above), and the share of queries answered with the label that most demonstrations of
        their class show (below), as the same demonstrations have more and more wrong labels, each
        the one after the right one; on the right, all label words are replaced by others that say
        nothing. Who answers as shown falls along the dashed diagonal; who only recognises the task
        stays where it was. Rate and epoch: best accuracy on validation queries with right labels.
        Bars: 95 % intervals over draws and queries.
    """),
    "reach": _text("""
        How much of ICL's change of a query's logits a small step along the gradients of the
        demonstrations could make, in each matrix of each layer (rest: embeddings, norms and
        biases): R² on test queries, with one weight for each demonstration, none negative, fitted
        on validation queries. What ICL does to all queries alike is taken away: at 0 a step does no
        better than that. Above: which label, the logits of the labels less their mean; below:
        whether it is a label at all, their log-odds together. Beside the run's own demonstrations
        stand the same with wrong labels, which teach another mapping, and as many other texts with
        their right ones. Means over draws.
    """),
    "updates": _text("""
        Whether gradient descent changes the weights as imitating ICL would. On the one side the
        static patch of each matrix that reads or writes in an MLP: one change for all queries,
        fitted to ICL's states on other texts, without labels. On the other what GD on the
        demonstrations adds to the same matrix by its last epoch. Left: the cosine of the two;
        middle: the share of the patch (squared) on as many of the inputs that GD moves most as
        there are demonstrations. Beside the run's own demonstrations stand the same with wrong
        labels, and other texts. Right: how alike the changes are that two texts still need there,
        behind the patches below; at 1 one change does for all. In the construction, where ICL is
        GD, the cosine is 1. Means over draws, bars: 95 % intervals over draws.
    """),
    "steps": _text("""
        How many steps of an algorithm the layers of a model are worth: total variation between the
        model's ICL and each learner after so many steps, over test queries, at the rate that is
        nearest there on validation queries. GD, GD++ and Newton's iteration work on the inputs as
        they are embedded. In the construction of two layers GD is exact after two steps. Trained
        linear attention was trained on inputs of another distribution (uniform, in all directions
        alike). Circles: the nearest number of steps, on validation queries. Bands: 95 % intervals
        over draws and queries.
    """),
    "regression": _text("""
        The metrics of von Oswald et al. on linear regression: distance of the predictions, distance
        and cosine of the sensitivities d prediction / d query, of each model and of GD with the
        step size that comes nearest to it; inputs of the scale of training and of others.
    """),
    "twins": _text("""
        Models pretrained with momentum attention beside twins without it (momentum 0, the same
        code), of the same seeds. Above: perplexity by position in held-out documents, and accuracy
        of in-context learning by the number of demonstrations, as means over seeds, with a dot for
        each seed. Below: the difference from the twin, paired by seed, with a thin line for each
        seed. The table has 95 % intervals over seeds (Wilson's with the effective number of seeds
        for accuracies, Student's t for perplexity and for differences, cut where they cannot be).
    """),
}

REPORT = _text("""
    The results of this study on one page that works without a network: the answer, the papers'
    claims, every figure with its caption and its table, real prompts with what ICL and the other
    learners answer, a comparison with another such page, methods, configuration and versions.
""")
