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
        paths.LIBRARY,
    log:
        "logs/bundle_library/all.log",
    benchmark:
        "logs/bundle_library/all.tsv"
    localrule: True
    conda:
        "../envs/plot.yaml"
    shell:
        "python {input.script:q} --output {output:q} > {log:q} 2>&1"


for statistic, row in kinds.STATISTICS.items():

    rule:
        name:
            f"summarise_{statistic}"
        input:
            **study.tables(row.inputs),
            **study.tables(row.needs),
            script=own(f"src/summarise_{statistic}.py"),
            lib=imports(f"src/summarise_{statistic}.py"),
        output:
            study.paths.summary(f"{{figure}}{row.ending}"),
        log:
            f"logs/summarise_{statistic}/{study.name}/{{figure}}.log",
        benchmark:
            f"logs/summarise_{statistic}/{study.name}/{{figure}}.tsv"
        wildcard_constraints:
            figure=study.of_kinds(kinds.showing(statistic)),
        conda:
            f"../envs/{row.environment}.yaml"
        params:
            tables=study.options(row.inputs),
            figure=study.statistic_json(row.figure_keys),
        shell:
            "python {input.script:q} {params.tables} --figure {params.figure:q} --output {output:q}"
            " > {log:q} 2>&1"


for kind, row in kinds.KINDS.items():

    rule:
        name:
            f"plot_{kind}"
        input:
            **study.tables(row.inputs),
            summary=study.paths.summary(row.summary("{figure}")),
            library=paths.LIBRARY,
            script=own(f"src/plot_{kind}.py"),
            lib=imports(f"src/plot_{kind}.py"),
        output:
            report(
                study.paths.figure("{figure}")[0],
                caption=caption(kind, row.caption),
                category="Figures",
                labels={"figure": "{figure}"},
            ),
            *study.paths.figure("{figure}")[1:],
        log:
            f"logs/plot_{kind}/{study.name}/{{figure}}.log",
        benchmark:
            f"logs/plot_{kind}/{study.name}/{{figure}}.tsv"
        wildcard_constraints:
            figure=study.of_kinds([kind]),
        localrule: True
        conda:
            "../envs/plot.yaml"
        params:
            tables=study.options(row.inputs),
            figure=study.figure_json,
        shell:
            "python {input.script:q} --summary {input.summary:q} {params.tables}"
            " --figure {params.figure:q} --library {input.library:q} --output {output:q}"
            " > {log:q} 2>&1"
