# SPDX-License-Identifier: MIT
# The test targets; tests/README describes them.

# The directories are those of src.
UNIT_SRC  := $(sort $(wildcard tests/unit/test-*.c tests/unit/*/test-*.c tests/unit/*/*/test-*.c))
UNIT      := $(UNIT_SRC:%.c=$(BUILD)/%)
CMOCKA    := $(shell $(PKG_CONFIG) --libs cmocka 2>/dev/null)

# In two steps, so that a changed library needs only a link.
.SECONDARY: $(UNIT:=.o)
$(BUILD)/tests/unit/%.o: tests/unit/%.c Makefile | $(FILTERS) $(SONAMES)
	@mkdir -p $(@D)
	@echo "  TEST  $<"
	@$(CC) $(ALL_CFLAGS) -Wno-deprecated-declarations -Itests/unit $(shell $(PKG_CONFIG) --cflags cmocka) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libnbd-attach.a
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(UNIT_WRAPPED:%=-Wl,--wrap=%) -o $@ $< $(BUILD)/libnbd-attach.a $(CMOCKA) \
		$(PKG_LIBS) -lpthread -ldl

# What a test does in the place of the C library: only the kernel's log overwrites records.
$(BUILD)/tests/unit/kernel/test-kmsg: private UNIT_WRAPPED := read

-include $(UNIT:=.d)

.PHONY: unit unit-build
unit-build: $(UNIT)
unit: unit-build stub-build
	@tests/unit/run $(BUILD)
	@tests/stub/run $(BUILD)

# Makes small faults in src, drawn by SEED, and checks that the unit tests and the stub notice them.
.PHONY: mutants
mutants:
	@tests/mutants.py --seed $(or $(SEED),1) --count $(or $(COUNT),20)

.PHONY: deps
deps:
	@tests/deps

.PHONY: demo
demo:
	@tests/deps demo
	@$(MAKE) --no-print-directory all
	@tests/demo

# Every suite, one after the other; the last line counts.
.PHONY: check check-long check-kernels
check:
	@tests/deps check
	@tests/check

# The long fault suites, the figures and the comparison with others; MINUTES=n runs a part.
check-long:
	@tests/deps long
	@$(MAKE) --no-print-directory all kernel-try fault
	@tests/check-kernels -l

# HOURS=n of faults in a guest, in a random order on several devices; it prints its SEED, which repeats it.
.PHONY: soak
soak:
	@tests/deps check
	@$(MAKE) --no-print-directory all fault
	@tests/soak

# The transcript and the plot of the README, from one run in a guest.
.PHONY: readme-figures
readme-figures: all fault
	@mkdir -p $(BUILD)
	@tests/readme/outage.sh >$(BUILD)/readme-figures || { cat $(BUILD)/readme-figures; exit 1; }
	@tests/readme/update $(BUILD)/readme-figures

# Figures beside those of other clients; MINUTES=n measures a part. bench-check also compares their
# ratios with the committed ones.
.PHONY: bench bench-check
bench bench-check:
	@tests/deps check
	@$(MAKE) --no-print-directory all fault
	@tests/bench/run $(if $(filter bench-check,$@),-c) $(if $(KERNEL),-k $(KERNEL)) $(BUILD) $(PARTS)

check-kernels:
	@tests/deps check
	@$(MAKE) --no-print-directory all kernel-try fault security
	@tests/check-kernels

.PHONY: lint lint-build
lint-build: $(BUILD)/nbd-attach $(BUILD)/tests/states
lint: lint-build
	@tests/lint/includes
	@tests/lint/parts
	@tests/lint/length
	@tests/lint/circles $(BUILD) $(OBJ)
	@tests/lint/privilege $(BUILD) $(OBJ)
	@tests/lint/pure $(PURE_OBJ)
	@tests/lint/style
	@tests/lint/english
	@tests/lint/prose
	@tests/lint/analyse $(CC) $(ALL_CFLAGS)
	@tests/lint/docs $(BUILD)/nbd-attach $(BUILD)/tests/states
	@tests/lint/units $(BUILD)/nbd-attach
	@tests/lint/usage

# For arm64 and s390x, which is big-endian; qemu-user runs the tests that it can run.
.PHONY: check-cross
check-cross:
	@tests/cross

# Other Debian suites, their compilers, and musl, in chroots.
.PHONY: distcheck
distcheck:
	@tests/builds/packages
	@tests/builds/chroots

.PHONY: states
states: $(BUILD)/tests/states
	@$<

$(BUILD)/tests/states: tests/states.c $(BUILD)/src/supervise/fsm.o
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^

# valgrind supports neither seccomp(2) nor pidfds: a build without them, which must not be
# installed.
.PHONY: valgrind hostile-valgrind
for-valgrind = $(MAKE) --no-print-directory BUILD=build/valgrind CFLAGS='-g -DFOR_VALGRIND'
valgrind:
	@$(for-valgrind) unit-build
	@VALGRIND=1 tests/unit/run build/valgrind

# -q: each run of this build warns that its helpers are not confined. They run under valgrind, too.
hostile-valgrind:
	@$(for-valgrind) all
	@NBD_ATTACH='valgrind -q --error-exitcode=99 --leak-check=full --trace-children=yes \
		--vgdb=no build/valgrind/nbd-attach -q' \
		tests/interop/hostile.sh --here --deadline 10

-include tests/herd/herd.mk tests/stub/stub.mk tests/fuzz/fuzz.mk tests/coverage.mk tests/interop/kernel.mk tests/fault/fault.mk tests/security/security.mk
