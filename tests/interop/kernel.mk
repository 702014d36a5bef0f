# SPDX-License-Identifier: MIT
# The program that tests/interop/kernel-*.sh run, and the one that writes and verifies.

KERNEL_TRY := $(BUILD)/tests/interop/kernel-try

$(KERNEL_TRY): tests/interop/kernel-try.c $(BUILD)/libnbd-attach.a
	@mkdir -p $(@D)
	@echo "  TEST  $<"
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -MMD -MP -o $@ $^ $(PKG_LIBS) -lpthread

VERIFY := $(BUILD)/tests/interop/verify

$(VERIFY): tests/interop/verify.c Makefile
	@mkdir -p $(@D)
	@echo "  TEST  $<"
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< -lpthread

.PHONY: kernel-try
kernel-try: $(KERNEL_TRY) $(VERIFY)
