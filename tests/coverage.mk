# SPDX-License-Identifier: MIT
# make coverage: the unit tests, the scenarios of tests/stub with the whole program, and the
# committed corpus in a build of its own; prints a line for each file and fails when less than 95 %
# of the lines of src/nbd have run. Processes that may not write what they have counted are missing:
# those that are confined or run as another user, and those that were killed.

COVERAGE_MIN ?= 95
GCOVR         = gcovr --root . --object-directory build/cov --exclude-unreachable-branches \
	--exclude-throw-branches

.PHONY: coverage
coverage:
	@if [ -d build/cov ]; then find build/cov -name '*.gcda' -delete; fi
	@$(MAKE) --no-print-directory SAN= COV=1 unit
	@$(MAKE) --no-print-directory SAN= COV=1 corpus-run
	@$(GCOVR) --filter src/
	@$(GCOVR) --filter src/nbd/ --print-summary --fail-under-line $(COVERAGE_MIN) >build/cov/nbd.txt; \
		status=$$?; grep '^lines' build/cov/nbd.txt | sed 's,^,src/nbd ,'; exit $$status
