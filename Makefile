NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.11 python3; do $$p -c '$(NEW_ENOUGH)' 2>&- && echo $$p && break; done)
BIN := .venv/bin

# Tests start hundreds of processes, and each would compile every module again, as in many containers.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup check test conformance official-tests fluvio-client-python chaos zoo rust rusttest node nodetest editors trial certify certify-deep certify-official coverage soak bench docs browser pictures

help:            ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 16

setup: .venv/ready  ## create .venv and install what is pinned

# An environment that was made is not for ever one that works: its Python may have moved or gone.
ifneq ($(wildcard .venv/ready),)
ifneq ($(shell $(BIN)/python -c '$(NEW_ENOUGH)' 2>&1 || echo broken),)
.PHONY: .venv/ready
endif
endif

.venv/ready: pyproject.toml constraints.txt
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' 2>&- || { echo 'spu-chaos needs Python 3.11 or later; name one: make setup PYTHON=python3.11' >&2; exit 1; }
	"$(PYTHON)" -m venv --clear .venv && $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' && touch $@

check: setup     ## lint, types, and the direction of the imports
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache

# Four processes on two cores: many tests wait for a process to start, or for a client's own clock.
test: setup      ## the whole test suite, but for what needs cargo or npm
	$(BIN)/pytest -n 4 --dist worksteal -m 'not rust and not node and not editors'

conformance: setup  ## recorded sessions of a real cluster, replayed against the simulator and compared
	$(BIN)/python -m chaos.cli.conformance tests/golden/real

official-tests: fluvio-client-python setup  ## the official Python client's own tests; FLUVIO_CLIENT_PYTHON=path
	$(BIN)/python -m tests.official.integration_tests "$(FLUVIO_CLIENT_PYTHON)"

fluvio-client-python:
	@test -n "$(FLUVIO_CLIENT_PYTHON)" || { echo 'make official-tests needs a clone of https://github.com/infinyon/fluvio-client-python; name it: make official-tests FLUVIO_CLIENT_PYTHON=path' >&2; exit 1; }

chaos: setup     ## every scenario, in virtual time and over real sockets, judged record by record
	$(BIN)/python -m chaos run scenarios/*.yaml

RUST := examples/rust-driver
CARGO := cd $(RUST) && cargo
rust:            ## build the official Rust client as a program on trial (needs cargo)
	@command -v cargo >/dev/null || { echo 'make rust needs cargo; see https://rustup.rs' >&2; exit 1; }
	$(CARGO) build --locked --release --bins --examples --target-dir target

rusttest: setup rust  ## lint the Rust driver, and test the official Rust client
	$(CARGO) fmt --check && cargo clippy --locked --release --all-targets --target-dir target -- -D warnings
	$(BIN)/pytest -n 4 --dist worksteal -m rust

node:            ## install the official Node client as a program on trial (needs npm)
	@command -v npm >/dev/null || { echo 'make node needs npm; see https://nodejs.org' >&2; exit 1; }
	cd examples/node-driver && npm ci --ignore-scripts --no-audit --no-fund

nodetest: setup node  ## test the official Node client
	$(BIN)/pytest -n 4 --dist worksteal -m node

editors: setup   ## what yaml-language-server offers in a scenario, by its schema (needs npm)
	@command -v npm >/dev/null || { echo 'make editors needs npm; see https://nodejs.org' >&2; exit 1; }
	cd tests/editors && npm ci --ignore-scripts --no-audit --no-fund
	$(BIN)/pytest -n 0 -m editors tests/editors

trial: setup     ## the official clients through their known defects, held against docs/official-client.md
	$(BIN)/python -m chaos.cli.trial docs/official-client.md --compare

zoo: setup       ## every mutant, small defects that the judge must catch, and nobody else accused
	$(BIN)/python -m chaos zoo

certify: setup   ## every placement of up to two faults in small workloads: docs/certificates/
	rm -f .chaos/certificates/*.md
	$(BIN)/python -m chaos certify scenarios/certificates/*.yaml --out .chaos/certificates
	$(BIN)/python -m chaos.search.recheck .chaos/certificates/at-most-once-one-record.jsonl
	mkdir -p docs/certificates && cp .chaos/certificates/*.md docs/certificates

EVERYTHING := scenarios/certificates/everything.alphabet
# Three faults in the other workloads are hundreds of thousands of runs.
DEEP := $(wildcard scenarios/certificates/*-one-record*.yaml scenarios/certificates/*-two-batches*.yaml) scenarios/certificates/at-most-once-two-partitions.yaml scenarios/certificates/at-least-once-two-partitions-1-retry.yaml
certify-deep: setup  ## up to three faults; and up to two of every kind, with changes of the cluster (many minutes)
	$(BIN)/python -m chaos certify $(DEEP) --faults 3 --out .chaos/certificates/deep
	mkdir -p docs/certificates/deep && cp .chaos/certificates/deep/*.md docs/certificates/deep
	$(BIN)/python -m chaos certify scenarios/certificates/*.yaml --alphabet $(EVERYTHING) --out .chaos/certificates/everything
	mkdir -p docs/certificates/everything && cp .chaos/certificates/everything/*.md docs/certificates/everything

OFFICIAL := scenarios/official-client/certificates/*.yaml --faults 1 --jobs 6 --out .chaos/certificates
certify-official: setup rust  ## what the official Python and Rust clients do in every placement of one fault (minutes)
	$(BIN)/python -m chaos certify $(OFFICIAL)/official --client fluvio || [ $$? = 1 ]
	mkdir -p docs/certificates/official && cp .chaos/certificates/official/*.md docs/certificates/official
	$(BIN)/python -m chaos certify $(OFFICIAL)/official-rust --client fluvio-rust || [ $$? = 1 ]
	mkdir -p docs/certificates/official-rust && cp .chaos/certificates/official-rust/*.md docs/certificates/official-rust

coverage: setup  ## what the scenarios reach of the producer, which must be almost all (minutes)
	$(BIN)/coverage run -m chaos run scenarios/*.yaml --jobs 1 && $(BIN)/coverage report

FROM ?= 0
EXAMPLES ?= 50000
soak: setup      ## 100,000 examples of the properties that open everything (minutes); FROM=5000 EXAMPLES=1000
	$(BIN)/python -m chaos explore scenarios/at-least-once-everything-open.yaml scenarios/at-most-once-everything-open.yaml --from $(FROM) --examples $(EXAMPLES)

bench: setup     ## figures for the docs, never a test
	$(BIN)/python -m benchmarks && $(BIN)/python -m benchmarks.streaming && $(BIN)/python -m benchmarks.proxy && $(BIN)/python -m benchmarks.producers && $(BIN)/python -m benchmarks.chaos && $(BIN)/python -m benchmarks.loop

pictures: setup  ## draw the pictures of README.md and docs/ again
	$(BIN)/python -m tests.browser.pictures docs/pictures

browser: setup   ## screenshots of the pages in headless Chromium, wide and narrow, light and dark; look at them
	$(BIN)/python -m tests.browser.screenshots .browser

docs: setup      ## write again what is generated in docs/
	$(BIN)/python -m wire.reference docs/wire.md
	$(BIN)/python -m simulator.faults.guide docs/faults.md
	$(BIN)/python -m chaos.spec.schema scenarios/schema.json
	$(BIN)/python -m chaos.spec.guide docs/scenarios.md
	$(BIN)/python -m chaos.mutants.page docs/zoo.md
	$(BIN)/python -m chaos.mutants.page docs/chaos.md
	$(BIN)/python -m chaos.report.stored_histories docs/official-client
