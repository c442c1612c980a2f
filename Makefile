# One profile (release) and one package selection (the whole workspace) for build, demo, tests and benches,
# so that tfhe is compiled once.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CARGO_DENY_VERSION := 0.18.4
FORGE = tools/forge
# What `make devnet` and `make demo` decrypt with: flood, exact, or both (key material for both, flood in force)
DECRYPTION = flood

.PHONY: help setup build demo devnet test test-web test-templates nightly lint fmt bench bench-exact bench-sweep layers tidy

help: ## shows this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

node_modules/.stamp: package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

setup: node_modules/.stamp ## installs the pinned npm tools (Anvil, Forge, solc, contract libraries, official clients)

# `--test types` builds one small test besides: with it Cargo unifies the features of test dependencies too, as for the tests, and
# compiles tfhe once for both.
build: setup ## compiles contracts and programs (20 minutes on two cores the first time)
	$(FORGE) build
	cargo build --release --workspace --lib --bins --test types

demo: build ## a confidential token on a devnet of its own: mint, transfer, both decryptions, a node killed
	target/release/tkms demo --dir target/demo --port-base 19545 --decryption $(DECRYPTION)

devnet: build ## Anvil, contracts, four nodes, coprocessor and oracle; stays up until Ctrl-C
	target/release/tkms devnet --decryption $(DECRYPTION)

test: setup ## everything: Foundry tests, then the Rust tests with the end-to-end ones, which run in both modes of decryption
	$(FORGE) build
	$(FORGE) test
	cargo build --release --workspace --lib --bins --tests
	tools/test-rust

test-web: build ## the demo page in headless Chromium (Debian's, installed if missing)
	tools/test-web

test-templates: build ## both templates for dApp authors, from an empty folder to a round on a devnet
	tools/test-templates

nightly: setup ## as test, with deep fuzzing, a million mutated proofs, 10,000 simulated committees, every cell of the matrix of operations, the templates
	$(FORGE) build
	FOUNDRY_PROFILE=deep $(FORGE) test
	MERKLE_ACL_MUTATIONS=1000000 TKMS_FHE_MATRIX=full TKMS_E2E_TRANSFERS=full TKMS_MPC_RUNS=10000 TKMS_EXACT_CIPHERTEXTS=100000 $(MAKE) test
	$(MAKE) test-templates

lint: setup layers tidy ## formatting, clippy, dependency rules, file budgets
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	$(FORGE) fmt --check
	@cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --version $(CARGO_DENY_VERSION) --locked
	cargo deny check bans licenses sources

fmt: setup ## formats Rust and Solidity
	cargo fmt --all
	$(FORGE) fmt

bench: build ## criterion benches and the table of stages; figures go to target/bench.json
	cargo bench --workspace
	target/release/tkms bench --dir target/demo --port-base 19545

bench-exact: build ## the same table with `exact` in force, a minute of it sustained
	target/release/tkms bench --dir target/demo --port-base 19545 --decryption exact

bench-sweep: build ## both protocols by committee size, type and delay: docs/sweep.svg and its table; a quarter of an hour
	cargo bench --workspace --bench sweep -- 4 7 10 13
	target/release/tkms sweep --samples

layers: ## fails if a pure crate depends on something it must not
	tools/layers

tidy: ## prints file sizes; fails over the budget
	tools/tidy
