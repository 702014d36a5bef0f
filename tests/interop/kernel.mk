# SPDX-License-Identifier: MIT
# The program behind tests/interop/kernel-*.sh.

KERNEL_TRY := $(BUILD)/tests/interop/kernel-try

$(KERNEL_TRY): tests/interop/kernel-try.c $(BUILD)/libnbd-attach.a
	@mkdir -p $(@D)
	@echo "  TEST  $<"
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -MMD -MP -o $@ $^ $(PKG_LIBS) -lpthread


.PHONY: kernel-try
kernel-try: $(KERNEL_TRY)
