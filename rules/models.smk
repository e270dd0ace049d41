"""Models: pretrained or constructed here, linked from a folder, or fetched from the hub at one commit."""


rule pretrain_model:
    input:
        script=own("src/pretrain_model.py"),
        lib=imports("src/pretrain_model.py"),
    output:
        "results/pretraining/{model}/provenance.json",
    log:
        "logs/pretrain_model/{model}.log",
    benchmark:
        "logs/pretrain_model/{model}.tsv"
    wildcard_constraints:
        model=NAME,
    # The longest job of the default study: what waits for it should not wait at the end.
    priority: 10
    conda:
        "../envs/torch.yaml"
    threads: 1
    params:
        folder=subpath(output[0], parent=True),
        entry=pretrain_entry,
    shell:
        "python {input.script:q} --entry {params.entry:q} --output {params.folder:q}"
        " --threads {threads} > {log:q} 2>&1"


rule construct_model:
    input:
        mixed_in=mixed_in,
        script=own("src/construct_model.py"),
        lib=imports("src/construct_model.py"),
    output:
        "results/construction/{model}/provenance.json",
    log:
        "logs/construct_model/{model}.log",
    benchmark:
        "logs/construct_model/{model}.tsv"
    # All else waits for it, the long steps too.
    priority: 10
    conda:
        "../envs/torch.yaml"
    threads: 1
    params:
        folder=subpath(output[0], parent=True),
        entry=construct_entry,
        toward=toward,
    shell:
        "python {input.script:q} --entry {params.entry:q} {params.toward}"
        " --output {params.folder:q} --threads {threads} > {log:q} 2>&1"


rule fetch_model:
    input:
        weights,
        script=own("src/fetch_model.py"),
        lib=imports("src/fetch_model.py"),
    output:
        manifest="results/models/{model}.json",
        folder=directory("results/models/{model}"),
    log:
        "logs/fetch_model/{model}.log",
    benchmark:
        "logs/fetch_model/{model}.tsv"
    wildcard_constraints:
        model=not_derived(config["models"]),
    # All else waits for it, the long steps too.
    priority: 10
    localrule: True
    conda:
        "../envs/torch.yaml"
    params:
        entry=model_entry,
        source=model_source,
    shell:
        "python {input.script:q} --name {wildcards.model:q}"
        " --entry {params.entry:q} {params.source} --folder {output.folder:q}"
        " --manifest {output.manifest:q} > {log:q} 2>&1"


rule derive_model:
    input:
        model=original_manifest,
        folder=original_model,
        script=own("src/derive_model.py"),
        lib=imports("src/derive_model.py"),
    output:
        manifest="results/models/{model}.json",
        folder=directory("results/models/{model}"),
    log:
        "logs/derive_model/{model}.log",
    benchmark:
        "logs/derive_model/{model}.tsv"
    wildcard_constraints:
        model=derived_from(config["models"]),
    # All else waits for it, the long steps too.
    priority: 10
    conda:
        "../envs/torch.yaml"
    params:
        control=model_control,
    shell:
        "python {input.script:q} --name {wildcards.model:q} --model {input.model:q}"
        " --control {params.control:q} --folder {output.folder:q}"
        " --manifest {output.manifest:q} > {log:q} 2>&1"


rule keep_models:
    input:
        pretrained=pretrained_models,
        script=own("src/keep_models.py"),
        lib=imports("src/keep_models.py"),
    log:
        "logs/keep_models/models.log",
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        benchmarks=pretraining_benchmarks,
    shell:
        "python {input.script:q} --pretrained {input.pretrained:q}"
        " --benchmarks {params.benchmarks:q} --into models > {log:q} 2>&1"
