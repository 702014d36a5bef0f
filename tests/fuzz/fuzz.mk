# SPDX-License-Identifier: MIT
# Fuzz targets: tests/fuzz/fuzz-NAME.c, with NAME.dict and corpus/NAME beside it.
#
#   make fuzz               each target for FUZZ_SECONDS; FUZZ=NAME for one of them
#   make corpus-replay      the committed corpus through each target, with sanitizers, any compiler
#   make corpus-minimise    merges the finds of `make fuzz` into the committed corpus

FUZZ_SECONDS ?= 600
FUZZ         ?= $(patsubst tests/fuzz/fuzz-%.c,%,$(sort $(wildcard tests/fuzz/fuzz-*.c)))
FUZZ_DIR     := $(BUILD)/fuzz
FUZZ_BIN     := $(FUZZ:%=$(FUZZ_DIR)/%)
FUZZ_SRC     := $(filter-out src/main.c src/verbs/%.c,$(SRC))
FUZZ_OBJ     := $(FUZZ_SRC:%.c=$(FUZZ_DIR)/%.o)
FUZZ_CFLAGS   = -std=gnu17 -g -O2 -fno-omit-frame-pointer -D_GNU_SOURCE -DVERSION='"$(VERSION)"' \
	-DMODPROBE='"$(MODPROBE)"' -Isrc -I$(GENERATED) $(PKG_CFLAGS) \
	-fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_FLAGS   ?= -max_len=8192 -timeout=10 -rss_limit_mb=1024
REPLAY       := $(FUZZ:%=$(BUILD)/replay/%)
CORPUS_SAN   ?= address,undefined

$(FUZZ_DIR)/src/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	@echo "  FUZZ  $<"
	@$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(FUZZ_DIR)/src/worker/seccomp-filter.o: $(FILTERS)
$(FUZZ_DIR)/src/cli/completion/script.o: $(SCRIPTS)

$(FUZZ_DIR)/libnbd-attach.a: $(FUZZ_OBJ)
	@rm -f $@; ar rcs $@ $^

$(FUZZ_BIN): $(FUZZ_DIR)/%: tests/fuzz/fuzz-%.c $(FUZZ_DIR)/libnbd-attach.a
	@mkdir -p $(@D)
	@echo "  FUZZ  $<"
	@$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer -MMD -MP -o $@ $< $(FUZZ_DIR)/libnbd-attach.a \
		$(PKG_LIBS) -lpthread

$(REPLAY): $(BUILD)/replay/%: tests/fuzz/fuzz-%.c tests/fuzz/replay.c $(BUILD)/libnbd-attach.a
	@mkdir -p $(@D)
	@echo "  REPLAY $<"
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -MMD -MP -MF $@.d -o $@ $< tests/fuzz/replay.c \
		$(BUILD)/libnbd-attach.a $(PKG_LIBS) -lpthread

-include $(FUZZ_OBJ:.o=.d) $(FUZZ_BIN:=.d) $(REPLAY:=.d)

.PHONY: fuzz
fuzz: $(FUZZ_BIN)
	@for name in $(FUZZ); do \
		echo "== $$name, $(FUZZ_SECONDS) s"; \
		mkdir -p $(FUZZ_DIR)/corpus/$$name tests/fuzz/corpus/$$name; \
		set --; \
		[ ! -e tests/fuzz/$$name.dict ] || set -- -dict=tests/fuzz/$$name.dict; \
		$(FUZZ_DIR)/$$name $(FUZZ_FLAGS) -max_total_time=$(FUZZ_SECONDS) "$$@" \
			-print_final_stats=1 -artifact_prefix=$(FUZZ_DIR)/$$name- \
			$(FUZZ_DIR)/corpus/$$name tests/fuzz/corpus/$$name \
			>$(FUZZ_DIR)/$$name.log 2>&1 || { tail -n 60 $(FUZZ_DIR)/$$name.log; exit 1; }; \
		grep '^stat::number_of_exec\|^stat::average' $(FUZZ_DIR)/$$name.log; \
	done

.PHONY: corpus-minimise
corpus-minimise: $(FUZZ_BIN)
	@for name in $(FUZZ); do \
		rm -rf $(FUZZ_DIR)/merged; \
		mkdir -p $(FUZZ_DIR)/merged $(FUZZ_DIR)/corpus/$$name tests/fuzz/corpus/$$name; \
		$(FUZZ_DIR)/$$name $(FUZZ_FLAGS) -merge=1 $(FUZZ_DIR)/merged \
			tests/fuzz/corpus/$$name $(FUZZ_DIR)/corpus/$$name \
			>$(FUZZ_DIR)/$$name.merge.log 2>&1 || exit 1; \
		rm -rf tests/fuzz/corpus/$$name $(FUZZ_DIR)/corpus/$$name; \
		mv $(FUZZ_DIR)/merged tests/fuzz/corpus/$$name; \
		echo "$$name: $$(ls tests/fuzz/corpus/$$name | wc -l) inputs"; \
	done

# corpus-run replays with this build; corpus-replay makes a build with sanitizers.
.PHONY: corpus-run corpus-replay
corpus-run: $(REPLAY)
	@passed=0; failed=0; \
	for name in $(FUZZ); do \
		if $(BUILD)/replay/$$name tests/fuzz/corpus/$$name >$(BUILD)/replay/$$name.log 2>&1; then \
			passed=$$((passed + 1)); \
			echo "$$name: $$(tail -n 1 $(BUILD)/replay/$$name.log)"; \
		else \
			failed=$$((failed + 1)); cat $(BUILD)/replay/$$name.log; \
		fi; \
	done; \
	echo "corpus: $$passed passed, $$failed failed"; [ $$failed -eq 0 ]

corpus-replay:
	@$(MAKE) --no-print-directory SAN=$(or $(SAN),$(CORPUS_SAN)) corpus-run
