# SPDX-License-Identifier: MIT
# nbd-attach: `make demo` and `make check` install what they need; `make` only builds.
#
#   make                 build/nbd-attach
#   make install         with DESTDIR, prefix and the like; make uninstall; make deb
#   make demo            install what is needed, build, show the main job in a guest
#   make check           the same for the tests
#   make SAN=address,undefined ...   any target, instrumented, in a build directory of its own
#
# CC, CPPFLAGS, CFLAGS, LDFLAGS and AR are the caller's. BUILD is a directory, here or elsewhere.
# WERROR=1 makes errors of warnings, as the tests do: a later compiler may warn of more.

CC          ?= cc
CLANG       ?= clang
PKG_CONFIG  ?= pkg-config
SAN         ?=
COV         ?=
BUILD       ?= build$(if $(SAN),/san)$(if $(COV),/cov)
VERSION     := 0.1

PKGS        := libnl-3.0 libnl-genl-3.0
# Loaded when a URI or a configuration file has to be read, or TLS is asked for; here they are for
# their headers.
LAZY_PKGS   := liburiparser gnutls
BUILD_PKGS  := libseccomp
# These compile nothing, or install first what they need.
WITHOUT_CC  := deps demo check check-long check-kernels bench bench-check soak clean uninstall installed dist dsc \
	deb-nbd-client
COMPILES    := $(if $(MAKECMDGOALS),$(filter-out $(WITHOUT_CC),$(MAKECMDGOALS)),all)

# Says what is missing, and what provides it.
missing      = $(strip $(1)): see "Build and install" in README; on Debian, `tests/deps build` installs all that is needed
is_known     = $(shell $(PKG_CONFIG) --exists $(1) 2>/dev/null && echo yes)
ifneq ($(COMPILES),)
ifneq ($(call is_known,$(PKGS) $(LAZY_PKGS) $(BUILD_PKGS)),yes)
UNKNOWN     := $(foreach lib,$(PKGS) $(LAZY_PKGS) $(BUILD_PKGS),$(if $(call is_known,$(lib)),,$(lib)))
$(error $(call missing,$(if $(shell $(PKG_CONFIG) --version 2>/dev/null),$(PKG_CONFIG) does not know these \
	libraries: $(UNKNOWN),$(PKG_CONFIG) is missing)))
endif
ifneq ($(shell echo works | $(CC) -E -P - 2>/dev/null),works)
$(error $(call missing,the C compiler `$(CC)` is missing or does not work))
endif
endif
PKG_CFLAGS  := $(shell $(PKG_CONFIG) --cflags $(PKGS) $(LAZY_PKGS) 2>/dev/null)
PKG_LIBS    := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null)

comma       := ,

# A flag is used where compiler and linker take it.
probe        = $(shell echo 'int main(void){return 0;}' | $(CC) -Werror $(1) -x c - -o /dev/null 2>/dev/null && echo '$(1)')
HARDEN      := $(call probe,-fstack-protector-strong) $(call probe,-fstack-clash-protection) \
	$(call probe,-fcf-protection=full) -fPIE
HARDEN_LD   := -pie $(call probe,-Wl$(comma)-z$(comma)relro$(comma)-z$(comma)now) $(call probe,-Wl$(comma)-z$(comma)noexecstack)
# Who builds may define it already, as distributions do, in the flags or in the compiler; and
# without optimization, the C library warns that it has no effect.
THEIRS      := $(CPPFLAGS) $(CFLAGS)
FORTIFY     := $(if $(SAN)$(COV)$(findstring _FORTIFY_SOURCE,$(THEIRS))$(filter -O0,$(THEIRS)),,-U_FORTIFY_SOURCE \
	$(or $(call probe,-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3),-D_FORTIFY_SOURCE=2))
# Neither the directory of the source nor that of the build is in the program.
HERE        := $(call probe,-ffile-prefix-map="$(CURDIR)"=.) \
	$(call probe,-ffile-prefix-map="$(abspath $(BUILD))"=build)
# Only the compiler's own archiver understands objects that are optimized when they are linked.
ifneq ($(findstring -flto,$(THEIRS) $(LDFLAGS)),)
ifeq ($(origin AR),default)
AR          := $(if $(findstring clang,$(shell $(CC) --version)),$(shell $(CC) -print-prog-name=llvm-ar),$(or \
	$(shell command -v $(shell $(CC) -dumpmachine)-gcc-ar),gcc-ar))
endif
endif

ifneq ($(COMPILES),)
# On i386 one system call stands for all calls of sockets, and a filter cannot look at its arguments.
ifneq ($(shell echo __i386__ | $(CC) -E -P - 2>/dev/null),__i386__)
$(error i386 is not supported: the filters that confine the helpers cannot tell socket calls apart there)
endif

# The same with glibc on s390x. UNSUPPORTED=yes builds for the tests that confine nothing.
ifneq ($(shell echo __s390__ | $(CC) -E -P - 2>/dev/null),__s390__)
ifneq ($(UNSUPPORTED),yes)
$(error s390x is not supported: the filters that confine the helpers cannot tell socket calls apart there)
endif
endif
endif

# What loads the kernel's modules, where /proc/sys/kernel/modprobe cannot be read.
MODPROBE    ?= /sbin/modprobe

GENERATED   := $(BUILD)/generated

OPT         := $(if $(COV),-O0,-O2)
CFLAGS      ?= -g
ALL_CFLAGS   = -std=gnu17 -Wall -Wextra $(if $(WERROR),-Werror) -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Wformat=2 -Wwrite-strings -Wundef $(OPT) $(FORTIFY) $(HARDEN) $(HERE) \
	-D_GNU_SOURCE -DVERSION='"$(VERSION)"' -DMODPROBE='"$(MODPROBE)"' -Isrc -I$(GENERATED) $(PKG_CFLAGS) \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer) \
	$(if $(COV),$(COV_CFLAGS)) $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS  = $(HARDEN_LD) $(if $(SAN),-fsanitize=$(SAN)) $(if $(COV),$(COV_LDFLAGS)) $(LDFLAGS)

SRC         := $(sort $(filter-out %/seccomp/generate.c,$(wildcard src/*.c src/*/*.c src/*/*/*.c)))
OBJ         := $(SRC:%.c=$(BUILD)/%.o)
LIB_OBJ     := $(filter-out $(BUILD)/src/main.o $(BUILD)/src/verbs/%.o,$(OBJ))
PURE_OBJ    := $(filter $(BUILD)/src/nbd/%,$(OBJ))

.PHONY: all
all: $(BUILD)/nbd-attach

$(BUILD)/nbd-attach: $(OBJ)
	@echo "  LINK  $@"
	@$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lpthread -ldl

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# libseccomp turns the rules into programs at build time; nbd-attach does not need it. In a cross
# build RUN runs programs of the target: make CC=aarch64-linux-gnu-gcc RUN=qemu-aarch64-static
FILTERS     := $(GENERATED)/worker/seccomp-programs.h
FILTERS_GEN := $(BUILD)/src/worker/seccomp/generate
RUN         ?=

$(FILTERS_GEN): src/worker/seccomp/generate.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(ALL_CFLAGS) $(shell $(PKG_CONFIG) --cflags $(BUILD_PKGS)) $(ALL_LDFLAGS) \
		-MMD -MP -o $@ $< $(shell $(PKG_CONFIG) --libs $(BUILD_PKGS))

$(FILTERS): $(FILTERS_GEN)
	@mkdir -p $(@D)
	@echo "  GEN   $@"
	@$(RUN) $< >$@.new && mv $@.new $@

$(BUILD)/src/worker/seccomp-filter.o: $(FILTERS)

# The names of the libraries that the program loads by itself, as the linker notes them.
SONAMES     := $(GENERATED)/base/sonames.h
READELF     ?= readelf

$(SONAMES): Makefile
	@mkdir -p $(@D)
	@echo "  GEN   $@"
	@echo 'int none;' | $(CC) $(filter-out -pie,$(ALL_LDFLAGS)) -x c - -nostdlib -shared -fPIC -o $@.so \
		-Wl,--no-as-needed $(shell $(PKG_CONFIG) --libs $(LAZY_PKGS))
	@$(READELF) -dW $@.so | sed -n \
		-e 's/.*(NEEDED).*\[\(libgnutls\..*\)\]/#define SONAME_GNUTLS "\1"/p' \
		-e 's/.*(NEEDED).*\[\(liburiparser\..*\)\]/#define SONAME_URIPARSER "\1"/p' >$@.new; rm $@.so
	@test "$$(grep -c define $@.new)" = 2 || { \
		echo "the names of the libraries $(LAZY_PKGS) cannot be found" >&2; exit 1; }
	@mv $@.new $@

$(BUILD)/src/worker/tls/lib.o $(BUILD)/src/endpoint/uri-library.o: $(SONAMES)

# The completion scripts as strings, so that the program can print them.
SHELL_FILES := $(wildcard src/cli/completion/nbd-attach.*)
SCRIPTS     := $(GENERATED)/cli/completion-scripts.h

$(SCRIPTS): $(SHELL_FILES) Makefile
	@mkdir -p $(@D)
	@echo "  GEN   $@"
	@for file in $(SHELL_FILES); do \
		echo "static const char completion_script_$${file##*.}[] ="; \
		sed 's/[\\"]/\\&/g; s/.*/    "&\\n"/' "$$file"; echo "    ;"; done >$@.new && mv $@.new $@

$(BUILD)/src/cli/completion/script.o: $(SCRIPTS)

$(BUILD)/libnbd-attach.a: $(LIB_OBJ)
	@rm -f $@; $(AR) rcs $@ $^

-include $(OBJ:.o=.d) $(FILTERS_GEN).d

include src/packaging/install.mk
include tests/tests.mk

.PHONY: clean
clean:
	rm -rf build $(if $(filter command%,$(origin BUILD)),'$(BUILD)')
