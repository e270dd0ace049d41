"""The report: prompts and answers as a table, and one page with all that a study found."""


rule collect_cells:
    input:
        summaries=explored(figure_summary),
        logits=explored(figure_pair_logits),
        manifests=explored(figure_manifests),
        folders=explored(figure_folders),
        tasks=explored(figure_tasks),
        demonstrations=explored(figure_demonstrations),
        script=own("src/collect_cells.py"),
        lib=imports("src/collect_cells.py"),
    output:
        "results/summary/cells.parquet",
    log:
        "logs/collect_cells/cells.log",
    benchmark:
        "logs/collect_cells/cells.tsv"
    conda:
        "../envs/torch.yaml"
    params:
        shifts=shifts,
    shell:
        "python {input.script:q} --summaries {input.summaries:q} --logits {input.logits:q}"
        " --manifests {input.manifests:q} --tasks {input.tasks:q} --demonstrations {input.demonstrations:q} --shifts {params.shifts:q}"
        " --output {output:q} > {log:q} 2>&1"


rule build_report:
    input:
        all_figures,
        summaries,
        manifests=all_manifests,
        cells="results/summary/cells.parquet",
        claims="results/summary/claims.parquet",
        captions=all_captions,
        parts=expand(
            own("src/iclgd/reporting/page/{part}"),
            part=["page.html", "style.css", "page.js", "methods.md"],
        ),
        script=own("src/build_report.py"),
        lib=imports("src/build_report.py"),
    output:
        report(
            "results/report.html",
            caption="captions/report.rst",
            category="Report",
        ),
    log:
        "logs/build_report/report.log",
    benchmark:
        "logs/build_report/report.tsv"
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        figures=reported_figures,
        labels=all_labels,
        config=whole_configuration,
    shell:
        "python {input.script:q} --parts {input.parts:q} --figures {params.figures:q}"
        " --captions {input.captions:q} --manifests {input.manifests:q} --cells {input.cells:q}"
        " --claims {input.claims:q} --labels {params.labels:q} --config {params.config:q}"
        " --output {output:q} > {log:q} 2>&1"
