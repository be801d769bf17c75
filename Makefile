# Thin aliases. Needs make and Python 3.11 or newer; everything else goes into .venv.
#   make app      the dashboard on http://localhost:8501
#   make test     lint, types and every test, in a real browser too
# Another interpreter: make app PYTHON=/path/to/python3.12

PYTHON ?= python3
VENV   ?= .venv
PORT   ?= 8501

BIN     := $(VENV)/bin
FOR_APP := $(VENV)/.installed-app
FOR_TEST := $(VENV)/.installed-test

DOCKER ?= docker
IMAGE  ?= ecoserve-planner

.PHONY: help app test check bench calibrate catalog clean image image-check lock

help:
	@sed -n '2,4s/^# *//p' Makefile
	@echo "also: make check | bench | calibrate | catalog | image | image-check | lock | clean"

app: catalog
	@$(BIN)/ecoserve app --port $(PORT) --headless

test: check
	@$(BIN)/python -m tests.e2e.browser --install || true  # without one, the browser tests fail and say so
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(FOR_TEST)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# All of it, or the parts that are named: make bench PART="planning dashboard".
bench: $(FOR_TEST)
	@$(BIN)/python -m tests.e2e.browser --install || true
	$(BIN)/python -m tests.bench $(PART)

# The speed and power parameters anew from the catalog's measured points; no change means nothing is amiss.
calibrate: $(FOR_APP)
	@$(BIN)/python -m catalog_db.calibrate

catalog: $(FOR_APP)
	@$(BIN)/ecoserve catalog build

image:
	@command -v $(DOCKER) >/dev/null || { \
	  echo "make image needs Docker or Podman, and '$(DOCKER)' is not there; name another: make image DOCKER=podman. 'make image-check' tries the image's steps without one." >&2; exit 1; }
	@$(DOCKER) info >/dev/null 2>&1 || { \
	  echo "'$(DOCKER)' is installed but its engine does not answer: start it, or see whether you may use it. 'make image-check' tries the image's steps without one." >&2; exit 1; }
	$(DOCKER) build --tag $(IMAGE) .

# The Dockerfile's steps without Docker: built in an empty folder, run by a user who may write nothing but the library.
image-check: $(FOR_TEST)
	@$(BIN)/python -m tests.e2e.browser --install || true
	@$(BIN)/python -m scripts.try_image

# The exact packages of the image, with their hashes, anew from pyproject.toml: the newest that fit.
lock: $(FOR_TEST)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/python -m scripts.lock

# Everything these targets make, .venv included.
clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Installed again only when pyproject.toml changes: the sources are used in place.
$(FOR_APP): pyproject.toml
	$(call make_venv)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(FOR_TEST): pyproject.toml
	$(call make_venv)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $(FOR_APP) $@

define make_venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
  echo "EcoServe needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not there); name another: make PYTHON=/path/to/python3.11" >&2; exit 1; }
@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
  echo "This Python cannot make virtual environments; on Debian or Ubuntu run: apt-get install python3-venv" >&2; exit 1; }
@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); }
@echo "Installing into $(VENV); the first time takes a minute or two ..."
endef
