# `make demo` and `make test` set everything up by themselves; see CONTRIBUTING.md.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check bench leaderboard pictures docs docs-serve format clean setup

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	@echo "Installing; the first time this takes some minutes."
	$(BIN)/pip install --quiet -c constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $(READY)

setup: $(READY)

demo: $(READY)
	@mkdir -p demo
	@$(BIN)/retouch diorama paint "a red cat sitting on a beach" --seed 3 -o demo/source.png --force
	@$(BIN)/retouch edit demo/source.png --from "a red cat sitting on a beach" --to "a blue cat sitting on a beach" \
		-o demo/edited.png --strip demo/before-and-after.png --force
	@echo "Look at demo/before-and-after.png: the painted picture, and its edit."

# what to run while working: the tests that take no edit to tell; a minute or so
check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests/typed/uses.py
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -m "not slow"

test: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests/typed/uses.py
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q

bench: $(READY)
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/fitting.py
	$(BIN)/python benchmarks/runner.py

# some six hours on one core; interrupted, it goes on where it was
leaderboard: $(READY)
	$(BIN)/retouch bench diorama -o runs/leaderboard --methods all --variant ddim:guidance_scale=7.5 --keep both \
		--count 20 --kinds "colour,subject,place,accessory,pose,subject and place"
	$(BIN)/python docs/make_leaderboard.py runs/leaderboard

pictures: $(READY)
	$(BIN)/python docs/make_pictures.py

# the site: the pages and the reference; a link that leads nowhere fails it
docs: $(READY)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Open site/index.html in a browser; to search, too: make docs-serve"

docs-serve: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --dev-addr 127.0.0.1:8000

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv demo dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache
