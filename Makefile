# Two commands for everyone: `make demo` and `make test`. They install what they need (Debian or Ubuntu, as root or
# with sudo) and leave no engine, network or container behind.

# Cargo's own default unless told; .ci/run puts it outside the checkout.
CARGO ?= cargo
SETUP := tests/setup
# Tests and demo run as root, the build does not: cargo's runner makes the step.
ARCH := $(shell uname -m)
export CARGO_TARGET_$(shell echo $(ARCH) | tr a-z A-Z)_UNKNOWN_LINUX_GNU_RUNNER := $(CURDIR)/$(SETUP)/as-root
export ROLECALL_TEST_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rolecall-tests
# What equality and figures are measured against, where it is at hand.
PEERS := eval "$$($(SETUP)/peers --env)";

.PHONY: help demo test test-setup fuzz bench static lint check

help: ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: ## Boot an embedded instance into three roles on a real Docker engine, and show it
	@$(SETUP)/packages demo
	$(CARGO) build --locked --bin rolecall
	@$(CARGO) run --locked --quiet --example demo

test: test-setup ## The whole suite, on real parts
	$(PEERS) $(CARGO) nextest run --locked --no-fail-fast $(if $(CI),--profile ci)

test-setup:
	@$(SETUP)/packages test
	@$(SETUP)/moto > /dev/null
	@$(SETUP)/peers
	@$(CARGO) nextest --version > /dev/null 2>&1 || $(CARGO) install cargo-nextest --locked

fuzz: ## Fuzz targets of the parsers, SECONDS=20 each: no panic, no hang, little memory
	@$(SETUP)/packages fuzz
	$(SETUP)/fuzz $(SECONDS)

bench: ## Figures: start-up, loading, and eight services beside Docker Compose and the bare engine API
	@$(SETUP)/packages demo
	@$(SETUP)/peers
	$(CARGO) build --locked --release --bin rolecall
	@$(PEERS) ROLECALL_BIN=$${ROLECALL_BIN:-$${CARGO_TARGET_DIR:-target}/release/rolecall} $(CARGO) run --locked --quiet --example bench

static: ## The static musl binary for this architecture
	$(SETUP)/static $(ARCH)

lint: ## Format, clippy, shellcheck, and licences, bans and sources of all crates
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path tests/fuzz/Cargo.toml
	$(CARGO) clippy --locked --all-targets -- -D warnings
	shellcheck $(SETUP)/* tests/support/*.sh .ci/run $(wildcard tests/support/machine userdata/*.sh)
	@$(CARGO) deny --version > /dev/null 2>&1 || $(CARGO) install cargo-deny --locked
	$(CARGO) deny --locked check bans licenses sources

check: ## What one wants before every commit: quick
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
