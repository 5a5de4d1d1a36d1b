# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# make setup   a virtual environment in .venv, and Prometheus and Chromium where we may install them
# make demo    diagnose a broken and a healthy pair of clusters in the lab; the reports stay in build/demo
# make test    lint, sanity, typing, unit and integration tests, and those of the lab
# make docs    build the site in build/site
# make compatibility  try the oldest and newest versions of Ansible, Python and the libraries (tests/compatibility.yml)
# make release-check  build the tarball, look into it, install it, and run the demo from it; it stays in build/release
# make bench   measure; the figures stay in build/bench.json
# make accuracy  diagnose a corpus of labelled bundles; the figures stay in build/accuracy.json
# make recordings   record what the real Prometheus answers, for a demo without one
# make pictures   run the demo, and take the pictures of README and guides from its reports
# make clean   remove all that these made

PYTHON ?= python3
# Quoted where they are used: the checkout may lie in a folder of any name.
TOP := $(CURDIR)
BIN := $(TOP)/.venv/bin
TREE := $(TOP)/build/tree
COPY := $(TREE)/ansible_collections/sre/backup_sync
# Roles, playbooks and tests see the laid-out copy, and nothing that this machine happens to have in its own folders.
IN_COPY := cd "$(COPY)" && export PATH="$(BIN):$$PATH" LC_ALL=C.UTF-8 ANSIBLE_HOME="$(TOP)/build/ansible" \
	ANSIBLE_COLLECTIONS_PATH="$(TREE)" PYTHONPATH="$(TREE)" MYPYPATH="$(TREE)"

.PHONY: setup tree demo test checks lint sanity unit typing standards docs targets integration compatibility release-check bench accuracy recordings pictures clean programs

setup:
	@$(PYTHON) tests/tools/provide.py

tree: setup
	@"$(BIN)/python" tests/tools/tree.py >/dev/null

demo: tree
	@$(IN_COPY) && python tests/tools/demo.py "$(TOP)/build/demo"

# The checks share no files, so they run side by side, each with its output in one piece; the integration tests start
# servers and measure time, so they come after them, and with them the tests of the lab that they run against.
test: programs tree
	@$(MAKE) --no-print-directory --jobs 2 --keep-going --output-sync=target checks
	@$(MAKE) --no-print-directory targets
	@$(MAKE) --no-print-directory integration

checks: sanity unit lint typing standards docs

lint: tree
	$(IN_COPY) && ansible-lint --offline --profile production
	$(IN_COPY) && yamllint --strict .
	$(IN_COPY) && antsibull-changelog lint

sanity: tree
	"$(BIN)/python" tests/tools/ansible_test.py tree sanity

# In a copy of its own: like sanity, it works in the copy's tests/output.
unit: tree
	@"$(BIN)/python" tests/tools/tree.py tree-units >/dev/null
	"$(BIN)/python" tests/tools/ansible_test.py tree-units units

typing: tree
	$(IN_COPY) && mypy --config-file mypy.ini -p ansible_collections.sre.backup_sync.plugins
	$(IN_COPY) && MYPYPATH="tests:$(TREE)" mypy --config-file mypy.ini -p lab
	$(IN_COPY) && MYPYPATH="tests/tools:$(TREE)" mypy --config-file mypy.ini tests/tools/provide.py tests/tools/tree.py tests/tools/ansible_test.py \
		tests/tools/compatibility.py tests/tools/release_check.py tests/tools/build_site.py tests/tools/places.py

# What the community and Automation Hub ask of a collection (antsibull-nox.toml), with the collections that the copy sees and
# none from Galaxy.
standards: tree
	@"$(BIN)/python" tests/tools/tree.py tree-standards >/dev/null
	@cd "$(TOP)/build/tree-standards/ansible_collections/sre/backup_sync" && export PATH="$(BIN):$$PATH" LC_ALL=C.UTF-8 \
		ANSIBLE_HOME="$(TOP)/build/ansible" ANTSIBULL_NOX_INSTALL_COLLECTIONS=never && \
		nox --envdir "$(TOP)/build/nox" --reuse-existing-virtualenvs

docs: tree
	@$(IN_COPY) && python tests/tools/build_site.py "$(TOP)/build/site"

# A target for each module and role: what it does, in check mode too, what it says of options that cannot be used, and what it
# does where it is not permitted to read or write. By ansible-test, against the lab.
targets: tree programs
	@"$(BIN)/python" tests/tools/tree.py tree-targets >/dev/null
	@$(IN_COPY) && python "$(TOP)/tests/tools/targets.py" tree-targets

integration: tree programs
	$(IN_COPY) && python -m pytest tests/integration tests/lab_tests -n 2 --dist loadgroup --no-loadscope-reorder -q -p no:cacheprovider

# Takes long, and Pythons that are not everywhere; so it is no part of make test.
compatibility: tree programs
	@"$(BIN)/python" tests/tools/compatibility.py $(VERSIONS)

release-check: tree
	@$(IN_COPY) && python "$(TOP)/tests/tools/release_check.py" "$(TOP)/build/release"

bench: tree programs
	@$(IN_COPY) && python tests/bench/bench_cluster.py --output "$(TOP)/build/bench.json"
	@$(IN_COPY) && python tests/bench/bench_region.py --output "$(TOP)/build/bench.json"

accuracy: tree programs
	@$(IN_COPY) && python tests/accuracy/measure.py "$(TOP)/build/accuracy.json"

recordings: tree programs
	@$(IN_COPY) && python tests/tools/record_metrics.py "$(TOP)/tests/lab/recordings"

pictures: programs demo
	@$(IN_COPY) && python tests/tools/screenshots.py "$(TOP)/build/demo" "$(TOP)/docs/images"

# The tests use the real ones, and none is skipped because one is missing.
programs: setup
	@for program in prometheus promtool prometheus-alertmanager chromium java; do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
		[ -z "$$missing" ] || { echo "missing:$$missing; apt-get install prometheus prometheus-alertmanager chromium default-jre-headless"; exit 1; }

clean:
	rm -rf build .venv .mypy_cache .pytest_cache .hypothesis .ansible
	find . -name __pycache__ -prune -exec rm -rf {} +
