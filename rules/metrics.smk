"""Metrics of stored logits and weights, and of activations inside attention."""


rule compare_logits:
    input:
        a=study.logits_a,
        b=study.logits_b,
        script=own("src/compare_logits.py"),
        lib=imports("src/compare_logits.py"),
    output:
        agreement=paths.AGREEMENT,
        curves=paths.CURVES,
    log:
        "logs/compare_logits/{model}/{task}/{design}/{a}--{b}.log",
    benchmark:
        "logs/compare_logits/{model}/{task}/{design}/{a}--{b}.tsv"
    conda:
        "../envs/plot.yaml"
    params:
        second=study.second_learner,
    shell:
        "python {input.script:q} --a {input.a:q} {params.second}"
        " --name-b {wildcards.b:q} --output {output.agreement:q} --curves {output.curves:q}"
        " > {log:q} 2>&1"


rule compare_attention:
    input:
        model=paths.MANIFEST,
        folder=paths.MODEL,
        task=paths.TASK,
        demonstrations=paths.DEMONSTRATIONS,
        script=own("src/compare_attention.py"),
        lib=imports("src/compare_attention.py"),
    output:
        paths.ATTENTION,
    log:
        "logs/compare_attention/{model}/{task}/{design}/{learner}/{draws}.log",
    benchmark:
        "logs/compare_attention/{model}/{task}/{design}/{learner}/{draws}.tsv"
    wildcard_constraints:
        learner=study.of_method("gd"),
    priority: 5
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS,
    params:
        learner=study.settings("learner"),
        orders=study.trained_orders,
    shell:
        "python {input.script:q} --model {input.model:q} --task {input.task:q}"
        " --demonstrations {input.demonstrations:q} --learner {params.learner:q} {params.orders}"
        " --name {wildcards.learner:q} --threads {threads} --output {output:q} > {log:q} 2>&1"


rule extract_sparsity:
    input:
        model=paths.MANIFEST,
        folder=paths.MODEL,
        script=own("src/extract_sparsity.py"),
        lib=imports("src/extract_sparsity.py"),
    output:
        sparsity=paths.SPARSITY,
        circuits=paths.CIRCUITS,
    log:
        "logs/extract_sparsity/{model}.log",
    benchmark:
        "logs/extract_sparsity/{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    shell:
        "python {input.script:q} --model {input.model:q} --output {output.sparsity:q}"
        " --circuits {output.circuits:q} > {log:q} 2>&1"


rule measure_perplexity:
    input:
        model=paths.MANIFEST,
        folder=paths.MODEL,
        script=own("src/measure_perplexity.py"),
        lib=imports("src/measure_perplexity.py"),
    output:
        paths.PERPLEXITY,
    log:
        "logs/measure_perplexity/{model}.log",
    benchmark:
        "logs/measure_perplexity/{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS,
    shell:
        "python {input.script:q} --model {input.model:q} --threads {threads}"
        " --output {output:q} > {log:q} 2>&1"


rule compare_updates:
    input:
        model=paths.MANIFEST,
        folder=paths.MODEL,
        task=paths.TASK,
        demonstrations=paths.DEMONSTRATIONS,
        script=own("src/compare_updates.py"),
        lib=imports("src/compare_updates.py"),
    output:
        paths.UPDATES,
    log:
        "logs/compare_updates/{model}/{task}/{design}/{a}--{b}/{draws}.log",
    benchmark:
        "logs/compare_updates/{model}/{task}/{design}/{a}--{b}/{draws}.tsv"
    wildcard_constraints:
        a=study.of_method("patch"),
        b=study.of_method("gd"),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS,
    params:
        patch=study.settings("a"),
        learner=study.settings("b"),
    shell:
        "python {input.script:q} --model {input.model:q} --task {input.task:q}"
        " --demonstrations {input.demonstrations:q} --patch {params.patch:q}"
        " --learner {params.learner:q} --a {wildcards.a:q} --b {wildcards.b:q}"
        " --threads {threads} --output {output:q} > {log:q} 2>&1"


rule measure_reach:
    input:
        model=paths.MANIFEST,
        folder=paths.MODEL,
        task=paths.TASK,
        demonstrations=paths.DEMONSTRATIONS,
        script=own("src/measure_reach.py"),
        lib=imports("src/measure_reach.py"),
    output:
        paths.REACH,
    log:
        "logs/measure_reach/{model}/{task}/{design}/{draws}.log",
    benchmark:
        "logs/measure_reach/{model}/{task}/{design}/{draws}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS,
    shell:
        "python {input.script:q} --model {input.model:q} --task {input.task:q}"
        " --demonstrations {input.demonstrations:q} --threads {threads} --output {output:q}"
        " > {log:q} 2>&1"


rule measure_drift:
    input:
        model=paths.MANIFEST,
        folder=paths.MODEL,
        reference=paths.MANIFEST.replace("{model}", "{reference}"),
        reference_folder=paths.MODEL.replace("{model}", "{reference}"),
        script=own("src/measure_drift.py"),
        lib=imports("src/measure_drift.py"),
    output:
        paths.DRIFT,
    log:
        "logs/measure_drift/{model}--{reference}.log",
    benchmark:
        "logs/measure_drift/{model}--{reference}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    shell:
        "python {input.script:q} --model {input.model:q} --reference {input.reference:q}"
        " --output {output:q} > {log:q} 2>&1"
