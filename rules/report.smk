"""The papers' claims, the answer, the findings as text, example prompts with answers, and the report."""


rule judge_claims:
    input:
        summaries=study.summaries,
        claims=own("src/iclgd/reporting/claims/claims.yaml"),
        script=own("src/judge_claims.py"),
        lib=imports("src/judge_claims.py"),
    output:
        study.paths.claims,
    log:
        f"logs/judge_claims/{study.name}.log",
    benchmark:
        f"logs/judge_claims/{study.name}.tsv"
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        figures=study.figures_json(("causal", "seeds")),
    shell:
        "python {input.script:q} --summaries {input.summaries:q} --figures {params.figures:q}"
        " --claims {input.claims:q} --output {output:q} > {log:q} 2>&1"


rule answer_question:
    input:
        summaries=study.summaries,
        claims=study.paths.claims,
        script=own("src/answer_question.py"),
        lib=imports("src/answer_question.py"),
    output:
        text=study.paths.answer,
        answer=study.paths.answered,
    log:
        f"logs/answer_question/{study.name}.log",
    benchmark:
        f"logs/answer_question/{study.name}.tsv"
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        figures=study.figures_json(("labels",)),
        report=study.paths.report,
    shell:
        "python {input.script:q} --summaries {input.summaries:q} --claims {input.claims:q}"
        " --figures {params.figures:q} --report {params.report:q} --text {output.text:q}"
        " --output {output.answer:q} > {log:q} 2>&1"


rule report_findings:
    input:
        summaries=study.summaries,
        manifests=study.manifests,
        claims=study.paths.claims,
        answer=study.paths.answered,
        script=own("src/report_findings.py"),
        lib=imports("src/report_findings.py"),
    output:
        text=study.paths.findings,
        quantities=study.paths.quantities,
    log:
        f"logs/report_findings/{study.name}.log",
    benchmark:
        f"logs/report_findings/{study.name}.tsv"
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        figures=study.figures_json(("causal", "seeds")),
        configurations=study.configurations_json,
    shell:
        "python {input.script:q} --summaries {input.summaries:q} --manifests {input.manifests:q}"
        " --claims {input.claims:q} --answer {input.answer:q} --figures {params.figures:q}"
        " --configurations {params.configurations:q} --output {output.text:q}"
        " --quantities {output.quantities:q} > {log:q} 2>&1"


rule collect_examples:
    input:
        summaries=study.explored("summaries"),
        agreement=study.explored("agreement"),
        logits=study.explored("logits"),
        manifests=study.explored("manifests"),
        folders=study.explored("folders"),
        tasks=study.explored("tasks"),
        demonstrations=study.explored("demonstrations"),
        script=own("src/collect_examples.py"),
        lib=imports("src/collect_examples.py"),
    output:
        study.paths.examples,
    log:
        f"logs/collect_examples/{study.name}.log",
    benchmark:
        f"logs/collect_examples/{study.name}.tsv"
    conda:
        "../envs/torch.yaml"
    params:
        agreement=study.agreement_path,
        study=study.shifts_json,
    shell:
        "python {input.script:q} --summaries {input.summaries:q} --agreement {params.agreement:q}"
        " --logits {input.logits:q} --manifests {input.manifests:q} --tasks {input.tasks:q}"
        " --demonstrations {input.demonstrations:q} --study {params.study:q} --output {output:q} > {log:q} 2>&1"


rule build_report:
    input:
        study.all_figures,
        study.summaries,
        manifests=study.manifests,
        examples=study.paths.examples,
        claims=study.paths.claims,
        answer=study.paths.answered,
        findings=study.paths.quantities,
        reference=study.reference,
        parts=[
            own("docs/methods.md"),
            *expand(
                own("src/iclgd/reporting/page/{part}"),
                part=[
                    "page.html",
                    "style.css",
                    "page.js",
                    "claims.js",
                    "explorer.js",
                    "comparison.js",
                ],
            ),
        ],
        script=own("src/build_report.py"),
        lib=imports("src/build_report.py"),
    output:
        report(
            study.paths.report,
            caption=caption("report", captions.REPORT),
            category="Report",
        ),
    log:
        f"logs/build_report/{study.name}.log",
    benchmark:
        f"logs/build_report/{study.name}.tsv"
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        study=study.study_json,
    shell:
        "python {input.script:q} --parts {input.parts:q} --study {params.study:q}"
        " --manifests {input.manifests:q} --examples {input.examples:q} --reference {input.reference:q}"
        " --claims {input.claims:q} --answer {input.answer:q} --findings {input.findings:q}"
        " --output {output:q} > {log:q} 2>&1"
