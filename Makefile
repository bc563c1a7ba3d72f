# Orlop. `make demo` and `make check` do all of their set-up; the work is Meson's and ninja's.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=

.DEFAULT_GOAL := all
.PHONY: all deps demo check check-power analyse coverage bench fuzz torture install clean

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD) --prefix $(PREFIX)

deps:
	tools/deps

demo: deps
	$(MAKE) all
	tools/demo

check: deps
	tools/check

check-power: deps
	tools/check compile power

analyse: deps
	tools/deps analysis
	tools/analyse

coverage: deps
	tools/deps analysis
	tools/coverage

bench:
	tools/deps bench
	$(MAKE) all
	BUILD='$(BUILD)' tools/bench

fuzz: deps
	tools/fuzz

torture: deps
	tools/torture

install: all
	DESTDIR='$(DESTDIR)' meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD) build-*
