# SPDX-License-Identifier: MIT
# The test targets; tests/README says what each holds.

UNIT_SRC  := $(sort $(wildcard tests/unit/test-*.c))
UNIT      := $(UNIT_SRC:%.c=$(BUILD)/%)
CMOCKA     = $(shell $(PKG_CONFIG) --cflags --libs cmocka)

$(BUILD)/tests/unit/%: tests/unit/%.c $(BUILD)/libnbd-attach.a
	@mkdir -p $(@D)
	@echo "  TEST  $<"
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -MMD -MP -o $@ $< $(BUILD)/libnbd-attach.a $(CMOCKA) $(PKG_LIBS) -lpthread

-include $(UNIT:=.d)

.PHONY: unit
unit: $(UNIT)
	@for t in $(UNIT); do echo "== $$t"; $$t || exit 1; done
