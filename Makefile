# What CI runs is what people run. `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
THREADS ?= 2

# What the tests depend on: when nothing of it has changed since they passed, `make check` does not run them again.
TESTED := $(shell find src tests examples benchmarks results docs -name __pycache__ -prune -o -type f -print 2>/dev/null) \
          $(wildcard *.md *.toml *.txt *.cff Makefile NOTICE LICENSE)

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-all check lint fmt bench table images figures ablation annotate contracts openapi lock audit sbom clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 16

demo: $(VENV)/.core  ## cut objects out of the example photos (installs the core, no torch)
	@$(BIN)/python examples/demo.py --out out/demo

test: $(VENV)/.dev  ## run the tests (installs torch and the development tools)
	$(BIN)/python -m pytest -n $(THREADS) --dist worksteal
	@touch $(VENV)/.tested

test-slow: $(VENV)/.dev  ## run the tests that take long
	$(BIN)/python -m pytest -n $(THREADS) --dist worksteal -m "slow and not integration"

test-all: test test-slow  ## run all tests

check: lint $(VENV)/.tested  ## lint, types, tests: what must pass before a commit is proposed

lint: $(VENV)/.dev node_modules/.made  ## ruff, mypy, and the types of the page's JavaScript
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	node_modules/.bin/tsc

fmt: $(VENV)/.dev  ## format the code and repair what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.core  ## measure the methods on GrabCut, Berkeley and DAVIS, and the speed; renew results/ and the README's table
	$(BIN)/fewclicks bench grabcut berkeley davis --threads $(THREADS) --json results/default.json
	$(BIN)/fewclicks bench grabcut berkeley davis --threads $(THREADS) --cfr 0 --json results/default-cfr0.json
	$(BIN)/fewclicks bench grabcut berkeley davis --threads $(THREADS) --method default-int8 --json results/default-int8.json
	$(BIN)/fewclicks bench grabcut berkeley davis --threads $(THREADS) --method default-0.1 --cfr 1 --json results/default-0.1.json
	$(BIN)/fewclicks bench grabcut berkeley davis --threads $(THREADS) --method grabcut --json results/grabcut.json
	$(BIN)/fewclicks bench grabcut berkeley davis --threads $(THREADS) --method grow --json results/grow.json
	$(BIN)/python benchmarks/speed.py --json results/speed.json
	$(BIN)/python benchmarks/int8.py --json results/int8.json
	$(BIN)/python benchmarks/tables.py

.PHONY: bench-annotate
bench-annotate: $(VENV)/.dev  ## measure the annotator, page and server, on a machine at rest; renew docs/annotator.md (needs Chromium)
	$(BIN)/python benchmarks/page.py --json results/annotator_page.json
	$(BIN)/python benchmarks/annotate_server.py --json results/annotator_server.json
	$(BIN)/python benchmarks/tables.py docs/annotator.md

.PHONY: attack attack-quick
MINUTES ?= 90
ATTACK = PYTHONPATH=benchmarks $(BIN)/python -m attack --minutes $(MINUTES) $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED))
attack: $(VENV)/.dev  ## kill servers, fill disks, send hostile files: MINUTES=90 ONLY=kills,inputs; renew docs/reliability.md
	@$(ATTACK); code=$$?; $(BIN)/python benchmarks/tables.py docs/reliability.md && exit $$code

attack-quick: $(VENV)/.dev  ## the same in under four minutes, into out/attack; CI runs it
	@mkdir -p out/attack && rm -f out/attack/quick.json
	$(ATTACK) --quick --json out/attack/quick.json

.PHONY: gpu-kit
gpu-kit: $(VENV)/.dev  ## pack code, data and weights for a machine with a GPU and no network, in parts: docs/gpu-kit.md
	$(BIN)/python benchmarks/gpu_kit.py

.PHONY: robust
robust: $(VENV)/.dev  ## measure the validation split and changed photos, draw the failures; renew the model card
	$(BIN)/fewclicks bench validation --processes $(THREADS) --full --json results/validation.json
	$(BIN)/python benchmarks/robustness.py --processes $(THREADS)
	$(BIN)/python benchmarks/failures.py
	$(BIN)/python benchmarks/tables.py

table: $(VENV)/.core  ## write the tables of the README, the model card and docs/ anew from results/
	$(BIN)/python benchmarks/tables.py

images: $(VENV)/.core  ## draw the README's picture anew
	$(BIN)/python examples/demo.py --out out/demo --sheet docs/images/demo.png

figures: $(VENV)/.dev  ## draw the figures of docs/figures.md anew
	$(BIN)/fewclicks figures --report "default=results/default.json" --report "8 bits=results/default-int8.json" \
	  --out docs/figures

ablation: $(VENV)/.dev  ## train and measure ICL, SUEM and CFR at our scale: hours, goes on where it stopped
	$(BIN)/python benchmarks/ablation.py

annotate: $(VENV)/.annotate  ## open the annotator on the example photos in the browser (installs the core and a web server)
	@$(BIN)/fewclicks annotate examples/images

.PHONY: test-integrations
ENVIRONMENTS := out/environments
COMMA := ,
# What an environment is made of: its list, and what is read of pyproject.toml. It is made anew when that changes.
NEEDS = { cat $$list; sed -n '/^dependencies/,/^]/p; /^\[project.scripts]/,/^$$/p; /entry-points/,/^$$/p' pyproject.toml; }
# pip takes minutes for what uv does in seconds, and each environment has its own copy of the same files.
UV := $(ENVIRONMENTS)/uv/bin/uv
$(UV): requirements/uv.txt
	@$(PYTHON) -m venv --clear $(ENVIRONMENTS)/uv && $(ENVIRONMENTS)/uv/bin/python -m pip --disable-pip-version-check --quiet install -r $< && touch $@

test-integrations: $(VENV)/.dev $(UV)  ## run the tests against the real programs, installed into environments of their own; ONLY=napari,ray
	@for list in $(if $(ONLY),$(foreach name,$(subst $(COMMA), ,$(ONLY)),requirements/integrations/$(name).txt),requirements/integrations/*.txt); do \
	  name=$$(basename $$list .txt); place=$(ENVIRONMENTS)/$$name; \
	  [ -f $$list ] || { echo "there is no $$list; ONLY takes names of requirements/integrations/" >&2; exit 2; }; \
	  $(NEEDS) | cmp -s - $$place/.installed && continue; \
	  echo "Installing $$name into $$place ..."; \
	  $(UV) venv --quiet --clear --seed --python $(PYTHON) $$place \
	    && $(UV) pip install --quiet --python $$place/bin/python -r $$list -e . \
	    && $(NEEDS) > $$place/.installed || echo "$$name cannot be installed; its tests are skipped"; done
	FEWCLICKS_ENVIRONMENTS=$(abspath $(ENVIRONMENTS)) $(BIN)/python -m pytest -m integration -rs tests

.PHONY: docs
docs: requirements/docs.txt  ## build the docs site into out/site, strictly (mkdocs, in an environment of its own)
	@cmp -s requirements/docs.txt $(ENVIRONMENTS)/docs/.installed || { \
	  $(PYTHON) -m venv --clear $(ENVIRONMENTS)/docs \
	  && $(ENVIRONMENTS)/docs/bin/python -m pip --disable-pip-version-check --quiet install -r requirements/docs.txt \
	  && cp requirements/docs.txt $(ENVIRONMENTS)/docs/.installed; }
	NO_MKDOCS_2_WARNING=1 $(ENVIRONMENTS)/docs/bin/mkdocs build --strict --quiet

.PHONY: wheel
wheel: requirements/release.txt  ## build sdist and wheel, check them, and run the wheel in a clean environment outside of the repository
	@PYTHON=$(PYTHON) requirements/wheel.sh

contracts: $(VENV)/.dev  ## write anew what users rely on: tests/contracts (each change of it is one that users see)
	$(BIN)/python tests/contracts.py

openapi: $(VENV)/.annotate  ## write the description of the annotator's API anew
	$(BIN)/python -c "from fewclicks.annotator.server.app import document; print(document(), end='')" > docs/openapi.json

lock: $(VENV)/.dev  ## write requirements/core.txt, the hashes of what `make demo` installs, anew from constraints.txt
	$(PIP) install -c constraints.txt hatchling editables
	$(BIN)/python requirements/lock.py

audit:  ## ask for known weaknesses of what we depend on; skipped, with a word, where there is no way to ask
	@requirements/audit.sh

sbom: $(VENV)/.dev  ## write dist/fewclicks.cdx.json: what fewclicks is made of, as a CycloneDX bill of materials
	$(BIN)/python requirements/sbom.py

clean:  ## remove what was built; .venv and node_modules too
	rm -rf $(VENV) node_modules out dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "fewclicks needs Python 3.11 or newer; '$(PYTHON)' is none. Name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import platform, sys; sys.exit(platform.system() == "Darwin" and platform.machine() == "x86_64")' || { \
	  echo "ONNX Runtime $$(sed -n 's/^onnxruntime==//p' constraints.txt) has no build for Macs with Intel processors; there:" \
	    "pip install fewclicks (Python 3.11 to 3.13, without torch)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "Python cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@touch $@

# Only what has the hashes of requirements/core.txt is installed: the packages, and what builds our own.
$(VENV)/.core: $(VENV)/.made pyproject.toml requirements/core.txt
	@echo "Installing fewclicks into $(VENV) ..."
	@$(PIP) install --require-hashes --only-binary :all: -r requirements/core.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.annotate: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing fewclicks and the annotator into $(VENV) ..."
	@$(PIP) install -c constraints.txt -e '.[annotate]'
	@touch $@ $(VENV)/.core

$(VENV)/.dev: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing fewclicks, torch and the development tools into $(VENV) ..."
	@$(PIP) install -c constraints.txt -e '.[dev,imagenet]'
	@touch $@ $(VENV)/.core $(VENV)/.annotate

node_modules/.made: package.json package-lock.json
	@command -v npm > /dev/null || { \
	  echo "TypeScript checks the page and needs Node.js; on Debian and Ubuntu: apt install nodejs npm" >&2; exit 1; }
	@npm ci --silent --no-audit --no-fund
	@touch $@

$(VENV)/.tested: $(VENV)/.dev $(TESTED)
	@$(MAKE) --no-print-directory test
