rule divergence:
    input:
        base=base_folder,
        rlhf=at("{pair}/rlhf/model"),
        beside=beside_tuned,
    output:
        divergence=report(at("{pair}/divergence.csv"), "../report/divergence.rst", "Divergence", labels=labels(of="tensors")),
    log:
        at("logs/divergence/{pair}.log"),
    benchmark:
        at("benchmarks/divergence/{pair}.tsv")
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("divergence"),
        torch_threads=threads_of("other"),
    script:
        "../scripts/divergence.py"


rule layers:
    input:
        divergence=divergence_files,
    output:
        layers=report(at("{pair}/layers.json"), "../report/layers.rst", "Divergence", labels=labels(of="chosen layers")),
    log:
        at("logs/layers/{pair}.log"),
    benchmark:
        at("benchmarks/layers/{pair}.tsv")
    priority: CHAIN
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        code=code("layers"),
        picks=PICKS,
    script:
        "../scripts/layers.py"
