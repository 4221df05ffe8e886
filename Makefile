# Two commands for everyone: `make demo` and `make test`. They install what they need (Debian or Ubuntu, as root or
# with sudo) and leave no engine, network or container behind.

# Cargo's own default unless told; .ci/run puts it outside the checkout.
CARGO ?= cargo
SETUP := tests/setup
# Tests and demo run as root, the build does not: cargo's runner makes the step.
ARCH := $(shell uname -m)
export CARGO_TARGET_$(shell echo $(ARCH) | tr a-z A-Z)_UNKNOWN_LINUX_GNU_RUNNER := $(CURDIR)/$(SETUP)/as-root
export ROLECALL_TEST_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rolecall-tests
# As tests/setup/static takes it.
TARGET := $(or $(CARGO_TARGET_DIR),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rolecall/target)
DIST ?= $(TARGET)/dist
ARCHES ?= x86_64 aarch64
# What equality and figures are measured against, where it is at hand.
PEERS := eval "$$($(SETUP)/peers --env)";

.PHONY: help demo test test-setup fuzz soak bench static dist reproducible sbom lint audit check packer packer-docs \
    terraform terraform-docs

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
	@$(SETUP)/compose5
	@$(SETUP)/packer
	@$(CARGO) nextest --version > /dev/null 2>&1 || $(CARGO) install cargo-nextest --locked

fuzz: ## Fuzz targets of the parsers, SECONDS=20 each: no panic, no hang, little memory
	@$(SETUP)/packages fuzz
	$(SETUP)/fuzz $(SECONDS)

soak: test-setup ## What takes too long for every change: KILLS=200 at random moments, all fuzz targets for a minute each, a release made twice
	ROLECALL_TEST_KILLS=$(or $(KILLS),200) ROLECALL_TEST_SEED=$(or $(SEED),$(shell date +%s)) \
	    $(CARGO) nextest run --locked --profile soak --test tests a_kill_at_any_moment_is_healed
	$(MAKE) fuzz SECONDS=60
	@! command -v npm > /dev/null || tests/terraform/schema --check
	$(MAKE) reproducible ARCHES=x86_64

bench: ## Figures: start-up, loading, and eight services beside Docker Compose and the bare engine API
	@$(SETUP)/packages demo
	@$(SETUP)/peers
	$(CARGO) build --locked --release --bin rolecall
	@$(PEERS) ROLECALL_BIN=$${ROLECALL_BIN:-$${CARGO_TARGET_DIR:-target}/release/rolecall} $(CARGO) run --locked --quiet --example bench

static: ## The static musl binary for this architecture
	$(SETUP)/static $(ARCH)

dist: ## What a release is made of, in $(DIST), for each of ARCHES; signed if MINISIGN_KEY names a key; and its check
	@$(SETUP)/packages dist
	@for arch in $(ARCHES); do $(SETUP)/static $$arch || exit; done
	userdata/package/dist $(DIST) $(ARCHES)
	$(if $(MINISIGN_KEY),userdata/package/sign $(DIST) $(MINISIGN_KEY))
	tests/dist/check $(DIST) $(ARCHES)

reproducible: ## A release of the last commit, made twice in different places: the same bytes?
	@$(SETUP)/packages dist
	tests/dist/reproducible $(ARCHES)

sbom: ## What the static binary is made of, as CycloneDX
	@mkdir -p $(DIST)
	$(SETUP)/sbom $(ARCH) $(DIST)/rolecall-$(ARCH).cdx.json

terraform: ## terraform/: format, validation, values, user-data, tables, checkov; and policies, with ROLECALL_BIN
	@$(SETUP)/packages test
	@"$$($(SETUP)/terraform)/bin/python" tests/terraform/check

terraform-docs: ## The tables of inputs and outputs in terraform/
	@"$$($(SETUP)/terraform)/bin/python" tests/terraform/check --write

packer: ## packer/: format, validity with Packer 1.6.6, the table of variables, and that mistakes are noticed
	@$(SETUP)/packer
	@tests/packer/check

packer-docs: ## The table of variables in packer/README.md
	@tests/packer/table --write

lint: ## Format, clippy, shellcheck, and licences, bans and sources of all crates
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path tests/fuzz/Cargo.toml
	$(CARGO) clippy --locked --all-targets -- -D warnings
	shellcheck $(SETUP)/* tests/support/*.sh .ci/run $(wildcard tests/support/machine userdata/*.sh packer/*.sh) \
	    $(shell grep -lE '^.!/bin/(ba)?sh' userdata/package/* tests/dist/* tests/packer/*)
	@$(CARGO) deny --version > /dev/null 2>&1 || $(CARGO) install cargo-deny --locked
	$(CARGO) deny --locked check bans licenses sources

audit: ## Crates with known faults; asks for the advisory database, so it needs the network
	@$(CARGO) deny --version > /dev/null 2>&1 || $(CARGO) install cargo-deny --locked
	$(CARGO) deny --locked check advisories

check: ## What one wants before every commit: quick
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
