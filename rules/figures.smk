"""Figures as SVG, PNG, PDF, a self-contained page and a LaTeX table; and the findings in words."""


rule bundle_library:
    input:
        script=own("src/bundle_library.py"),
        lib=imports("src/bundle_library.py"),
    output:
        "results/library.js",
    log:
        "logs/bundle_library/all.log",
    benchmark:
        "logs/bundle_library/all.tsv"
    localrule: True
    conda:
        "../envs/plot.yaml"
    shell:
        "python {input.script:q} --output {output:q} > {log:q} 2>&1"


rule plot_agreement:
    input:
        summary="results/summary/{figure}.parquet",
        library="results/library.js",
        script=own("src/plot_agreement.py"),
        lib=imports("src/plot_agreement.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/agreement.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_agreement/{figure}.log",
    benchmark:
        "logs/plot_agreement/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("agreement"),
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


rule plot_shots:
    input:
        summary="results/summary/{figure}.parquet",
        library="results/library.js",
        script=own("src/plot_shots.py"),
        lib=imports("src/plot_shots.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/shots.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_shots/{figure}.log",
    benchmark:
        "logs/plot_shots/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("shots"),
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


rule plot_depth:
    input:
        summary="results/summary/{figure}.parquet",
        library="results/library.js",
        script=own("src/plot_depth.py"),
        lib=imports("src/plot_depth.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/depth.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_depth/{figure}.log",
    benchmark:
        "logs/plot_depth/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("depth"),
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        title=figure_title,
        labels=human_names,
    shell:
        "python {input.script:q} --summary {input.summary:q} --library {input.library:q}"
        " --title {params.title:q} --labels {params.labels:q} --output {output:q} > {log:q} 2>&1"


rule plot_order:
    input:
        summary="results/summary/{figure}.order.parquet",
        library="results/library.js",
        script=own("src/plot_order.py"),
        lib=imports("src/plot_order.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/order.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_order/{figure}.log",
    benchmark:
        "logs/plot_order/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("order"),
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        title=figure_title,
        labels=human_names,
    shell:
        "python {input.script:q} --summary {input.summary:q} --library {input.library:q}"
        " --title {params.title:q} --labels {params.labels:q} --output {output:q} > {log:q} 2>&1"


rule plot_variance:
    input:
        summary="results/summary/{figure}.parquet",
        order="results/summary/{figure}.order.parquet",
        library="results/library.js",
        script=own("src/plot_variance.py"),
        lib=imports("src/plot_variance.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/variance.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_variance/{figure}.log",
    benchmark:
        "logs/plot_variance/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("variance"),
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        title=figure_title,
        labels=human_names,
    shell:
        "python {input.script:q} --summary {input.summary:q} --order {input.order:q}"
        " --library {input.library:q} --title {params.title:q} --labels {params.labels:q} --output {output:q} > {log:q} 2>&1"


rule plot_controls:
    input:
        summary="results/summary/{figure}.parquet",
        library="results/library.js",
        script=own("src/plot_controls.py"),
        lib=imports("src/plot_controls.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/controls.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_controls/{figure}.log",
    benchmark:
        "logs/plot_controls/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("controls"),
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        title=figure_title,
        labels=human_names,
        controls=figure_controls,
    shell:
        "python {input.script:q} --summary {input.summary:q} --library {input.library:q}"
        " --title {params.title:q} --labels {params.labels:q}"
        " --controls {params.controls:q} --output {output:q} > {log:q} 2>&1"


rule plot_size:
    input:
        summary="results/summary/{figure}.parquet",
        manifests=figure_manifests,
        library="results/library.js",
        script=own("src/plot_size.py"),
        lib=imports("src/plot_size.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/size.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_size/{figure}.log",
    benchmark:
        "logs/plot_size/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("size"),
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        title=figure_title,
        labels=human_names,
        chance=chances,
    shell:
        "python {input.script:q} --summary {input.summary:q} --manifests {input.manifests:q}"
        " --title {params.title:q} --labels {params.labels:q} --chance {params.chance:q} --library {input.library:q} --output {output:q} > {log:q} 2>&1"


rule plot_scale:
    input:
        summary="results/summary/{figure}.accuracy.parquet",
        library="results/library.js",
        script=own("src/plot_scale.py"),
        lib=imports("src/plot_scale.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/scale.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_scale/{figure}.log",
    benchmark:
        "logs/plot_scale/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("scale"),
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        title=figure_title,
        labels=human_names,
    shell:
        "python {input.script:q} --summary {input.summary:q} --library {input.library:q}"
        " --title {params.title:q} --labels {params.labels:q} --output {output:q} > {log:q} 2>&1"


rule plot_equivalence:
    input:
        summary="results/summary/{figure}.parquet",
        library="results/library.js",
        script=own("src/plot_equivalence.py"),
        lib=imports("src/plot_equivalence.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/equivalence.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_equivalence/{figure}.log",
    benchmark:
        "logs/plot_equivalence/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("equivalence"),
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        title=figure_title,
        labels=human_names,
    shell:
        "python {input.script:q} --summary {input.summary:q} --library {input.library:q}"
        " --title {params.title:q} --labels {params.labels:q} --output {output:q} > {log:q} 2>&1"


rule plot_nearest:
    input:
        summary="results/summary/{figure}.parquet",
        library="results/library.js",
        script=own("src/plot_nearest.py"),
        lib=imports("src/plot_nearest.py"),
    output:
        report(
            "results/figures/{figure}.svg",
            caption="captions/nearest.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.png",
        "results/figures/{figure}.pdf",
        "results/figures/{figure}.html",
        "results/figures/{figure}.tex",
    log:
        "logs/plot_nearest/{figure}.log",
    benchmark:
        "logs/plot_nearest/{figure}.tsv"
    wildcard_constraints:
        figure=of_kind("nearest"),
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        title=figure_title,
        labels=human_names,
    shell:
        "python {input.script:q} --summary {input.summary:q} --library {input.library:q}"
        " --title {params.title:q} --labels {params.labels:q} --output {output:q} > {log:q} 2>&1"


rule report_findings:
    input:
        summaries=summaries,
        manifests=all_manifests,
        script=own("src/report_findings.py"),
        lib=imports("src/report_findings.py"),
    output:
        "results/findings.txt",
    log:
        "logs/report_findings/findings.log",
    benchmark:
        "logs/report_findings/findings.tsv"
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        kinds=figure_kinds,
    shell:
        "python {input.script:q} --summaries {input.summaries:q} --manifests {input.manifests:q}"
        " --kinds {params.kinds:q} --output {output:q} > {log:q} 2>&1"
