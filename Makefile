# Two commands for everybody: `make demo` and `make test`. Both set up all they need in .venv first.
# The rest: `make help`.

# The first interpreter that is new enough; `make PYTHON=...` overrides.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' >/dev/null 2>&1 && echo "$$p" && break; done)
VENV := .venv
BIN := $(VENV)/bin
WHEEL := build/wheel
SOURCES := $(shell find src -type f ! -name '*.pyc') pyproject.toml README.md LICENSE NOTICE
PYTEST := $(BIN)/python -m pytest

export PYTHONDONTWRITEBYTECODE := 1
export SOURCE_DATE_EPOCH ?= 1735689600

.DEFAULT_GOAL := help
.PHONY: help demo examples test wheel check format docs lock fuzz bench memcheck soak-record soak-cell soak-vault soak-engine soak-requests soak-door clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

demo: $(VENV)/installed ## ask a function behind the wall, and see what is refused; on a terminal, serve a model
	@$(BIN)/python examples/demo.py

examples: $(VENV)/installed $(VENV)/examples ## train four small models, export and sign them, ask them behind the wall
	@for e in digits digits_conv digits_small pendulum; do $(BIN)/python examples/$$e.py || exit 1; done

test: $(VENV)/installed $(VENV)/examples ## run the whole suite against the built wheel
	@$(PYTEST) $(ARGS)

wheel: $(VENV)/installed ## build the wheel, for a container or another machine: build/wheel
	@ls $(WHEEL)/*.whl

check: $(VENV)/installed ## lint, types, import contracts, generated pages, house tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/generate_docs.py --check
	@$(PYTEST) tests/house

format: $(VENV)/ready ## format the source
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/installed ## write the generated pages anew
	$(BIN)/python tools/generate_docs.py

lock: $(VENV)/ready ## resolve requirements/*.txt anew, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --upgrade requirements/dev.in -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --upgrade -c requirements/dev.txt requirements/examples.in -o requirements/examples.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --upgrade -c requirements/dev.txt requirements/server.in -o requirements/server.txt

fuzz: $(VENV)/installed ## fuzz every parser, SECONDS_EACH long (300)
	$(BIN)/python tools/fuzz.py --seconds $${SECONDS_EACH:-300}

bench: $(VENV)/installed ## measure, side by side with peers
	@for b in bench/*.py; do echo "== $$b"; $(BIN)/python "$$b" || exit 1; done

memcheck: $(VENV)/installed ## run hostile graphs under valgrind, which has to be installed
	$(BIN)/python tests/memcheck/check.py

soak-record: $(VENV)/installed ## kill writers of the record, ROUNDS times (5000)
	$(BIN)/python tests/record_kill/soak.py --rounds $${ROUNDS:-5000}

soak-cell: $(VENV)/installed ## kill, stop, freeze and starve workers at every step, ROUNDS times (10000)
	$(BIN)/python tests/cell_soak/soak.py --rounds $${ROUNDS:-10000}

soak-vault: $(VENV)/installed ## open a model while others alter it, ROUNDS times (20000)
	$(BIN)/python tests/race/soak.py --rounds $${ROUNDS:-20000}

soak-engine: $(VENV)/installed ## ask the language engine all kinds of things, REQUESTS times (10000)
	$(BIN)/python tests/engine_soak/soak.py --requests $${REQUESTS:-10000}

soak-requests: $(VENV)/installed ## ask one model mixed things, REQUESTS times (10000)
	$(BIN)/python tests/request_soak/soak.py --requests $${REQUESTS:-10000}

soak-door: $(VENV)/installed ## honest and hostile clients of one server, SECONDS_LONG (3600)
	$(BIN)/python tests/door_soak/soak.py --seconds $${SECONDS_LONG:-3600}

clean: ## remove everything that was built here
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# --- set-up -----------------------------------------------------------------------------------------------------

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Ostiary needs Python 3.11 to 3.14 as python3 on the PATH (or make PYTHON=...)" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) || { echo "python3 cannot make virtual environments here: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }

$(VENV)/ready: requirements/dev.txt requirements/uv.txt | $(VENV)/bin/python
	@echo "setting up $(VENV)"
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements/dev.txt
	@touch $@

# What the examples need beside MLX: data to train on, progress bars, plots.
$(VENV)/examples: requirements/examples.txt $(VENV)/ready
	@$(BIN)/uv pip install --quiet --require-hashes --python $(BIN)/python -r requirements/examples.txt
	@touch $@

# The suite and the demo use the wheel that a user would install, never the source tree.
$(VENV)/installed: $(VENV)/ready $(SOURCES)
	@rm -rf $(WHEEL)
	@$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir $(WHEEL) .
	@$(BIN)/uv pip install --quiet --offline --no-deps --reinstall --python $(BIN)/python $(WHEEL)/*.whl
	@touch $@
