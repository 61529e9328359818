rule divergence:
    input:
        base=base_folder,
        rlhf=at("{pair}/rlhf/model"),
        beside=beside_tuned,
    output:
        divergence=report(at("{pair}/divergence.csv"), "../report/divergence.rst", "Divergence", labels=labels(of="tensors")),
    log:
        at("logs/divergence/{pair}.log"),
    params:
        code=code("divergence"),
        torch_threads=threads_of("other"),
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/divergence.py"


rule layers:
    input:
        divergence=at("{pair}/divergence.csv"),
    output:
        layers=report(at("{pair}/layers.json"), "../report/layers.rst", "Divergence", labels=labels(of="chosen layers")),
    log:
        at("logs/layers/{pair}.log"),
    params:
        code=code("layers"),
        torch_threads=threads_of("other"),
        picks=PICKS,
    priority: CHAIN
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/layers.py"
