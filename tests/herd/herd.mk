# SPDX-License-Identifier: MIT
# Many clients of one restarted server, in virtual time: the program's own redial.c and backoff.c.

HERD_SRC := $(sort $(wildcard tests/herd/*.c))
HERD_OBJ := $(HERD_SRC:%.c=$(BUILD)/%.o)
HERD     := $(BUILD)/tests/herd/herd

$(HERD_OBJ): ALL_CFLAGS += -I.

$(HERD): $(HERD_OBJ) $(BUILD)/src/supervise/reconnect/redial.o $(BUILD)/libnbd-attach.a
	@echo "  LINK  $@"
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lpthread -ldl

-include $(HERD_OBJ:.o=.d)

.PHONY: herd herd-build
herd-build: $(HERD)
herd: $(HERD)
	@tests/herd/run $(BUILD)
