"""Summaries: what the figures show, as estimates with 95 % bands; one rule per statistic."""


rule summarise_agreement:
    input:
        agreement=figure_pairs,
        script=own("src/summarise_agreement.py"),
        lib=imports("src/summarise_agreement.py"),
    output:
        "results/summary/{figure}.parquet",
    log:
        "logs/summarise_agreement/{figure}.log",
    benchmark:
        "logs/summarise_agreement/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("agreement", "shots", "size"),
    conda:
        "../envs/plot.yaml"
    shell:
        "python {input.script:q} --agreement {input.agreement:q} --output {output:q} > {log:q} 2>&1"


rule summarise_controls:
    input:
        agreement=figure_pairs,
        script=own("src/summarise_controls.py"),
        lib=imports("src/summarise_controls.py"),
    output:
        "results/summary/{figure}.parquet",
    log:
        "logs/summarise_controls/{figure}.log",
    benchmark:
        "logs/summarise_controls/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("controls"),
    conda:
        "../envs/plot.yaml"
    params:
        controls=figure_controls,
    shell:
        "python {input.script:q} --agreement {input.agreement:q} --controls {params.controls:q}"
        " --output {output:q} > {log:q} 2>&1"


rule summarise_curves:
    input:
        agreement=figure_pairs,
        curves=figure_curves,
        script=own("src/summarise_curves.py"),
        lib=imports("src/summarise_curves.py"),
    output:
        "results/summary/{figure}.parquet",
    log:
        "logs/summarise_curves/{figure}.log",
    benchmark:
        "logs/summarise_curves/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("depth"),
    conda:
        "../envs/plot.yaml"
    shell:
        "python {input.script:q} --agreement {input.agreement:q} --curves {input.curves:q}"
        " --output {output:q} > {log:q} 2>&1"


rule summarise_accuracy:
    input:
        logits=figure_logits,
        script=own("src/summarise_accuracy.py"),
        lib=imports("src/summarise_accuracy.py"),
    output:
        "results/summary/{figure}.accuracy.parquet",
    log:
        "logs/summarise_accuracy/{figure}.log",
    benchmark:
        "logs/summarise_accuracy/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("scale", "checkpoints"),
    conda:
        "../envs/plot.yaml"
    shell:
        "python {input.script:q} --logits {input.logits:q} --output {output:q} > {log:q} 2>&1"


rule summarise_order:
    input:
        logits=figure_logits,
        script=own("src/summarise_order.py"),
        lib=imports("src/summarise_order.py"),
    output:
        "results/summary/{figure}.order.parquet",
    log:
        "logs/summarise_order/{figure}.log",
    benchmark:
        "logs/summarise_order/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("order", "variance"),
    conda:
        "../envs/plot.yaml"
    params:
        reference=first_learner,
    shell:
        "python {input.script:q} --logits {input.logits:q} --reference {params.reference:q}"
        " --output {output:q} > {log:q} 2>&1"


rule summarise_variance:
    input:
        logits=figure_logits,
        demonstrations=figure_demonstrations,
        task=figure_tasks,
        script=own("src/summarise_variance.py"),
        lib=imports("src/summarise_variance.py"),
    output:
        "results/summary/{figure}.parquet",
    log:
        "logs/summarise_variance/{figure}.log",
    benchmark:
        "logs/summarise_variance/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("variance"),
    conda:
        "../envs/plot.yaml"
    shell:
        "python {input.script:q} --logits {input.logits:q}"
        " --demonstrations {input.demonstrations:q} --task {input.task:q}"
        " --output {output:q} > {log:q} 2>&1"


rule summarise_attention:
    input:
        attention=figure_attention,
        logits=figure_logits,
        script=own("src/summarise_attention.py"),
        lib=imports("src/summarise_attention.py"),
    output:
        "results/summary/{figure}.parquet",
    log:
        "logs/summarise_attention/{figure}.log",
    benchmark:
        "logs/summarise_attention/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("attention"),
    conda:
        "../envs/plot.yaml"
    params:
        reference=first_learner,
    shell:
        "python {input.script:q} --attention {input.attention:q} --logits {input.logits:q}"
        " --reference {params.reference:q} --output {output:q} > {log:q} 2>&1"


rule summarise_sparsity:
    input:
        sparsity=figure_sparsity,
        circuits=figure_circuits,
        script=own("src/summarise_sparsity.py"),
        lib=imports("src/summarise_sparsity.py"),
    output:
        "results/summary/{figure}.parquet",
    log:
        "logs/summarise_sparsity/{figure}.log",
    benchmark:
        "logs/summarise_sparsity/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("sparsity"),
    conda:
        "../envs/plot.yaml"
    shell:
        "python {input.script:q} --sparsity {input.sparsity:q} --circuits {input.circuits:q}"
        " --output {output:q} > {log:q} 2>&1"


rule summarise_dose:
    input:
        agreement=figure_pairs,
        logits=figure_pair_logits,
        manifests=figure_manifests,
        script=own("src/summarise_dose.py"),
        lib=imports("src/summarise_dose.py"),
    output:
        "results/summary/{figure}.parquet",
    log:
        "logs/summarise_dose/{figure}.log",
    benchmark:
        "logs/summarise_dose/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("dose"),
    conda:
        "../envs/plot.yaml"
    shell:
        "python {input.script:q} --agreement {input.agreement:q} --logits {input.logits:q}"
        " --manifests {input.manifests:q} --output {output:q} > {log:q} 2>&1"


rule summarise_regression:
    input:
        models=figure_manifests,
        folders=figure_folders,
        script=own("src/summarise_regression.py"),
        lib=imports("src/summarise_regression.py"),
    output:
        "results/summary/{figure}.parquet",
    log:
        "logs/summarise_regression/{figure}.log",
    benchmark:
        "logs/summarise_regression/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("regression"),
    conda:
        "../envs/torch.yaml"
    threads: 1
    shell:
        "python {input.script:q} --models {input.models:q} --output {output:q}"
        " --threads {threads} > {log:q} 2>&1"


rule summarise_checkpoints:
    input:
        accuracy="results/summary/{figure}.accuracy.parquet",
        drift=figure_drift,
        script=own("src/summarise_checkpoints.py"),
        lib=imports("src/summarise_checkpoints.py"),
    output:
        "results/summary/{figure}.parquet",
    log:
        "logs/summarise_checkpoints/{figure}.log",
    benchmark:
        "logs/summarise_checkpoints/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("checkpoints"),
    conda:
        "../envs/plot.yaml"
    shell:
        "python {input.script:q} --accuracy {input.accuracy:q} --drift {input.drift:q}"
        " --output {output:q} > {log:q} 2>&1"


rule summarise_twins:
    input:
        perplexity=figure_perplexity,
        manifests=figure_manifests,
        script=own("src/summarise_twins.py"),
        lib=imports("src/summarise_twins.py"),
    output:
        "results/summary/{figure}.parquet",
    log:
        "logs/summarise_twins/{figure}.log",
    benchmark:
        "logs/summarise_twins/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("twins"),
    conda:
        "../envs/plot.yaml"
    shell:
        "python {input.script:q} --perplexity {input.perplexity:q}"
        " --manifests {input.manifests:q} --output {output:q} > {log:q} 2>&1"


rule summarise_equivalence:
    input:
        agreement=figure_pairs,
        script=own("src/summarise_equivalence.py"),
        lib=imports("src/summarise_equivalence.py"),
    output:
        "results/summary/{figure}.parquet",
    log:
        "logs/summarise_equivalence/{figure}.log",
    benchmark:
        "logs/summarise_equivalence/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("equivalence"),
    conda:
        "../envs/plot.yaml"
    params:
        reference=order_reference,
    shell:
        "python {input.script:q} --agreement {input.agreement:q} --reference {params.reference:q}"
        " --output {output:q} > {log:q} 2>&1"


rule summarise_nearest:
    input:
        agreement=figure_pairs,
        logits=figure_pair_logits,
        script=own("src/summarise_nearest.py"),
        lib=imports("src/summarise_nearest.py"),
    output:
        "results/summary/{figure}.parquet",
    log:
        "logs/summarise_nearest/{figure}.log",
    benchmark:
        "logs/summarise_nearest/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("nearest"),
    conda:
        "../envs/plot.yaml"
    shell:
        "python {input.script:q} --agreement {input.agreement:q} --logits {input.logits:q}"
        " --output {output:q} > {log:q} 2>&1"


rule judge_claims:
    input:
        summaries=summaries,
        claims=own("src/iclgd/reporting/claims/claims.yaml"),
        script=own("src/judge_claims.py"),
        lib=imports("src/judge_claims.py"),
    output:
        "results/summary/claims.parquet",
    log:
        "logs/judge_claims/claims.log",
    benchmark:
        "logs/judge_claims/claims.tsv"
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        kinds=figure_kinds,
        roles=roles,
    shell:
        "python {input.script:q} --summaries {input.summaries:q} --kinds {params.kinds:q}"
        " --claims {input.claims:q} --roles {params.roles:q} --output {output:q} > {log:q} 2>&1"
