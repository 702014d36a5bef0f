# SPDX-License-Identifier: MIT
# The program with a driver that is a process: see tests/README.

STUB_WRAPPED := netlink_new ioctl_new kernel_check kmsg_open sysfs_root udev_root sysfs_kernel_since usage_find \
	usage_find_several device_make_node \
	background_detach clock_gettime getsockopt timerfd_create open __open_2 fsync sync_file_range \
	diag_destroy look_set_node look_open
STUB_OBJ     := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/stub/*.c))
STUB_SHARED  := $(BUILD)/tests/stub/client.o
STUB_ENDS    := $(BUILD)/tests/stub/kernel-stub.o $(BUILD)/tests/stub/clock-stub.o \
	$(BUILD)/tests/stub/look-stub.o $(BUILD)/tests/stub/usage-stub.o
STUB_KERNEL  := $(STUB_ENDS) $(STUB_SHARED)
STUB_DRIVER  := $(filter-out $(STUB_ENDS),$(STUB_OBJ))
comma        := ,

$(BUILD)/stub/nbd-attach: $(OBJ) $(STUB_KERNEL)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(STUB_WRAPPED:%=-Wl$(comma)--wrap=%) -o $@ $^ \
		$(PKG_LIBS) -lpthread -ldl

$(BUILD)/stub/nbd-stub: $(STUB_DRIVER)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^

-include $(STUB_OBJ:.o=.d)

.PHONY: stub-build stub soak-stub
stub-build: $(BUILD)/stub/nbd-attach $(BUILD)/stub/nbd-stub
stub: stub-build
	@tests/stub/run $(BUILD)

# A random run of SECONDS; it prints its SEED, which repeats it. SEEDS names a file of seeds
# instead, each for one round: the steps are the same each time.
SECONDS      ?= 30
SEED         ?= $(shell date +%s)
SEEDS        ?=
soak-stub: stub-build
	@tests/stub/soak.py $(BUILD) $(or $(SEEDS),$(SECONDS) $(SEED))
