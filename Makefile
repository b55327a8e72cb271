# sluice: `make run` runs it, `make test` tests it; `make help` tells the rest.
#
# Each folder is compiled with only the -I it may use (DESIGN.md, section 9), so a wrong
# include does not compile.

CC      ?= cc
PYTHON  ?= /usr/bin/python3
BUILD   ?= build
JOBS    ?= $(shell nproc)
PREFIX  ?= /usr/local
VERSION := 0.1.0

WARN    := -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes \
           -Wstrict-prototypes -Wno-sign-conversion -Wunused-result
OPT     ?= -O2 -g
CFLAGS  ?= $(OPT)
# Sanitizers bring checks of their own, and without optimization there is nothing to fortify.
FORTIFY := $(if $(findstring -fsanitize,$(CFLAGS))$(findstring -O0,$(CFLAGS)),,\
                -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
HARDEN := -fPIE -fstack-protector-strong $(FORTIFY)
ALL_CFLAGS := -std=c11 -D_GNU_SOURCE -DSLUICE_VERSION='"$(VERSION)"' -pthread \
              $(WARN) $(if $(WERROR),-Werror) $(HARDEN) $(CFLAGS) -MMD -MP
LIBS    := -pie -Wl,-z,relro,-z,now -Wl,--as-needed -lzmq -luv -lsqlite3 -linih -lz -lm -lssl -lcrypto -lnghttp2 -lcurl -lsodium -lcrypt

# Builds say a line a room, and what compilers complain of; each command, with all that it says,
# is in the log.  V=1 shows the commands.
LOG := $(BUILD)/log
RUN := $(if $(V),,@deploy/quietly $(LOG))
say = @$(if $(V),:,echo '  $(1)')

# --- rooms ---------------------------------------------------------------------
# A room is a folder and a library.  MAY_room: the rooms whose headers it may include, nearest
# first; whoever links it links these behind it.
MAY_proto           :=
MAY_common          := proto
MAY_common/auth     := common proto
MAY_broker/store    := common proto
MAY_broker/sessions := broker/store common proto
MAY_broker          := broker/sessions broker/store common proto
MAY_gateways/hub    := common proto
MAY_gateways/link   := common proto
MAY_gateways/net    := common proto
below_http          := gateways/hub gateways/link gateways/net common/auth common proto
MAY_gateways/http   := $(below_http)
MAY_gateways        := $(below_http)
a_protocol          := gateways gateways/http $(below_http)
MAY_gateways/sse    := $(a_protocol)
MAY_gateways/ws     := $(a_protocol)
MAY_gateways/poll   := $(a_protocol)
MAY_gateways/h2     := gateways/sse gateways/ws $(a_protocol)
MAY_gateways/mqtt   := gateways/ws $(a_protocol)
MAY_gateways/zmq    := $(a_protocol)
MAY_gateways/cli    := gateways/net common/auth common proto
ROOMS := proto common common/auth broker/store broker/sessions broker gateways/hub gateways/link gateways/net \
         gateways/http gateways gateways/sse gateways/ws gateways/poll gateways/h2 gateways/mqtt \
         gateways/zmq gateways/cli
# The rooms that are a process, and what each is called.
PROCESSES := broker sse ws poll h2 mqtt zmq cli
PROCESS_broker := broker
PROCESS_cli := gateways/cli
room_of = $(or $(PROCESS_$(1)),gateways/$(1))

includes = $(addprefix -I,$(1) $(MAY_$(1)))
archive = $(BUILD)/lib/$(subst /,-,$(1)).a
archives = $(foreach r,$(1) $(MAY_$(1)),$(call archive,$(r)))
OBJ := $(BUILD)/obj
objects = $(patsubst %.c,$(OBJ)/%.o,$(filter-out %/main.c,$(wildcard $(1)/*.c)))

define room_rules
$(OBJ)/$(1)/%.o: $(1)/%.c | deps-present
	@mkdir -p $$(@D)
	$$(RUN) $$(CC) $$(ALL_CFLAGS) $$(call includes,$(1)) -c $$< -o $$@
$(call archive,$(1)): $$(call objects,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(RUN) ar rcs $$@ $$^
	$$(call say,$(1))
endef
$(foreach r,$(ROOMS),$(eval $(call room_rules,$(r))))

BIN := $(BUILD)/bin
binary = $(BIN)/sluice$(if $(filter cli,$(1)),,-$(1))
BINARIES := $(foreach p,$(PROCESSES),$(call binary,$(p)))

all: $(BINARIES) ## build everything into build/bin (the default)

define process_rules
$(call binary,$(1)): $(OBJ)/$(call room_of,$(1))/main.o $(call archives,$(call room_of,$(1)))
endef
$(foreach p,$(PROCESSES),$(eval $(call process_rules,$(p))))
$(BINARIES):
	@mkdir -p $(@D)
	$(RUN) $(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS)

# Binaries with failpoints (common/failpoint.h): the files that have some are compiled once
# more; the archives give what is still missing.
FAIL := $(BUILD)/failpoints
FAIL_SOURCES := $(shell grep -l 'FAILPOINT' broker/*.c broker/*/*.c gateways/mqtt/*.c)
failing = $(patsubst %.c,$(FAIL)/obj/%.o,$(foreach r,$(1),$(filter $(wildcard $(r)/*.c),$(FAIL_SOURCES))))
define fail_rules
$(FAIL)/obj/$(1)/%.o: $(1)/%.c | deps-present
	@mkdir -p $$(@D)
	$$(RUN) $$(CC) $$(ALL_CFLAGS) -DSLUICE_FAILPOINTS $$(call includes,$(1)) -c $$< -o $$@
endef
$(foreach r,broker broker/store broker/sessions gateways/mqtt,$(eval $(call fail_rules,$(r))))
FAIL_BINARIES := $(FAIL)/bin/sluice-broker $(FAIL)/bin/sluice-mqtt
$(FAIL)/bin/sluice-broker: $(OBJ)/broker/main.o \
                           $(call failing,broker broker/store broker/sessions) $(call archives,broker)
$(FAIL)/bin/sluice-mqtt: $(OBJ)/gateways/mqtt/main.o $(call failing,gateways/mqtt) \
                         $(call archives,gateways/mqtt)
$(FAIL_BINARIES):
	@mkdir -p $(@D)
	$(RUN) $(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS)
failpoints: $(FAIL)/made
$(FAIL)/made: $(FAIL_BINARIES)
	$(call say,with failpoints)
	@touch $@

# --- dependencies --------------------------------------------------------------
deps-present: ; @command -v pkg-config >/dev/null && pkg-config --exists libuv libzmq sqlite3 zlib libssl libnghttp2 libcurl libsodium \
	|| { echo 'libraries are missing: run deploy/install-deps.sh' >&2; exit 1; }
deps: ## install what building needs (Debian)
	@deploy/install-deps.sh build
deps-test:
	@deploy/install-deps.sh test

# --- run ---------------------------------------------------------------------
fresh-log:
	@mkdir -p $(BUILD) && : >$(LOG)
run: fresh-log deps ## install what is needed, build, and run all processes in the foreground
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@exec $(BIN)/sluice up $(ARGS)

# --- tests -------------------------------------------------------------------
UNIT_SOURCES := $(wildcard tests/unit/*/test_*.c tests/unit/*/*/test_*.c)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SOURCES))
CHECK_LIBS := -lcheck -lsubunit -lrt

# A test links its own room's library and what that one may use, no other.
define unit_rules
$(BUILD)/unit/$(1)/%: tests/unit/$(1)/%.c $(call archives,$(1))
	@mkdir -p $$(@D)
	$$(RUN) $$(CC) $$(ALL_CFLAGS) $$(call includes,$(1)) -Itests/lib -o $$@ $$< $$(filter %.a,$$^) $$(CHECK_LIBS) $$(LIBS)
$(BUILD)/unit/$(1)/made: $(filter $(BUILD)/unit/$(1)/test_%,$(UNIT_TESTS))
	$$(call say,tests/unit/$(1))
	@touch $$@
endef
$(foreach r,$(ROOMS),$(eval $(call unit_rules,$(r))))

test: fresh-log deps deps-test ## units, end to end and faults (installs what it needs)
	@$(MAKE) --no-print-directory -j$(JOBS) everything
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory e2e
everything: all unit-binaries load failpoints # what the tests run
unit-binaries: $(addsuffix made,$(sort $(dir $(UNIT_TESTS))))
unit: unit-binaries ## unit tests only
	@tests/unit/run $(UNIT_TESTS)
e2e: all load failpoints ## end to end, browser and fault tests only
	@BIN=$(abspath $(BIN)) $(PYTHON) -m pytest -q -n 4 --dist load -p no:cacheprovider \
	  tests/e2e tests/browser tests/faults tests/prices tests/deploy $(PYTEST_ARGS)

asan: deps deps-test ## the whole suite under address and undefined sanitizers
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=build/asan \
	  CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all' \
	  everything
	@CK_FORK=no $(MAKE) --no-print-directory BUILD=build/asan \
	  CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all' \
	  unit e2e
tsan: deps deps-test ## the units under the thread sanitizer
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=build/tsan CC=clang \
	  CFLAGS='-O1 -g -fsanitize=thread' unit-binaries
	@CK_FORK=no TSAN_OPTIONS="suppressions=$(abspath tests/unit/tsan.supp)" \
	  $(MAKE) --no-print-directory BUILD=build/tsan CC=clang CFLAGS='-O1 -g -fsanitize=thread' unit

# A process that is ended by SIGKILL leaves no counts: faults show more than they count for here.
COVERAGE := BUILD=build/coverage CFLAGS='-O0 -g --coverage'
coverage: deps deps-test ## the share of lines that units, and that end to end and faults, reach
	@$(MAKE) --no-print-directory -j$(JOBS) $(COVERAGE) everything
	@tests/coverage.py build/coverage forget
	@$(MAKE) --no-print-directory $(COVERAGE) unit
	@tests/coverage.py build/coverage units
	@tests/coverage.py build/coverage forget
	@SLUICE_TEST_SLOW=10 $(MAKE) --no-print-directory $(COVERAGE) e2e; failed=$$?; \
	tests/coverage.py build/coverage 'end to end'; exit $$failed

# --- fuzzing -----------------------------------------------------------------
FUZZ_SECONDS ?= 60
FUZZ_SOURCES := $(foreach r,$(ROOMS),$(wildcard tests/fuzz/$(r)/fuzz_*.c))
FUZZ_TARGETS := $(patsubst %.c,$(BUILD)/fuzz/%,$(notdir $(FUZZ_SOURCES)))
# Like a unit test it links its own room's library and what that one may use.
define fuzz_rules
$(BUILD)/fuzz/%: tests/fuzz/$(1)/%.c $(call archives,$(1))
	@mkdir -p $$(@D)
	$$(RUN) $$(CC) $$(ALL_CFLAGS) $$(call includes,$(1)) -Itests/lib -fsanitize=fuzzer -o $$@ $$< $$(filter %.a,$$^) $$(LIBS)
endef
$(foreach r,$(ROOMS),$(eval $(call fuzz_rules,$(r))))
fuzz-binaries: $(BUILD)/fuzz/made
$(BUILD)/fuzz/made: $(FUZZ_TARGETS)
	$(call say,tests/fuzz)
	@touch $@
fuzz: deps deps-test ## every parser, FUZZ_SECONDS each (60)
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=build/clang-fuzz CC=clang \
	  CFLAGS='-O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all' fuzz-binaries
	@tests/fuzz/run $(FUZZ_SECONDS) build/clang-fuzz/fuzz

# --- benchmarks ----------------------------------------------------------------
LOAD_SOURCES := $(wildcard tests/bench/*.c)
LOAD := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(LOAD_SOURCES))
$(BUILD)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(RUN) $(CC) $(ALL_CFLAGS) -o $@ $< -lzmq -lz -lm
load: $(BUILD)/bench/made
$(BUILD)/bench/made: $(LOAD)
	$(call say,tests/bench)
	@touch $@
bench: deps ## ratios against nchan, Mosquitto and a bare epoll program, in one run
	@deploy/install-deps.sh bench
	@$(MAKE) --no-print-directory -j$(JOBS) all load
	@BIN=$(abspath $(BIN)) LOAD=$(abspath $(BUILD)/bench) $(PYTHON) tests/bench/run.py $(ARGS)

# --- housekeeping ----------------------------------------------------------------
SOURCES = $(shell git ls-files '*.c' '*.h')
format: ## lay the code out (clang-format)
	clang-format -i $(SOURCES)
lint: deps ## layout, rooms, knots, names, scripts
	@BUILD=$(BUILD) deploy/lint.sh
objects: $(foreach r,$(ROOMS),$(patsubst %.c,$(OBJ)/%.o,$(wildcard $(r)/*.c)))
print-rooms: # a line a room: what it may include, besides itself (deploy/rooms.py)
	@printf '%s\n' $(foreach r,$(ROOMS),'$(r): $(MAY_$(r))')
install: all ## install binaries, units and the example configuration under PREFIX
	@deploy/install.sh $(abspath $(BIN)) $(DESTDIR)$(PREFIX) $(DESTDIR)
clean: ## remove build/
	rm -rf build
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' Makefile | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all everything failpoints deps deps-test deps-present fresh-log run test unit unit-binaries \
        e2e asan tsan coverage fuzz fuzz-binaries load bench format lint objects print-rooms install clean help
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
.SECONDARY:
