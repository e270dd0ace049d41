"""The papers' claims, the findings in words, real prompts and answers, and one page of all that."""


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
        figures=figures_json,
    shell:
        "python {input.script:q} --summaries {input.summaries:q} --figures {params.figures:q}"
        " --claims {input.claims:q} --output {output:q} > {log:q} 2>&1"


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
        figures=figures_json,
    shell:
        "python {input.script:q} --summaries {input.summaries:q} --manifests {input.manifests:q}"
        " --figures {params.figures:q} --output {output:q} > {log:q} 2>&1"


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
        study=shifts,
    shell:
        "python {input.script:q} --summaries {input.summaries:q} --logits {input.logits:q}"
        " --manifests {input.manifests:q} --tasks {input.tasks:q} --demonstrations {input.demonstrations:q} --study {params.study:q}"
        " --output {output:q} > {log:q} 2>&1"


rule build_report:
    input:
        all_figures,
        summaries,
        manifests=all_manifests,
        cells="results/summary/cells.parquet",
        claims="results/summary/claims.parquet",
        parts=expand(
            own("src/iclgd/reporting/page/{part}"),
            part=["page.html", "style.css", "page.js", "methods.md"],
        ),
        script=own("src/build_report.py"),
        lib=imports("src/build_report.py"),
    output:
        report(
            "results/report.html",
            caption=caption("report", REPORT),
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
        study=study_json,
    shell:
        "python {input.script:q} --parts {input.parts:q} --study {params.study:q}"
        " --manifests {input.manifests:q} --cells {input.cells:q}"
        " --claims {input.claims:q} --output {output:q} > {log:q} 2>&1"
