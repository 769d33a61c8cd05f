# `make demo` and `make test` are all that a visitor needs: each sets up $(VENV) first, then runs.

PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
EXTRAS ?= gym,atari,sb3,frameworks,hub,nir,importers,torchmetrics,plot,video,bench,test
WORKERS ?= 2

COMPILED = CMakeLists.txt $(wildcard cpp/*)
BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS)

.PHONY: demo test check docs versions lowest sanitize clean

demo: $(VENV)/.installed
	$(BIN)/dqn2snn demo --output demo-output

test: $(VENV)/.installed
	$(BIN)/python -m pytest --numprocesses $(WORKERS) $(PYTEST_ARGS)

check: $(VENV)/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/clang-format --dry-run --Werror cpp/*.cpp cpp/*.hpp
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going -b dirhtml docs docs/_build

# Each supported Python with the oldest and with the newest versions of everything; see --help.
versions: $(VENV)/.installed
	$(BIN)/python -m tests.versions $(VERSIONS_ARGS)

# The whole test suite on the oldest versions, which warn about the new ones below them; stable-baselines3 needs a newer
# torch.
LOWEST = build/lowest

lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python -m pytest --numprocesses $(WORKERS) -W default $(PYTEST_ARGS)

$(LOWEST)/.installed: $(VENV)/.installed
	$(BIN)/uv venv --clear --python 3.10 $(LOWEST)
	$(BIN)/uv pip install --python $(LOWEST) --resolution lowest-direct \
	  --editable '.[norse,gym,atari,nir,torchmetrics,plot,video,bench,test]'
	touch $@

# The tests of the event engine, compiled with GCC's address and undefined-behaviour sanitizers, any finding of which
# ends them. It lives in an environment of its own that borrows the libraries of $(VENV). Leaks are not looked for:
# Python itself keeps memory until it ends. The sanitizer holds freed memory back, so the tests that watch the memory
# of the process are for other runs. The libraries come first in the process, libstdc++ too because the
# sanitizer has to know of exceptions that torch throws.
SANITIZED = build/sanitize
SANITIZERS = LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
SANITIZE_ARGS ?= -k 'not nothing_behind' tests/engine dqn2snn/engine

sanitize: $(SANITIZED)/.installed
	$(SANITIZERS) $(SANITIZED)/bin/python -W error -c 'from dqn2snn.engine.available import event_engine; event_engine()'
	$(SANITIZERS) $(SANITIZED)/bin/python -m pytest --capture=sys $(SANITIZE_ARGS)  # a finding is written to fd 2

$(SANITIZED)/.installed: $(VENV)/.installed
	$(PYTHON) -m venv $(SANITIZED)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > "$$($(SANITIZED)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/libraries.pth"
	DQN2SNN_REQUIRE_ENGINE=1 $(SANITIZED)/bin/python -m pip install --quiet --no-deps \
	  --config-settings cmake.define.DQN2SNN_SANITIZE=ON --config-settings cmake.build-type=RelWithDebInfo --editable .
	touch $@

# Norse and SpikingJelly ask for torchvision, which is not needed and would bring another torch, and Sinabs for a driver of
# its chips: hence --no-deps. The last two go with the extra importers, on Python 3.11 and newer.
$(VENV)/.installed: pyproject.toml $(CONSTRAINTS) $(COMPILED)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo 'Expected Python 3.10 or newer as "$(PYTHON)". Found: '"$$($(PYTHON) --version 2>&1)"'. Run: make PYTHON=/path/to/python3'; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
	  { echo 'Expected a Python with venv and pip. On Debian and Ubuntu, run: sudo apt install python3-venv'; exit 1; }
	@echo 'Setting up $(VENV). The first time this downloads torch and takes some minutes.'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[$(EXTRAS)]' nirtorch
	$(INSTALL) --no-deps norse
	! $(BIN)/python -c 'import spyx' 2> /dev/null || $(INSTALL) --no-deps sinabs spikingjelly
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(INSTALL) --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build demo-output docs/_build
