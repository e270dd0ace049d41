"""The learners on the same demonstrations: one job per model, task, design and block of draws."""


rule run_icl:
    input:
        model=study.answering,
        folder=study.answering_folder,
        compared=paths.MANIFEST,
        task=paths.TASK,
        demonstrations=paths.DEMONSTRATIONS,
        script=own("src/run_icl.py"),
        lib=imports("src/run_icl.py"),
    output:
        paths.LOGITS,
    log:
        "logs/run_icl/{model}/{task}/{design}/{learner}/{draws}.log",
    benchmark:
        "logs/run_icl/{model}/{task}/{design}/{learner}/{draws}.tsv"
    wildcard_constraints:
        learner=study.of_method("icl"),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS,
    params:
        imagined=study.imagined,
        keep=study.keep,
    shell:
        "python {input.script:q} --model {input.model:q} --task {input.task:q}"
        " --demonstrations {input.demonstrations:q} --name {wildcards.learner:q}"
        " {params.imagined} --compared {input.compared:q} --keep {params.keep} --threads {threads}"
        " --output {output:q} > {log:q} 2>&1"


rule run_bayes:
    input:
        model=paths.MANIFEST,
        folder=paths.MODEL,
        task=paths.TASK,
        demonstrations=paths.DEMONSTRATIONS,
        script=own("src/run_bayes.py"),
        lib=imports("src/run_bayes.py"),
    output:
        paths.LOGITS,
    log:
        "logs/run_bayes/{model}/{task}/{design}/{learner}/{draws}.log",
    benchmark:
        "logs/run_bayes/{model}/{task}/{design}/{learner}/{draws}.tsv"
    wildcard_constraints:
        learner=study.of_method("bayes"),
    conda:
        "../envs/torch.yaml"
    threads: 1
    params:
        language=study.language,
        imagined=study.imagined,
        keep=study.keep,
    shell:
        "python {input.script:q} --model {input.model:q} --task {input.task:q}"
        " --demonstrations {input.demonstrations:q} --name {wildcards.learner:q}"
        " --language {params.language} {params.imagined} --keep {params.keep} --output {output:q} > {log:q} 2>&1"


rule run_solver:
    input:
        model=paths.MANIFEST,
        folder=paths.MODEL,
        task=paths.TASK,
        demonstrations=paths.DEMONSTRATIONS,
        script=own("src/run_solver.py"),
        lib=imports("src/run_solver.py"),
    output:
        paths.LOGITS,
    log:
        "logs/run_solver/{model}/{task}/{design}/{learner}/{draws}.log",
    benchmark:
        "logs/run_solver/{model}/{task}/{design}/{learner}/{draws}.tsv"
    wildcard_constraints:
        learner=study.of_method("solver"),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS,
    params:
        learner=study.solver_json,
        keep=study.keep,
    shell:
        "python {input.script:q} --model {input.model:q} --task {input.task:q}"
        " --demonstrations {input.demonstrations:q} --learner {params.learner:q}"
        " --name {wildcards.learner:q} --keep {params.keep} --threads {threads}"
        " --output {output:q} > {log:q} 2>&1"


rule run_tangent:
    input:
        model=paths.MANIFEST,
        folder=paths.MODEL,
        task=paths.TASK,
        demonstrations=paths.DEMONSTRATIONS,
        script=own("src/run_tangent.py"),
        lib=imports("src/run_tangent.py"),
    output:
        paths.LOGITS,
    log:
        "logs/run_tangent/{model}/{task}/{design}/{learner}/{draws}.log",
    benchmark:
        "logs/run_tangent/{model}/{task}/{design}/{learner}/{draws}.tsv"
    wildcard_constraints:
        learner=study.of_method("tangent"),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS,
    params:
        learner=study.settings("learner"),
        orders=study.trained_orders,
        keep=study.keep,
    shell:
        "python {input.script:q} --model {input.model:q} --task {input.task:q}"
        " --demonstrations {input.demonstrations:q} --learner {params.learner:q} {params.orders}"
        " --name {wildcards.learner:q} --keep {params.keep} --threads {threads}"
        " --output {output:q} > {log:q} 2>&1"


rule run_kernel:
    input:
        model=paths.MANIFEST,
        folder=paths.MODEL,
        task=paths.TASK,
        demonstrations=paths.DEMONSTRATIONS,
        script=own("src/run_kernel.py"),
        lib=imports("src/run_kernel.py"),
    output:
        paths.LOGITS,
    log:
        "logs/run_kernel/{model}/{task}/{design}/{learner}/{draws}.log",
    benchmark:
        "logs/run_kernel/{model}/{task}/{design}/{learner}/{draws}.tsv"
    wildcard_constraints:
        learner=study.of_method("kernel"),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS,
    params:
        learner=study.settings("learner"),
        orders=study.trained_orders,
        keep=study.keep,
    shell:
        "python {input.script:q} --model {input.model:q} --task {input.task:q}"
        " --demonstrations {input.demonstrations:q} --learner {params.learner:q} {params.orders}"
        " --name {wildcards.learner:q} --keep {params.keep} --threads {threads}"
        " --output {output:q} > {log:q} 2>&1"


rule run_distil:
    input:
        model=paths.MANIFEST,
        folder=paths.MODEL,
        task=paths.TASK,
        demonstrations=paths.DEMONSTRATIONS,
        script=own("src/run_distil.py"),
        lib=imports("src/run_distil.py"),
    output:
        paths.LOGITS,
    log:
        "logs/run_distil/{model}/{task}/{design}/{learner}/{draws}.log",
    benchmark:
        "logs/run_distil/{model}/{task}/{design}/{learner}/{draws}.tsv"
    wildcard_constraints:
        learner=study.of_method("distil"),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS,
    params:
        learner=study.settings("learner"),
        orders=study.trained_orders,
        keep=study.keep,
    shell:
        "python {input.script:q} --model {input.model:q} --task {input.task:q}"
        " --demonstrations {input.demonstrations:q} --learner {params.learner:q} {params.orders}"
        " --name {wildcards.learner:q} --keep {params.keep} --threads {threads}"
        " --output {output:q} > {log:q} 2>&1"


rule run_imitation:
    input:
        model=paths.MANIFEST,
        folder=paths.MODEL,
        task=paths.TASK,
        demonstrations=paths.DEMONSTRATIONS,
        script=own("src/run_imitation.py"),
        lib=imports("src/run_imitation.py"),
    output:
        paths.LOGITS,
    log:
        "logs/run_imitation/{model}/{task}/{design}/{learner}/{draws}.log",
    benchmark:
        "logs/run_imitation/{model}/{task}/{design}/{learner}/{draws}.tsv"
    wildcard_constraints:
        learner=study.of_method("vector", "patch"),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS,
    params:
        learner=study.settings("learner"),
        orders=study.trained_orders,
        keep=study.keep,
    shell:
        "python {input.script:q} --model {input.model:q} --task {input.task:q}"
        " --demonstrations {input.demonstrations:q} --learner {params.learner:q} {params.orders}"
        " --name {wildcards.learner:q} --keep {params.keep} --threads {threads}"
        " --output {output:q} > {log:q} 2>&1"


rule run_gd:
    input:
        model=paths.MANIFEST,
        folder=paths.MODEL,
        task=paths.TASK,
        demonstrations=paths.DEMONSTRATIONS,
        reach=study.reach_table,
        script=own("src/run_gd.py"),
        lib=imports("src/run_gd.py"),
    output:
        paths.LOGITS,
    log:
        "logs/run_gd/{model}/{task}/{design}/{learner}/{draws}.log",
    benchmark:
        "logs/run_gd/{model}/{task}/{design}/{learner}/{draws}.tsv"
    wildcard_constraints:
        learner=study.of_method("gd"),
    # Long steps first, so that short ones fill the cores at the end.
    priority: 5
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPUS,
    params:
        learner=study.settings("learner"),
        orders=study.trained_orders,
        reach=study.by_reach,
        keep=study.keep,
    shell:
        "python {input.script:q} --model {input.model:q} --task {input.task:q}"
        " --demonstrations {input.demonstrations:q} --learner {params.learner:q} {params.orders}"
        " {params.reach} --name {wildcards.learner:q} --keep {params.keep} --threads {threads}"
        " --output {output:q} > {log:q} 2>&1"
