"""Models: pretrained or constructed here, linked from a folder, or fetched from the hub at one commit."""


rule pretrain_model:
    input:
        script=own("src/pretrain_model.py"),
        lib=imports("src/pretrain_model.py"),
    output:
        paths.PRETRAINING,
    log:
        "logs/pretrain_model/{model}.log",
    benchmark:
        "logs/pretrain_model/{model}.tsv"
    wildcard_constraints:
        model=NAME,
    # The longest job of the default study, and others depend on it: schedule it early.
    priority: 10
    conda:
        "../envs/torch.yaml"
    threads: 1
    params:
        folder=subpath(output[0], parent=True),
        entry=study.pretrain_json,
    shell:
        "python {input.script:q} --entry {params.entry:q} --output {params.folder:q}"
        " --threads {threads} > {log:q} 2>&1"


rule construct_model:
    input:
        mixed_in=study.mixed_in,
        script=own("src/construct_model.py"),
        lib=imports("src/construct_model.py"),
    output:
        paths.CONSTRUCTION,
    log:
        "logs/construct_model/{model}.log",
    benchmark:
        "logs/construct_model/{model}.tsv"
    # Upstream of every long job: schedule first.
    priority: 10
    conda:
        "../envs/torch.yaml"
    threads: 1
    params:
        folder=subpath(output[0], parent=True),
        entry=study.construct_json,
        toward=study.toward,
    shell:
        "python {input.script:q} --entry {params.entry:q} {params.toward}"
        " --output {params.folder:q} --threads {threads} > {log:q} 2>&1"


rule fetch_model:
    input:
        study.weights,
        script=own("src/fetch_model.py"),
        lib=imports("src/fetch_model.py"),
    output:
        manifest=paths.MANIFEST,
        folder=directory(paths.MODEL),
    log:
        "logs/fetch_model/{model}.log",
    benchmark:
        "logs/fetch_model/{model}.tsv"
    wildcard_constraints:
        model=study.underived(study.models),
    # Upstream of every long job: schedule first.
    priority: 10
    localrule: True
    conda:
        "../envs/torch.yaml"
    params:
        entry=study.model_json,
        source=study.model_source,
    shell:
        "python {input.script:q} --name {wildcards.model:q}"
        " --entry {params.entry:q} {params.source} --folder {output.folder:q}"
        " --manifest {output.manifest:q} > {log:q} 2>&1"


rule derive_model:
    input:
        model=study.original_manifest,
        folder=study.original_model,
        script=own("src/derive_model.py"),
        lib=imports("src/derive_model.py"),
    output:
        manifest=paths.MANIFEST,
        folder=directory(paths.MODEL),
    log:
        "logs/derive_model/{model}.log",
    benchmark:
        "logs/derive_model/{model}.tsv"
    wildcard_constraints:
        model=study.derived(study.models),
    # Upstream of every long job: schedule first.
    priority: 10
    conda:
        "../envs/torch.yaml"
    params:
        control=study.model_control,
    shell:
        "python {input.script:q} --name {wildcards.model:q} --model {input.model:q}"
        " --control {params.control:q} --folder {output.folder:q}"
        " --manifest {output.manifest:q} > {log:q} 2>&1"


rule keep_models:
    input:
        pretrained=study.pretrained,
        script=own("src/keep_models.py"),
        lib=imports("src/keep_models.py"),
    log:
        "logs/keep_models/models.log",
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        benchmarks=study.pretraining_benchmarks,
    shell:
        "python {input.script:q} --pretrained {input.pretrained:q}"
        " --benchmarks {params.benchmarks:q} --into models > {log:q} 2>&1"
