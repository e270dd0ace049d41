"""Tasks and demonstrations: what is asked, and what is shown in which orders."""


rule prepare_task:
    input:
        task_files,
        script=own("src/prepare_task.py"),
        lib=imports("src/prepare_task.py"),
    output:
        task="results/tasks/{task}.parquet",
        manifest="results/tasks/{task}.json",
    log:
        "logs/prepare_task/{task}.log",
    benchmark:
        "logs/prepare_task/{task}.tsv"
    wildcard_constraints:
        task=not_derived(config["tasks"]),
    # All else waits for it, the long steps too.
    priority: 10
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        entry=task_entry,
    shell:
        "python {input.script:q} --task {wildcards.task:q}"
        " --entry {params.entry:q} --output {output.task:q}"
        " --manifest {output.manifest:q} > {log:q} 2>&1"


rule derive_task:
    input:
        other_task,
        task=original_task,
        script=own("src/derive_task.py"),
        lib=imports("src/derive_task.py"),
    output:
        "results/tasks/{task}.parquet",
    log:
        "logs/derive_task/{task}.log",
    benchmark:
        "logs/derive_task/{task}.tsv"
    wildcard_constraints:
        task=derived_from(config["tasks"]),
    priority: 10
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        control=task_control,
        prompt=original_prompt,
        texts=other_texts,
    shell:
        "python {input.script:q} --name {wildcards.task:q} --task {input.task:q}"
        " --control {params.control:q} --prompt {params.prompt:q} {params.texts}"
        " --output {output:q} > {log:q} 2>&1"


rule sample_demonstrations:
    input:
        task="results/tasks/{task}.parquet",
        script=own("src/sample_demonstrations.py"),
        lib=imports("src/sample_demonstrations.py"),
    output:
        "results/demonstrations/{task}/{design}/{draws}.parquet",
    log:
        "logs/sample_demonstrations/{task}/{design}/{draws}.log",
    benchmark:
        "logs/sample_demonstrations/{task}/{design}/{draws}.tsv"
    # All else waits for it, the long steps too.
    priority: 10
    localrule: True
    conda:
        "../envs/plot.yaml"
    params:
        shots=shots,
        orders=orders,
    shell:
        "python {input.script:q} --task {input.task:q} --design {wildcards.design:q}"
        " --shots {params.shots} --orders {params.orders} --draws {wildcards.draws}"
        " --output {output:q} > {log:q} 2>&1"
