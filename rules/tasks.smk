"""Tasks (queries) and demonstrations in their orders."""


rule prepare_task:
    input:
        study.task_files,
        script=own("src/prepare_task.py"),
        lib=imports("src/prepare_task.py"),
    output:
        task=paths.TASK,
        manifest=paths.TASK_MANIFEST,
    log:
        "logs/prepare_task/{task}.log",
    benchmark:
        "logs/prepare_task/{task}.tsv"
    wildcard_constraints:
        task=study.underived(study.tasks),
    # Upstream of every long job: schedule first.
    priority: 10
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        entry=study.task_json,
    shell:
        "python {input.script:q} --task {wildcards.task:q}"
        " --entry {params.entry:q} --output {output.task:q}"
        " --manifest {output.manifest:q} > {log:q} 2>&1"


rule derive_task:
    input:
        study.other_task,
        task=study.original_task,
        script=own("src/derive_task.py"),
        lib=imports("src/derive_task.py"),
    output:
        paths.TASK,
    log:
        "logs/derive_task/{task}.log",
    benchmark:
        "logs/derive_task/{task}.tsv"
    wildcard_constraints:
        task=study.derived(study.tasks),
    priority: 10
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        control=study.task_control,
        prompt=study.original_prompt,
        texts=study.other_texts,
        share=study.wrong_share,
    shell:
        "python {input.script:q} --name {wildcards.task:q} --task {input.task:q}"
        " --control {params.control:q} --prompt {params.prompt:q} {params.texts} {params.share}"
        " --output {output:q} > {log:q} 2>&1"


rule sample_demonstrations:
    input:
        study.drawn_like,
        task=paths.TASK,
        script=own("src/sample_demonstrations.py"),
        lib=imports("src/sample_demonstrations.py"),
    output:
        paths.DEMONSTRATIONS,
    log:
        "logs/sample_demonstrations/{task}/{design}/{draws}.log",
    benchmark:
        "logs/sample_demonstrations/{task}/{design}/{draws}.tsv"
    # Upstream of every long job: schedule first.
    priority: 10
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        shots=study.shots,
        orders=study.orders,
        bindings=study.bindings,
        conflict=study.conflict,
        like=study.like,
    shell:
        "python {input.script:q} --task {input.task:q} --design {wildcards.design:q}"
        " --shots {params.shots} --orders {params.orders} {params.bindings}"
        " {params.conflict} {params.like}"
        " --draws {wildcards.draws}"
        " --output {output:q} > {log:q} 2>&1"
