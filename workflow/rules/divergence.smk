rule divergence:
    input:
        base=base_folder,
        rlhf=at("{pair}/rlhf/model"),
        beside=beside_tuned,
    output:
        divergence=at("{pair}/divergence.csv"),
    log:
        at("logs/divergence/{pair}.log"),
    benchmark:
        at("benchmarks/divergence/{pair}.tsv")
    params:
        code=code("divergence"),
        torch_threads=threads_of("other"),
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/divergence.py"


rule layers:
    input:
        divergence=at("{pair}/divergence.csv"),
    output:
        layers=at("{pair}/layers.json"),
    log:
        at("logs/layers/{pair}.log"),
    benchmark:
        at("benchmarks/layers/{pair}.tsv")
    params:
        code=code("layers"),
        torch_threads=threads_of("other"),
        picks=PICKS,
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/layers.py"
