# make [TARGET] [CONFIG=release|debug|asan|tsan|fuzz|cov] [CC=clang] [V=1] [WERROR=0]
#
# all             build/nodeswarm and build/nodesim
# check           unit tests, fuzz corpora, command line: no engine, no root, a minute
# check-sim       nodesim processes against the recordings of nodeos: loopback, half a minute
# check-it        tests against a real Docker Engine that they start themselves; needs root
# check-asan      check under ASan and UBSan
# check-tsan      unit tests under TSan
# check-valgrind  unit tests under valgrind
# fuzz            build the libFuzzer targets
# fuzz-run        run each of them for FUZZ_SECONDS
# bench           build and run the benchmarks; needs root
# soak            the long campaigns, results under docs/soak/; needs root, takes hours
# lint            layers, unused functions, headers, banned calls, format, shell, help texts, man pages, cppcheck
# install         into DESTDIR and PREFIX
# uninstall       remove what install put there
# dist            a source tarball of HEAD
# deb             Debian packages of HEAD, in build/deb
# clean           remove build/
# help            this text
#
# Every configuration has its own object tree, build/$(CONFIG), so a sanitizer build never
# mixes with another; build/nodeswarm and build/nodesim are links to the last one built.
# Put personal settings in local.mk.

all:

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

-include local.mk

PROG    := nodeswarm
SIM     := nodesim
CONFIG  ?= release
PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man
CC      ?= cc
PKG_CONFIG ?= pkg-config
B       := build/$(CONFIG)

# The file is in a tarball only, which may lie below another project's checkout.
VERSION := $(shell cat VERSION 2>/dev/null || git describe --tags --always --abbrev=12 --dirty 2>/dev/null || echo unknown)

# --- flags ------------------------------------------------------------------

STD  := -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
WARN := -Wall -Wextra -Wshadow -Wvla -Wundef -Wformat=2 -Wwrite-strings -Wcast-qual \
	-Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wmissing-declarations -Wswitch-enum -Wimplicit-fallthrough -Wdouble-promotion \
	-Wno-missing-field-initializers -Werror=implicit-function-declaration \
	-Werror=incompatible-pointer-types -Werror=int-conversion -Werror=return-type
ifneq ($(WERROR),0)
WARN += -Werror
endif
HARDEN := -fstack-protector-strong -fPIE -fno-common -fno-omit-frame-pointer
LDHARDEN := -pie -pthread -Wl,-z,relro,-z,now -Wl,--as-needed

ifeq ($(CONFIG),release)
OPT := -O2 -g -DNDEBUG -D_FORTIFY_SOURCE=2
else ifeq ($(CONFIG),debug)
OPT := -Og -g3
else ifeq ($(CONFIG),asan)
OPT := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
else ifeq ($(CONFIG),tsan)
OPT := -O1 -g -fsanitize=thread
else ifeq ($(CONFIG),fuzz)
OPT := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
else ifeq ($(CONFIG),cov)
OPT := -O0 -g --coverage
else
$(error unknown CONFIG '$(CONFIG)')
endif

PKGS      ?= libcurl libmicrohttpd jansson yaml-0.1 smartcols libcrypto libsecp256k1 libxxhash libzstd zlib sqlite3
TEST_PKGS ?= cmocka
ifneq ($(PKGS),)
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS))
PKG_LIBS   := $(shell $(PKG_CONFIG) --libs $(PKGS)) -lm
endif
TEST_CFLAGS ?= $(shell $(PKG_CONFIG) --cflags $(TEST_PKGS))
TEST_LIBS   ?= $(shell $(PKG_CONFIG) --libs $(TEST_PKGS))

ALL_CFLAGS  = $(STD) $(OPT) $(HARDEN) $(WARN) -Isrc $(PKG_CFLAGS) $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(OPT) $(LDHARDEN) $(LDFLAGS)

# --- what there is to build ---------------------------------------------------

SRC   := $(sort $(wildcard src/*/*.c))
MAIN  := src/cli/main.c
SIMMAIN := src/sim/main.c
# Files that the programs carry: text in, `extern const char embed_X[]` out, see below.
EMBED := $(sort $(wildcard src/*/*.html src/*/*.css src/*/*.js))
LIBO  := $(patsubst %.c,$(B)/%.o,$(filter-out $(MAIN) $(SIMMAIN),$(SRC))) $(B)/version.o $(EMBED:%=$(B)/%.o)
HDR   := $(sort $(wildcard src/*/*.h))
TESTS := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/unit/*/test_*.c)))
FAKEO := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard tests/fake/*.c)))
BENCH := $(patsubst %.c,$(B)/%,$(sort $(wildcard bench/bench_*.c)))
# What their scripts are helped by.
BENCHTOOL := $(addprefix $(B)/bench/,datadir bad_server bare_schedule gate_tool replay_workers used)
FUZZ  := $(sort $(patsubst fuzz/fuzz_%.c,%,$(wildcard fuzz/fuzz_*.c)))
IT    := $(sort $(wildcard tests/it/test_*.sh))

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-6s %s\n' $(1) $(2)
endif

all: $(B)/$(PROG) $(B)/$(SIM)
	@for p in $(PROG) $(SIM); do \
	  [ "$$(readlink build/$$p)" = $(CONFIG)/$$p ] || ln -sfn $(CONFIG)/$$p build/$$p; done

$(B)/$(PROG): $(patsubst %.c,$(B)/%.o,$(MAIN)) $(B)/lib$(PROG).a $(B)/flags
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(PKG_LIBS)

$(B)/$(SIM): $(patsubst %.c,$(B)/%.o,$(SIMMAIN)) $(B)/lib$(PROG).a $(B)/flags
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(PKG_LIBS)

$(B)/lib$(PROG).a: $(LIBO)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $(EXTRA_$(firstword $(subst /, ,$*))) -MMD -MP -c -o $@ $<

EXTRA_tests = -Itests -UNDEBUG $(TEST_CFLAGS)

# src/load/report_page.css becomes embed_report_page_css, a string with its NUL.  The assembler
# of any compiler can do it, and there is no generated source that could be stale.
$(EMBED:%=$(B)/%.o): $(B)/%.o: % $(B)/flags
	@mkdir -p $(@D)
	$(call say,EMBED,$<)
	$(Q)n=embed_$$(basename $< | tr -c 'a-zA-Z0-9\n' _); \
	printf '.section .rodata\n.global %s\n.type %s, %%object\n%s:\n.incbin "%s"\n.byte 0\n.size %s, . - %s\n.section .note.GNU-stack,"",%%progbits\n' \
	  $$n $$n $$n $< $$n $$n | $(CC) -xassembler -c -o $@ -

# Only this one file knows the version; a commit does not rebuild the tree.
$(B)/version.o: $(B)/version $(B)/flags
	$(Q)printf 'extern const char nodeswarm_version[]; const char nodeswarm_version[] = "%s";\n' '$(VERSION)' | \
	  $(CC) $(ALL_CFLAGS) -xc -c -o $@ -

# Stamps: rewritten only when their text changes, so that a changed flag rebuilds.
define stamp
@mkdir -p $(@D)
@printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(1))' >$@
endef
$(B)/flags: FORCE
	$(call stamp,$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(PKG_LIBS))
$(B)/version: FORCE
	$(call stamp,$(VERSION))
.PHONY: FORCE
FORCE:

-include $(wildcard $(B)/*/*.d $(B)/*/*/*.d $(B)/*/*/*/*.d)

# --- tests ----------------------------------------------------------------------

# wraps_NAME lists the calls that tests/unit/*/NAME.c replaces with __wrap_CALL.
wraps_test_boot_id := openat64
wraps_test_fs := read write fsync openat64 renameat close fchmod unlinkat mkdirat fchownat
wraps_test_loop := epoll_wait
wraps_test_lockfile := flock ftruncate64 write
wraps_test_output := clock_mono_ns
wraps_test_sample_ask := clock_mono_ns
wraps_test_probation := clock_mono_ns
wraps_test_away := poll clock_mono_ns
wraps_test_chain := pwrite64
wraps_test_verdict := pread64 fstatat64
wraps_test_datadir := pwrite64
wraps_test_usage := ioctl
wraps_test_unshare := ioctl fallocate64 fstatvfs64 fsync
wraps_test_pool_mount := fallocate64 ftruncate64 fsync flock renameat2
# tests/unit/data/trip.h
TRIP_WRAPS := write pwrite64 fsync renameat mkdirat symlinkat linkat unlinkat fchmod fchown fchownat \
	ftruncate64 flock futimens copy_file_range openat64
wraps_test_blockindex := $(TRIP_WRAPS)
wraps_test_generation := $(TRIP_WRAPS)
wraps_test_restore := $(TRIP_WRAPS)
wraps_test_restore_kill := $(TRIP_WRAPS)
wraps_test_quarantine := $(TRIP_WRAPS)
wraps_test_aside := $(TRIP_WRAPS)
# tests/unit/data/clone_scene.h
CLONE_WRAPS := openat64 mkdirat ioctl linkat copy_file_range pread64 pwrite64 ftruncate64 lseek64 fsync \
	fchown fchmod futimens fstat64 fstatat64 fstatvfs64 symlinkat readlinkat flistxattr fsetxattr pthread_create
wraps_test_clone := $(CLONE_WRAPS)
wraps_test_clone_refused := $(CLONE_WRAPS)
wraps_test_clone_fail := $(CLONE_WRAPS)
wraps_test_import := $(TRIP_WRAPS) fstatvfs64
wraps_test_copy := $(TRIP_WRAPS) renameat2
wraps_test_incoming := $(TRIP_WRAPS)
wraps_test_op := $(TRIP_WRAPS) fstatvfs64
wraps_test_examine := $(TRIP_WRAPS) fstatvfs64
wraps_test_self_test := load_run
wraps_test_pull := $(TRIP_WRAPS)
wraps_test_load_run := send socket getrlimit64 epoll_pwait2 sched_setscheduler
wraps_test_load_bytes := send socket getrlimit64 epoll_pwait2 sched_setscheduler
wraps_test_sampler := watch_add watch_remove watch_ask watch_see watch_lose watch_judge
wraps_test_worker := epoll_pwait2 connect
wraps_test_hist := malloc calloc
wraps_test_tally := calloc realloc
wraps_test_gate_signed := pwrite64
wraps_test_gate := sign_digest pwrite64
wraps_test_gate_memory := clock_real_ns
wraps_test_certificate := book_count book_at
wraps_test_book_kill := sqlite3_step

$(TESTS): $(B)/tests/unit/%: $(B)/tests/unit/%.o $(FAKEO) $(B)/lib$(PROG).a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) $(foreach w,$(wraps_$(notdir $*)),-Wl,--wrap=$(w)) -o $@ $^ $(TEST_LIBS) $(PKG_LIBS)

$(BENCH) $(BENCHTOOL): $(B)/bench/%: $(B)/bench/%.o $(B)/lib$(PROG).a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

REPLAY := $(addprefix $(B)/fuzz/replay_,$(FUZZ))
$(REPLAY): $(B)/fuzz/replay_%: $(B)/fuzz/fuzz_%.o $(B)/fuzz/replay.o $(B)/lib$(PROG).a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

.PHONY: all help check check-unit check-it check-cli check-sim check-corpus check-asan check-tsan check-valgrind soak
help:
	@awk '/^# ?/{sub(/^# ?/, ""); print; next} {exit}' Makefile

check: check-unit check-corpus check-cli check-sim

# Three at a time, because most of their time is waiting; those that measure time have the machine for themselves.
UNIT_JOBS ?= 3
TESTS_ALONE = $(filter $(B)/tests/unit/load/%,$(TESTS))
UNIT = timeout 300 $(TEST_WRAPPER) "$$0" >"$$0.log" 2>&1 || { cat "$$0.log"; exit 1; }
check-unit: $(TESTS)
	@rc=0; printf '%s\n' $(filter-out $(TESTS_ALONE),$^) | xargs -n1 -P$(UNIT_JOBS) sh -c '$(UNIT)' || rc=1; \
	printf '%s\n' $(TESTS_ALONE) | xargs -r -n1 sh -c '$(UNIT)' || rc=1; \
	grep -h 'PASSED\|FAILED' $(addsuffix .log,$^) | grep 'test(s)'; exit $$rc

check-corpus: $(REPLAY)
	@for t in $(FUZZ); do $(B)/fuzz/replay_$$t $$(find fuzz/corpus/$$t fuzz/regress/$$t -type f 2>/dev/null) && echo "corpus $$t ok" || exit 1; done

check-cli: all
	@BUILD=$(CURDIR)/$(B) tests/cli/run.sh

check-sim: all
	@BUILD=$(CURDIR)/$(B) tests/sim/run.sh

check-it: all bench-tools
	@BUILD=$(CURDIR)/$(B) tests/it/run $(IT_FLAGS) $(IT)
soak: all
	@BUILD=$(CURDIR)/$(B) tests/soak/run
	@BUILD=$(CURDIR)/$(B) tests/soak/data_kill
	@BUILD=$(CURDIR)/$(B) tests/soak/heal
	@BUILD=$(CURDIR)/$(B) tests/soak/producer
	@BUILD=$(CURDIR)/$(B) tests/soak/replay

check-asan:
	+@$(MAKE) --no-print-directory CONFIG=asan check
check-tsan:
	+@$(MAKE) --no-print-directory CONFIG=tsan check-unit
check-valgrind:
	+@$(MAKE) --no-print-directory CONFIG=debug TEST_WRAPPER='valgrind -q --leak-check=full --error-exitcode=9' check-unit

# --- fuzz, bench ------------------------------------------------------------------

FUZZ_CC      ?= clang
FUZZ_SECONDS ?= 30
FUZZ_BIN     := $(addprefix $(B)/fuzz/,$(FUZZ))

$(FUZZ_BIN): $(B)/fuzz/%: $(B)/fuzz/fuzz_%.o $(B)/lib$(PROG).a
	$(call say,FUZZ,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

.PHONY: fuzz fuzz-bin fuzz-run bench run-bench bench-tools
fuzz-bin: $(FUZZ_BIN)
fuzz:
	+@$(MAKE) --no-print-directory CONFIG=fuzz CC=$(FUZZ_CC) fuzz-bin
fuzz-run: fuzz
	@for t in $(FUZZ); do mkdir -p build/corpus/$$t && \
	  build/fuzz/fuzz/$$t -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=1 \
	    -artifact_prefix=build/corpus/$$t- build/corpus/$$t fuzz/corpus/$$t || exit 1; done
bench:
	+@$(MAKE) --no-print-directory CONFIG=release run-bench
bench-tools: $(BENCHTOOL)
run-bench: all $(BENCH) bench-tools
	@for b in $(BENCH); do $$b || exit 1; done
	@for b in $(sort $(wildcard bench/bench_*.sh)); do BUILD=$(CURDIR)/$(B) bash $$b || exit 1; done

# --- lint ---------------------------------------------------------------------------

.PHONY: lint lint-layers lint-unused lint-headers lint-banned lint-format lint-shell lint-help lint-man lint-cppcheck
lint: lint-layers lint-unused lint-headers lint-banned lint-format lint-shell lint-help lint-man lint-cppcheck

lint-layers:
	@awk -f tools/layers.awk src/LAYERS $(SRC) $(HDR)

# What is called by tests alone.
lint-unused:
	@awk -f tools/unused.awk tools/unused.allow $(SRC) $(HDR)

# Each header compiles on its own.
lint-headers: $(HDR:%=$(B)/hdr/%.ok)
$(B)/hdr/%.ok: % $(HDR)
	@mkdir -p $(@D)
	@printf '#include "%s"\n' '$(patsubst src/%,%,$<)' | $(CC) $(STD) $(WARN) -Isrc $(PKG_CFLAGS) -fsyntax-only -xc - && touch $@

BANNED := strcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|gmtime|localtime|ctime|asctime|mktemp|tmpnam|system|popen|alloca|rand|signal
lint-banned:
	@! grep -nE '(^|[^a-zA-Z0-9_>.])($(BANNED))[[:space:]]*\(' $(SRC) $(HDR)

lint-format:
	@command -v clang-format >/dev/null || { echo 'lint-format: no clang-format, skipped'; exit 0; }; \
	clang-format --dry-run --Werror $(SRC) $(HDR) $(wildcard tests/unit/*/*.c fuzz/*.c)

# Only lint-shell looks into all of them.
SHELL_FILES = $(sort $(shell git ls-files '*.sh' .ci/run completion docker scripts swarm tests 2>/dev/null | \
	while read -r f; do head -n1 "$$f" 2>/dev/null | grep -qE '^\#(!.*sh$$| shellcheck shell=)' && echo "$$f"; done))
lint-shell:
	@command -v shellcheck >/dev/null || { echo 'lint-shell: no shellcheck, skipped'; exit 0; }; \
	[ -z '$(SHELL_FILES)' ] || shellcheck -x $(SHELL_FILES)

# What help is printed from: an example for each command, the style of each option's text.
lint-help: $(B)/tests/unit/cli/test_commands
	@$< >$<.log 2>&1 || { cat $<.log; exit 1; }

# The pages against the same tables, and what they say of variables and stack files.
lint-man: $(B)/tests/unit/cli/test_man
	@$< >$<.log 2>&1 || { cat $<.log; exit 1; }
	@tools/lint-man.sh

lint-cppcheck:
	@command -v cppcheck >/dev/null || { echo 'lint-cppcheck: no cppcheck, skipped'; exit 0; }; \
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr \
	  --suppressions-list=tools/cppcheck.suppress --library=posix --library=gnu -j2 -Isrc $(SRC)

# --- install, dist ---------------------------------------------------------------------

SHAREDIR    ?= $(PREFIX)/share/nodeswarm
DOCDIR      ?= $(PREFIX)/share/doc/nodeswarm
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
# Where zsh looks: packages have a directory of their own.
ZSHCOMPDIR  ?= $(PREFIX)/share/zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)

# A tree like this one, to be used in place or copied: the scripts find the stack files beside them.
SHARED := config.ini genesis.json peerlist.ini \
	$(sort $(wildcard stacks/*.yml stacks/*/* swarm/*.sh swarm/systemd/* docker/*.sh docker/*/*)) \
	$(addprefix scripts/,$(addsuffix .sh,start stop start_bp stop_bp cpbasedir firewall test_request \
	run-replay-instance terminate-replay-instance))
DOCS   := README.md CHANGELOG.md $(sort $(wildcard docs/*.md))

INSTALLED = $(BINDIR)/$(PROG) $(patsubst man/%,$(MANDIR)/man1/%,$(wildcard man/*.1)) \
	$(patsubst man/%,$(MANDIR)/man5/%,$(wildcard man/*.5)) $(BASHCOMPDIR)/$(PROG) $(ZSHCOMPDIR)/_$(PROG) \
	$(addprefix $(SHAREDIR)/,$(SHARED)) $(addprefix $(DOCDIR)/,$(notdir $(DOCS)) examples)

.PHONY: install uninstall dist clean
install: $(B)/$(PROG)
	install -d $(addprefix $(DESTDIR),$(sort $(dir $(INSTALLED))))
	install -m 755 $< $(DESTDIR)$(BINDIR)/$(PROG)
	install -m 644 $(wildcard man/*.1) $(DESTDIR)$(MANDIR)/man1
	install -m 644 $(wildcard man/*.5) $(DESTDIR)$(MANDIR)/man5
	install -m 644 completion/$(PROG).bash $(DESTDIR)$(BASHCOMPDIR)/$(PROG)
	install -m 644 completion/_$(PROG) $(DESTDIR)$(ZSHCOMPDIR)/_$(PROG)
	for f in $(SHARED); do \
	  mode=644; [ ! -x $$f ] || mode=755; install -m $$mode $$f $(DESTDIR)$(SHAREDIR)/$$f || exit 1; done
	install -m 644 $(DOCS) $(DESTDIR)$(DOCDIR)
	ln -sfnr $(DESTDIR)$(SHAREDIR)/stacks $(DESTDIR)$(DOCDIR)/examples
# Directories of what install puts there that are ours alone.
OURDIRS = $(sort $(dir $(filter $(SHAREDIR)/% $(DOCDIR)/%,$(INSTALLED))))
# What install has put there, and directories that are ours and empty then. See debian/nodeswarm.prerm for the units.
uninstall:
	@[ -n '$(DESTDIR)' ] || [ -z "$$(grep -lsE '^Exec(Start|Stop)=-?$(BINDIR)/$(PROG) ' /etc/systemd/system/nodeswarm-*.service)" ] || { \
	  echo 'units of this host run it: $(SHAREDIR)/swarm/prepare-host.sh --undo first' >&2; exit 1; }
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	for d in $$(printf '%s\n' $(OURDIRS:%/=$(DESTDIR)%) | LC_ALL=C sort -r); do \
	  [ ! -d $$d ] || [ -L $$d ] || rmdir --ignore-fail-on-non-empty $$d || exit 1; done

dist:
	@tools/dist.sh

.PHONY: deb
deb:
	@tools/deb.sh

clean:
	rm -rf build
