# SPDX-License-Identifier: MIT
# make install, make uninstall, make deb, make deb-nbd-client. Units, rules and the like are whatever systemd/ and udev/
# hold; INSTALLED is the list of files, and uninstall removes these and nothing else.

prefix      ?= /usr/local
sbindir     ?= $(prefix)/sbin
mandir      ?= $(prefix)/share/man
docdir      ?= $(prefix)/share/doc/nbd-attach
sysconfdir  ?= /etc
# The program that rules run.
SYSTEMCTL   ?= /bin/systemctl
# yes: scripts that call nbd-client get nbd-attach.
NBD_CLIENT  ?= no

# The directory that a package names, or where it usually is.
named        = $(or $(shell $(PKG_CONFIG) --variable=$(2) $(1) 2>/dev/null),$(3))
ifneq ($(filter install uninstall installed deb,$(MAKECMDGOALS)),)
unitdir     ?= $(call named,systemd,systemdsystemunitdir,/usr/lib/systemd/system)
sysusersdir ?= $(call named,systemd,sysusersdir,/usr/lib/sysusers.d)
rulesdir    ?= $(call named,udev,udevdir,/usr/lib/udev)/rules.d
initramfsdir ?= /usr/share/initramfs-tools
dracutdir   ?= $(call named,dracut,dracutmodulesdir,/usr/lib/dracut/modules.d)
bashcompdir ?= $(call named,bash-completion,completionsdir,$(prefix)/share/bash-completion/completions)
zshcompdir  ?= $(prefix)/share/zsh/site-functions
fishcompdir ?= $(call named,fish,completionsdir,$(prefix)/share/fish/vendor_completions.d)
endif

UNITS       := $(wildcard systemd/*.service systemd/*.target systemd/*.socket systemd/*.timer)
SYSUSERS    := $(wildcard systemd/*.sysusers)
RULES       := $(wildcard udev/*.rules)
EXAMPLES    := $(wildcard systemd/*.example)
PAGES       := nbd-attach.8 $(wildcard src/man/*.[1-8])
DRACUT      := $(notdir $(wildcard src/packaging/dracut/*.sh))
COMPLETION  := $(foreach shell,bash zsh fish,$(BUILD)/completion.$(shell))

# Where a page of the manual is installed: nbd-attach.8 in man8.
page_path    = $(mandir)/man$(patsubst .%,%,$(suffix $(1)))/$(notdir $(1))

INSTALLED    = $(sbindir)/nbd-attach $(foreach page,$(PAGES),$(call page_path,$(page))) \
	$(bashcompdir)/nbd-attach $(zshcompdir)/_nbd-attach $(fishcompdir)/nbd-attach.fish \
	$(UNITS:systemd/%=$(unitdir)/%) $(RULES:udev/%=$(rulesdir)/%) \
	$(SYSUSERS:systemd/%.sysusers=$(sysusersdir)/%.conf) \
	$(EXAMPLES:systemd/%=$(docdir)/examples/%) \
	$(initramfsdir)/hooks/nbd-attach $(initramfsdir)/scripts/local-top/nbd-attach \
	$(docdir)/examples/initramfs-tools.conf.example \
	$(DRACUT:%=$(dracutdir)/95nbd-attach/%) $(docdir)/examples/dracut.conf.example \
	$(if $(filter yes,$(NBD_CLIENT)),$(sbindir)/nbd-client)

# For a shell, between apostrophes.
DEST         = $(subst ','\'',$(DESTDIR))

$(COMPLETION): $(BUILD)/completion.%: $(BUILD)/nbd-attach
	@$(RUN) $< --completion $* >$@.$$$$ && mv $@.$$$$ $@

# Units, rules, the manual and scripts of the initramfs have other paths in the tree.
paths        = sed 's,/usr/sbin/nbd-attach,$(sbindir)/nbd-attach,g; s,/bin/systemctl,$(SYSTEMCTL),g; \
		s,/usr/share/doc/nbd-attach,$(docdir),g'

.PHONY: install
install: $(BUILD)/nbd-attach $(COMPLETION)
	@install -D -m 755 $(BUILD)/nbd-attach '$(DEST)$(sbindir)/nbd-attach'
	@$(if $(filter yes,$(NBD_CLIENT)),ln -sf nbd-attach '$(DEST)$(sbindir)/nbd-client')
	@$(foreach page,$(PAGES),install -d -m 755 '$(DEST)$(dir $(call page_path,$(page)))' && $(paths) $(page) | \
		install -m 644 /dev/stdin '$(DEST)$(call page_path,$(page))' &&) true
	@install -D -m 644 $(BUILD)/completion.bash '$(DEST)$(bashcompdir)/nbd-attach'
	@install -D -m 644 $(BUILD)/completion.zsh '$(DEST)$(zshcompdir)/_nbd-attach'
	@install -D -m 644 $(BUILD)/completion.fish '$(DEST)$(fishcompdir)/nbd-attach.fish'
	@install -d -m 755 '$(DEST)$(unitdir)' '$(DEST)$(rulesdir)' '$(DEST)$(sysusersdir)' \
		'$(DEST)$(docdir)/examples' '$(DEST)$(sysconfdir)/nbd-attach'
	@for unit in $(notdir $(UNITS)); do \
		$(paths) "systemd/$$unit" | \
			install -m 644 /dev/stdin '$(DEST)$(unitdir)'/"$$unit" || exit 1; done
	@for rule in $(notdir $(RULES)); do \
		$(paths) "udev/$$rule" | \
			install -m 644 /dev/stdin '$(DEST)$(rulesdir)'/"$$rule" || exit 1; done
	@for users in $(notdir $(SYSUSERS:.sysusers=)); do \
		install -m 644 "systemd/$$users.sysusers" '$(DEST)$(sysusersdir)'/"$$users.conf" || \
			exit 1; done
	@for example in $(EXAMPLES); do \
		install -m 644 "$$example" '$(DEST)$(docdir)/examples' || exit 1; done
	@install -d -m 755 '$(DEST)$(initramfsdir)/hooks' '$(DEST)$(dracutdir)/95nbd-attach'
	@$(paths) src/packaging/initramfs-tools/hook | \
		install -m 755 /dev/stdin '$(DEST)$(initramfsdir)/hooks/nbd-attach'
	@install -D -m 755 src/packaging/initramfs-tools/local-top \
		'$(DEST)$(initramfsdir)/scripts/local-top/nbd-attach'
	@install -D -m 644 src/packaging/initramfs-tools/conf.example \
		'$(DEST)$(docdir)/examples/initramfs-tools.conf.example'
	@for file in $(DRACUT); do \
		mode=755; grep -q '^#!' "src/packaging/dracut/$$file" || mode=644; \
		$(paths) "src/packaging/dracut/$$file" | install -m $$mode /dev/stdin \
			'$(DEST)$(dracutdir)/95nbd-attach'/"$$file" || exit 1; done
	@install -D -m 644 src/packaging/dracut/conf.example \
		'$(DEST)$(docdir)/examples/dracut.conf.example'
	@$(if $(DESTDIR),,echo "installed; now, as root:"; \
		echo "  systemd-sysusers && systemctl daemon-reload && udevadm control --reload"; \
		echo "and, over an earlier version, so that the units of attached devices use this one:"; \
		echo "  systemctl reload 'nbd-attach@*.service'")

# Configuration files stay, and so do directories that hold anything else. The name nbd-client is removed if it is
# ours, with or without NBD_CLIENT.
.PHONY: uninstall
uninstall:
	@rm -f $(patsubst %,'$(DEST)%',$(filter-out $(sbindir)/nbd-client,$(INSTALLED)))
	@[ "$$(readlink '$(DEST)$(sbindir)/nbd-client')" != nbd-attach ] || rm -f '$(DEST)$(sbindir)/nbd-client'
	@rmdir --ignore-fail-on-non-empty '$(DEST)$(dracutdir)/95nbd-attach' \
		'$(DEST)$(docdir)/examples' '$(DEST)$(docdir)' \
		'$(DEST)$(sysconfdir)/nbd-attach' 2>/dev/null || true

.PHONY: installed
installed:
	@printf '%s\n' $(INSTALLED)

# build/nbd-attach_VERSION_ARCHITECTURE.deb, whose name is printed. DEBFULLNAME and DEBEMAIL in the
# environment say who made it.
DEB_VERSION ?= $(VERSION)

# The name nbd-client is in a package of its own, which conflicts with Debian's.
.PHONY: deb
deb: $(BUILD)/nbd-attach $(COMPLETION)
	@rm -rf $(BUILD)/deb
	@$(MAKE) --no-print-directory install DESTDIR='$(abspath $(BUILD))/deb/root' prefix=/usr \
		sbindir=/usr/sbin mandir=/usr/share/man docdir=/usr/share/doc/nbd-attach sysconfdir=/etc \
		bashcompdir=/usr/share/bash-completion/completions \
		zshcompdir=/usr/share/zsh/vendor-completions fishcompdir=/usr/share/fish/vendor_completions.d NBD_CLIENT=no
	@CC='$(CC)' src/packaging/deb $(BUILD) $(DEB_VERSION)

# build/nbd-attach-nbd-client_VERSION_all.deb, which takes the place of Debian's nbd-client.
.PHONY: deb-nbd-client
deb-nbd-client:
	@src/packaging/deb-nbd-client $(BUILD) $(DEB_VERSION)

# build/nbd-attach-VERSION.tar.gz, with its checksum; and the Debian source package of it.
.PHONY: dist dsc
dist:
	@src/packaging/dist '$(BUILD)' $(VERSION)

dsc:
	@tarball=$$(src/packaging/dist '$(BUILD)' $(VERSION)) && \
		src/packaging/dsc '$(BUILD)' $(VERSION) "$$tarball"
