# SPDX-License-Identifier: MIT
# make coverage: the unit tests, the scenarios of tests/stub with the whole program, and the
# committed corpus in a build of its own. Prints the lines of each file and directory that have run,
# and fails where a directory has less than tests/coverage promises.
#
# Each program maps its counters from a file when it starts. So a process counts as well that is
# confined, runs as another user, or is killed.

COV_RAW     := $(abspath build/cov/raw)
# Clang warns where gcc does not; `make lint` judges the code, not this.
COV_CFLAGS  := -fprofile-instr-generate=$(COV_RAW)/%m%c.profraw -fcoverage-mapping \
	-Xclang -mllvm -Xclang -runtime-counter-relocation=true -w
COV_LDFLAGS := -fprofile-instr-generate=$(COV_RAW)/%m%c.profraw

.PHONY: coverage
coverage:
	@rm -rf $(COV_RAW); mkdir -p $(COV_RAW); chmod 1777 $(COV_RAW)
	@status=0; \
	$(MAKE) --no-print-directory SAN= COV=1 CC=$(CLANG) unit corpus-run || status=1; \
	tests/coverage $(COV_RAW) build/cov || status=1; \
	exit $$status
