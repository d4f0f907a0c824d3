# Everything that is done with this repository. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# Where the system's Node.js is too old, scripts/setup puts a newer one there.
export PATH := $(CURDIR)/.scratch/node/node_modules/node/bin:$(PATH)
.PHONY: help run test test-desktop test-pages screens fuzz test-clients real-model test-real-model bench server bundle api ui lint

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

run: ## Install what is missing, build, and start zOS (the gateway alone where there is no display)
	@scripts/run

test: ## Install what the tests need, and run all of them: crates, screens, pages, tray and window
	@scripts/test

test-desktop: ui ## Test tray, window and keychain on a display of their own
	@scripts/setup build desktop
	@tests/desktop/setup
	tests/desktop/run

test-pages: ui ## Walk the screens in headless Chromium against a real gateway
	@scripts/setup pages
	cargo build -p zos-cli
	scripts/test-pages

screens: ui ## Take pictures of every screen, light and dark, into docs/screens
	@scripts/setup pages
	cargo build -p zos-cli
	scripts/screens

test-clients: ## Run real AI clients through zOS, print client x check, and keep docs/clients.md; CLIENTS="codex pi" for some
	@scripts/setup build clients
	cargo build -p zos-cli
	scripts/test-clients --write $(CLIENTS)

real-model: ## Play governed chats over a small real model on this machine
	@scripts/real-model play

test-real-model: ## Test them over both SDKs: token counts, tools, a denied word that the model says by itself
	@scripts/real-model test

fuzz: ## Run every fuzz target for 60 s each; SECONDS=10 for less, TARGETS="json stream" for some
	@SECONDS_EACH=$(or $(SECONDS),60) scripts/fuzz $(TARGETS)

bench: ## Measure zOS beside a bare pass-through proxy, in one run
	@scripts/setup build
	cargo run --release -p zos-bench

server: ui ## Build `zos` for a server: no window, and the ledger in PostgreSQL (target/release/zos)
	@scripts/setup build
	cargo build --release -p zos-cli --features postgres

bundle: ui ## Build the deb and rpm packages
	@scripts/bundle

ui: ## Build the screens
	@scripts/setup ui
	cd ui && npm run build

api: ## Write docs/openapi.json and the screens' types anew
	@scripts/setup ui
	cargo run -q -p zos-cli -- openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json
	cd ui && npm run api

lint: ## Check format, lints, dependencies, screens and generated files
	@scripts/lint
