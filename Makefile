# make demo: the default experiment, from nothing. make test: the tests. make test-system: the long ones, in tests/system.
# make test-long, in tests/long: a dry run of Snakemake for every key, module and mutated config, every command of ours in the docs,
# tests/mutants.yaml (half an hour).
# make test-peers: a short round of the benchmarks against other libraries, which it installs below .peers, and whether SAELens and
# we compute the same from each other's files; not part of CI.
# make validate: rewards that were planted, found or not (docs/evidence.md; 90 minutes); make validate-quick: four of them;
# make validate-sealed: those kept for the dictionaries of today.
# make causes: where the gain in reward passes, three rewards with two RLHF runs each (config/causes.yaml; docs/causes.md).
# make docs: the documentation as a site, site/index.html, with mkdocs, which it installs into .venv; a link to nothing is an error.
# make format: ruff and snakefmt over all code (make lint: whether they would change or complain of anything).
# make dag: rules and jobs as pictures (make dag CONFIG=config/paper.yaml: those of an overlay). All make .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo causes test test-system test-long test-peers validate validate-quick validate-sealed format lint dag docs clean

demo: .venv/ready
	$(BIN)/snakemake --cores all
	@$(BIN)/python -m rewardscope show results/tables/table3.csv results/tables/table4.csv
	@echo "The report: $(CURDIR)/results/report.html (open it in a browser)"

causes: .venv/ready
	$(BIN)/snakemake --cores all --configfile config/causes.yaml
	@echo "The table: $(CURDIR)/results/causes/tables/causes.csv"

test: .venv/ready
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadgroup

test-system: .venv/ready
	$(BIN)/python -m pytest tests/system

test-long: .venv/ready
	$(BIN)/python -m pytest tests/long

test-peers: .venv/ready
	$(BIN)/python benchmarks/sae_training.py --peers --sizes 128x256 --steps 20 --rounds 1
	$(BIN)/python benchmarks/extraction.py --peers --documents 40 --rounds 1
	$(BIN)/python benchmarks/ppo.py --updates 1 --rounds 1
	$(BIN)/python benchmarks/saelens_form.py
	$(BIN)/python benchmarks/dictionaries.py --data sae-lens --seeds 1 --threads 1 --recipes batchtopk --peers --rates 0.004

validate validate-quick validate-sealed: .venv/ready
	$(BIN)/python benchmarks/planted/validate.py $@

format: .venv/ready
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/snakefmt Snakefile workflow

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile workflow

dag: .venv/ready
	@set -e; dag=$$(sed -n 's/ #.*//; s/^results: *["'\'']*\([^"'\'']*[^"'\'' ]\)["'\'' ]*$$/\1/p' config.yaml $(if $(CONFIG),"$(CONFIG)") | tail -n 1)/dag; \
	mkdir -p "$$dag"; \
	graph() { $(BIN)/snakemake $(if $(CONFIG),--configfile "$(CONFIG)") --forceall "$$@"; }; \
	for kind in rulegraph:rules dag:jobs; do \
		graph --$${kind%:*} mermaid-js > "$$dag/$${kind#*:}.mmd"; \
		if command -v dot > /dev/null; then graph --$${kind%:*} dot | dot -Tsvg -o "$$dag/$${kind#*:}.svg"; fi; \
	done; \
	command -v dot > /dev/null || echo "For SVG pictures install Graphviz (dot); GitHub and mermaid.live draw .mmd files."; \
	ls "$$dag"/*

docs: .venv/docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "The documentation: $(CURDIR)/site/index.html (open it in a browser)"

.venv/docs: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@

.venv/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

clean:
	rm -rf .venv .snakemake
