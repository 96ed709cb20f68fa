# `make help` lists the targets. What they write stays in target/, out/ and ./teu, but for what is kept: docs/conformance.md and
# docs/engines.md, fuzz/, and the caches of the test machine and of the other runtimes below $XDG_CACHE_HOME (~/.cache).

PREFIX ?= /usr/local
DESTDIR ?=
# What the suites drive: any OCI runtime.
RUNTIME ?= $(CURDIR)/teu

.DEFAULT_GOAL := build
.PHONY: build install test unit-tests spec-tests compare conformance security fuzz lint miri dependencies reproducible demo runtime-tools vm test-vm endurance test-engines bench budget clean help

build: ## the release binary: ./teu, static, one file
	@scripts/setup build
	@scripts/build

demo: ## build teu and show a container: its own hostname, PID 1 and root filesystem
	@scripts/setup demo
	@$(MAKE) --no-print-directory build
	@scripts/demo ./teu

test: ## unit tests and the conformance suite, as root and as an ordinary user; PARTS='...' to choose
	@scripts/setup test
	@scripts/test $(PARTS)

unit-tests: ## the tests of all crates
	@scripts/setup test
	@scripts/unit-tests

spec-tests: ## the conformance suite on $RUNTIME (any OCI runtime; default ./teu)
	@scripts/setup test
	@[ "$(RUNTIME)" != "$(CURDIR)/teu" ] || $(MAKE) --no-print-directory build
	@RUNTIME="$(RUNTIME)" scripts/spec-tests

compare: build ## the conformance suite on teu, runc and crun, as one matrix
	@scripts/setup test
	@scripts/spec-tests --compare

conformance: ## docs/conformance.md from the reports of make compare and make test-vm
	@scripts/conformance

lint: ## formatting, clippy, shell syntax
	@scripts/setup build
	@scripts/lint

security: ## published holes and hostile bundles, at full length, on $RUNTIME and on Debian's runc and crun
	@scripts/setup test
	@[ "$(RUNTIME)" != "$(CURDIR)/teu" ] || $(MAKE) --no-print-directory build
	@scripts/security "$(RUNTIME)"

fuzz: ## what reads input of others, under libFuzzer, $FUZZ_SECONDS each
	@scripts/fuzz

miri: ## the unsafe crate's pure parts under Rust's interpreter (nightly Rust)
	@scripts/miri

dependencies: ## sources, licences and duplicates of what others wrote
	@scripts/dependencies

reproducible: ## two builds of the committed tree, compared
	@scripts/setup build
	@scripts/reproducible

runtime-tools: build ## the OCI's own validation programs, on $RUNTIME, in a cgroup v1 view
	@scripts/runtime-tools "$(RUNTIME)"

vm: ## build the Debian test machine (qemu without KVM), and boot it once
	@scripts/setup vm
	@spec-tests/vm/vm ensure
	@spec-tests/vm/vm up . && spec-tests/vm/vm run uname -a; spec-tests/vm/vm down

test-vm: build ## the suite in the test machine: root with cgroupfs, root with systemd, an ordinary user; VM=--compare: runc and crun, too
	@scripts/setup vm
	@spec-tests/vm/vm ensure
	@spec-tests/vm/test-vm $(VM)

endurance: build ## in the test machine: containers by the thousand with every cgroup driver, a hundred while systemd is reloaded
	@scripts/setup vm
	@spec-tests/vm/endurance

test-engines: build ## podman, Docker, containerd, CRI, buildah on teu, crun and runc in the test machine; ENGINES='--runtimes teu'
	@scripts/setup vm
	@scripts/setup bench
	@spec-tests/vm/vm ensure
	@spec-tests/engines/test-engines $(ENGINES)

bench: build ## teu beside other runtimes and the kernel's floor; RUNTIMES='NAME=PATH ...' BENCH=--quick
	@bench/bench $(BENCH) $(RUNTIMES)

budget: build ## count system calls and instructions, which must not grow
	@scripts/budget

install: ## put teu below $DESTDIR$PREFIX, with manual pages, completions and examples; run `make` first
	@scripts/install "$(DESTDIR)$(PREFIX)"

clean: ## remove what was built here
	rm -rf target out teu

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | while IFS='	' read -r t d; do printf '  make %-14s %s\n' "$$t" "$$d"; done
