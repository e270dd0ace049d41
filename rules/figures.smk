"""Figures as SVG, PNG, PDF, a self-contained page and a LaTeX table, and their summaries.

The rules are made of the rows of ``iclgd.study.kinds``: ``summarise_S`` for a statistic,
``plot_K`` for a kind of figure. A ``shell:`` is read when its job runs, long after the loop:
what differs from row to row comes as params.
"""


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


for statistic, row in STATISTICS.items():

    rule:
        name:
            f"summarise_{statistic}"
        input:
            **tables(row.inputs),
            **tables(row.needs),
            script=own(f"src/summarise_{statistic}.py"),
            lib=imports(f"src/summarise_{statistic}.py"),
        output:
            f"results/summary/{{figure}}{row.ending}.parquet",
        log:
            f"logs/summarise_{statistic}/{{figure}}.log",
        benchmark:
            f"logs/summarise_{statistic}/{{figure}}.tsv"
        wildcard_constraints:
            figure=of_kind(
                *(k for k, one in KINDS.items() if statistic in one.statistics)
            ),
        conda:
            f"../envs/{row.environment}.yaml"
        params:
            tables=options(row.inputs),
            figure=statistic_json(row.told),
        shell:
            "python {input.script:q} {params.tables} --figure {params.figure:q} --output {output:q}"
            " > {log:q} 2>&1"


for kind, row in KINDS.items():

    rule:
        name:
            f"plot_{kind}"
        input:
            **tables(row.inputs),
            summary=f"results/summary/{row.summary('{figure}')}.parquet",
            library="results/library.js",
            script=own(f"src/plot_{kind}.py"),
            lib=imports(f"src/plot_{kind}.py"),
        output:
            report(
                "results/figures/{figure}.svg",
                caption=caption(kind, row.caption),
                category="Figures",
                labels={"figure": "{figure}"},
            ),
            "results/figures/{figure}.png",
            "results/figures/{figure}.pdf",
            "results/figures/{figure}.html",
            "results/figures/{figure}.tex",
        log:
            f"logs/plot_{kind}/{{figure}}.log",
        benchmark:
            f"logs/plot_{kind}/{{figure}}.tsv"
        wildcard_constraints:
            figure=of_kind(kind),
        localrule: True
        conda:
            "../envs/plot.yaml"
        params:
            tables=options(row.inputs),
            figure=figure_json,
        shell:
            "python {input.script:q} --summary {input.summary:q} {params.tables}"
            " --figure {params.figure:q} --library {input.library:q} --output {output:q}"
            " > {log:q} 2>&1"
