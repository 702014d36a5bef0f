# SPDX-License-Identifier: MIT
# nbd-attach with attackers in its helpers, see hook.c. Never installed.

SECURITY_SRC := $(sort $(wildcard tests/security/*.c))
SECURITY     := $(BUILD)/tests/security/nbd-attach

$(SECURITY): $(OBJ) $(SECURITY_SRC) $(wildcard tests/security/*.h)
	@mkdir -p $(@D)
	@echo "  TEST  $@"
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -Wl,--wrap=sandbox_enter \
		-Wl,--wrap=relay_new -Wl,--wrap=relay_run -o $@ $(OBJ) $(SECURITY_SRC) \
		$(PKG_LIBS) -lpthread -ldl -lutil

.PHONY: security
security: $(SECURITY)
