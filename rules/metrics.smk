"""Metrics, from stored logits and weights alone; no GPU."""


rule compare_logits:
    input:
        a=logits_a,
        b=logits_b,
        script="src/compare_logits.py",
        lib=imports("src/compare_logits.py"),
    output:
        agreement="results/agreement/{model}/{task}/{design}/{a}--{b}.parquet",
        curves="results/agreement/{model}/{task}/{design}/{a}--{b}.curves.parquet",
    log:
        "logs/compare_logits/{model}/{task}/{design}/{a}--{b}.log",
    benchmark:
        "logs/compare_logits/{model}/{task}/{design}/{a}--{b}.tsv"
    conda:
        "../envs/plot.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        second=second_learner,
    shell:
        "python {input.script:q} --a {input.a:q} {params.second}"
        " --name-b {wildcards.b:q} --output {output.agreement:q} --curves {output.curves:q}"
        " > {log:q} 2>&1"


rule extract_sparsity:
    input:
        model="results/models/{model}.json",
        folder="results/models/{model}",
        script="src/extract_sparsity.py",
        lib=imports("src/extract_sparsity.py"),
    output:
        sparsity="results/sparsity/{model}.parquet",
        circuits="results/sparsity/{model}.circuits.parquet",
    log:
        "logs/extract_sparsity/{model}.log",
    benchmark:
        "logs/extract_sparsity/{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    shell:
        "python {input.script:q} --model {input.model:q} --output {output.sparsity:q}"
        " --circuits {output.circuits:q} > {log:q} 2>&1"


rule measure_perplexity:
    input:
        model="results/models/{model}.json",
        folder="results/models/{model}",
        script="src/measure_perplexity.py",
        lib=imports("src/measure_perplexity.py"),
    output:
        "results/perplexity/{model}.parquet",
    log:
        "logs/measure_perplexity/{model}.log",
    benchmark:
        "logs/measure_perplexity/{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=GPUS,
    shell:
        "python {input.script:q} --model {input.model:q} --threads {threads}"
        " --output {output:q} > {log:q} 2>&1"


rule measure_drift:
    input:
        model="results/models/{model}.json",
        folder="results/models/{model}",
        reference="results/models/{reference}.json",
        reference_folder="results/models/{reference}",
        script="src/measure_drift.py",
        lib=imports("src/measure_drift.py"),
    output:
        "results/drift/{model}--{reference}.parquet",
    log:
        "logs/measure_drift/{model}--{reference}.log",
    benchmark:
        "logs/measure_drift/{model}--{reference}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    shell:
        "python {input.script:q} --model {input.model:q} --reference {input.reference:q}"
        " --output {output:q} > {log:q} 2>&1"
