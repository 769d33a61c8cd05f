# `make demo` and `make test` are all that a visitor needs: each sets up $(VENV) first, then runs.

PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
EXTRAS ?= gym,sb3,nir,plot,video,bench,test
WORKERS ?= 2

BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS)

.PHONY: demo test check docs lowest clean

demo: $(VENV)/.installed
	$(BIN)/dqn2snn demo --output demo-output

test: $(VENV)/.installed
	$(BIN)/python -m pytest --numprocesses $(WORKERS) $(PYTEST_ARGS)

check: $(VENV)/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going -b dirhtml docs docs/_build

# The tests on the oldest versions that pyproject.toml allows, which warn about the new ones below them;
# stable-baselines3 needs a newer torch.
lowest: build/lowest.txt
	$(MAKE) test VENV=.venv-lowest CONSTRAINTS=build/lowest.txt EXTRAS=gym,nir,plot,video,bench,test PYTEST_ARGS='-W default'

build/lowest.txt: pyproject.toml
	mkdir -p build
	grep -oE '"[A-Za-z0-9-]+(\[[a-z0-9,]+\])?>=[0-9.]+' $< | sed -E 's/"//; s/\[.*\]//; s/>=/==/' | sort -u > $@

# Norse asks for torchvision, which it does not import and which would bring another torch: hence --no-deps.
$(VENV)/.installed: pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo 'Expected Python 3.10 or newer as "$(PYTHON)". Found: '"$$($(PYTHON) --version 2>&1)"'. Run: make PYTHON=/path/to/python3'; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
	  { echo 'Expected a Python with venv and pip. On Debian and Ubuntu, run: sudo apt install python3-venv'; exit 1; }
	@echo 'Setting up $(VENV). The first time this downloads torch and takes some minutes.'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[$(EXTRAS)]' nirtorch
	$(INSTALL) --no-deps norse
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(INSTALL) --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) .venv-lowest build demo-output docs/_build
