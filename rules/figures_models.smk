"""Figures of what models are made of: attention, weights, pretraining, constructions."""


rule plot_attention:
    input:
        summary="results/summary/{figure}.parquet",
        library="results/library.js",
        script=own("src/plot_attention.py"),
        lib=imports("src/plot_attention.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/attention.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_attention/{figure}.log",
    benchmark:
        "logs/plot_attention/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("attention"),
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        title=figure_title,
        labels=human_names,
    shell:
        "python {input.script:q} --summary {input.summary:q} --library {input.library:q}"
        " --title {params.title:q} --labels {params.labels:q} --output {output:q} > {log:q} 2>&1"


rule plot_sparsity:
    input:
        summary="results/summary/{figure}.parquet",
        library="results/library.js",
        script=own("src/plot_sparsity.py"),
        lib=imports("src/plot_sparsity.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/sparsity.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_sparsity/{figure}.log",
    benchmark:
        "logs/plot_sparsity/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("sparsity"),
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        title=figure_title,
        labels=human_names,
    shell:
        "python {input.script:q} --summary {input.summary:q} --library {input.library:q}"
        " --title {params.title:q} --labels {params.labels:q} --output {output:q} > {log:q} 2>&1"


rule plot_checkpoints:
    input:
        summary="results/summary/{figure}.parquet",
        library="results/library.js",
        script=own("src/plot_checkpoints.py"),
        lib=imports("src/plot_checkpoints.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/checkpoints.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_checkpoints/{figure}.log",
    benchmark:
        "logs/plot_checkpoints/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("checkpoints"),
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        title=figure_title,
        labels=human_names,
        chance=chances,
    shell:
        "python {input.script:q} --summary {input.summary:q} --library {input.library:q}"
        " --title {params.title:q} --labels {params.labels:q} --chance {params.chance:q} --output {output:q} > {log:q} 2>&1"


rule plot_dose:
    input:
        summary="results/summary/{figure}.parquet",
        library="results/library.js",
        script=own("src/plot_dose.py"),
        lib=imports("src/plot_dose.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/dose.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_dose/{figure}.log",
    benchmark:
        "logs/plot_dose/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("dose"),
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        title=figure_title,
        labels=human_names,
    shell:
        "python {input.script:q} --summary {input.summary:q} --library {input.library:q}"
        " --title {params.title:q} --labels {params.labels:q} --output {output:q} > {log:q} 2>&1"


rule plot_regression:
    input:
        summary="results/summary/{figure}.parquet",
        library="results/library.js",
        script=own("src/plot_regression.py"),
        lib=imports("src/plot_regression.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/regression.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_regression/{figure}.log",
    benchmark:
        "logs/plot_regression/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("regression"),
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        title=figure_title,
        labels=human_names,
    shell:
        "python {input.script:q} --summary {input.summary:q} --library {input.library:q}"
        " --title {params.title:q} --labels {params.labels:q} --output {output:q} > {log:q} 2>&1"


rule plot_twins:
    input:
        summary="results/summary/{figure}.parquet",
        library="results/library.js",
        script=own("src/plot_twins.py"),
        lib=imports("src/plot_twins.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/twins.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_twins/{figure}.log",
    benchmark:
        "logs/plot_twins/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("twins"),
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        title=figure_title,
    shell:
        "python {input.script:q} --summary {input.summary:q} --library {input.library:q}"
        " --title {params.title:q} --output {output:q} > {log:q} 2>&1"
