# Each line is a command that a person could type. `make` alone lists them.
SHELL := /bin/bash
export PATH := $(CURDIR)/.tools/bin:$(PATH)
WEIRGATE := target/debug/weirgate

.PHONY: help setup setup-run setup-test setup-model filters build run demo test lint bench fuzz bench-peers prove-budgets eval-cache envoy-config clean

help: ## List what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: setup-run setup-test setup-model ## Install what is missing, into .tools where that can be

setup-run:
	@filters/toolchain.sh
	@envoy/setup.sh

setup-test:
	@tests/setup.sh

setup-model: ## Install the sentence model of the semantic cache
	@crates/semantic/setup.sh

filters: setup-run ## Build the three wasm filters into target/filters
	filters/build.sh

build: ## Build the service and the mock provider
	cargo build

run: filters build ## Start the gateway: with your providers' keys if they are set, else with a mock provider
	deploy/run.sh

demo: filters build ## Show what the gateway does, against a mock provider, and end
	python3 tests/demo.py

test: setup filters build ## Run every test
	cargo test --workspace --quiet
	@if command -v c++ >/dev/null; then crates/dialect/fuzz/run.sh 5; else echo "fuzzing is left out: it needs a C++ compiler"; fi
	.tools/venv/bin/pytest -q tests/e2e
	.tools/venv/bin/pytest -q tests/deploy

lint: ## Check style and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

bench: filters ## Measure the gateway: prints a table and writes target/bench/latest.json
	cargo build --release
	target/release/weirgate-bench run

bench-peers: filters ## The same, and other gateways in the same run
	tests/bench/peers.sh
	cargo build --release
	target/release/weirgate-bench run --peers

fuzz: ## Fuzz each parser for SECONDS=600: failing inputs come to target/fuzz/artifacts
	crates/dialect/fuzz/run.sh $(or $(SECONDS),600)

prove-budgets: setup filters ## Kill everything under load and compare spend with what was generated: target/proof/budgets.json
	cargo build --release
	E2E_WEIRGATE=target/release/weirgate E2E_MOCK_PROVIDER=target/release/mock-provider .tools/venv/bin/python tests/prove_budgets.py

eval-cache: setup-model ## Measure the semantic cache, with PAIRS=file.jsonl.gz on labelled pairs: target/eval/cache.json
	cargo build --release --package eval-cache
	target/release/eval-cache $(if $(PAIRS),--pairs "$(PAIRS)")

envoy-config: filters build ## Render the reference configurations under envoy/
	envoy/render.sh

clean: ## Remove what was built, and keep what was installed
	rm -rf target
