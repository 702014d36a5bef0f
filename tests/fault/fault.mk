# SPDX-License-Identifier: MIT
# The load, the ledger and the clock of tests/fault: one program, tests/fault/fault.c.

FAULT_SRC := $(sort $(wildcard tests/fault/*.c))
FAULT     := $(BUILD)/tests/fault/fault

$(FAULT): $(FAULT_SRC) $(wildcard tests/fault/*.h)
	@mkdir -p $(@D)
	@echo "  TEST  $@"
	@$(CC) $(ALL_CFLAGS) -I. $(ALL_LDFLAGS) -o $@ $(FAULT_SRC) -lpthread

.PHONY: fault
fault: $(FAULT)
