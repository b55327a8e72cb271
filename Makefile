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
ALL_CFLAGS := -std=c11 -D_GNU_SOURCE -DSLUICE_VERSION='"$(VERSION)"' -pthread \
              $(WARN) $(if $(WERROR),-Werror) $(CFLAGS) -MMD -MP
LIBS    := -Wl,--as-needed -lzmq -luv -lsqlite3 -linih -lz -lm -lssl -lcrypto -lnghttp2

# --- what may include what ---------------------------------------------------
INC_proto         := -Iproto
INC_common        := -Icommon -Iproto
INC_broker        := -Ibroker -Icommon -Iproto
INC_gateways/core := -Igateways/core -Icommon -Iproto
INC_gateways/sse  := -Igateways/sse -Igateways/core -Icommon -Iproto
INC_gateways/ws   := -Igateways/ws -Igateways/core -Icommon -Iproto
INC_gateways/poll := -Igateways/poll -Igateways/core -Icommon -Iproto
INC_gateways/h2   := -Igateways/h2 -Igateways/core -Icommon -Iproto
INC_gateways/mqtt := -Igateways/mqtt -Igateways/core -Icommon -Iproto
INC_gateways/cli  := -Igateways/cli -Igateways/core -Icommon -Iproto
FOLDERS := proto common broker gateways/core gateways/sse gateways/ws gateways/poll gateways/h2 \
           gateways/mqtt gateways/cli

OBJ := $(BUILD)/obj
objects = $(patsubst %.c,$(OBJ)/%.o,$(filter-out %/main.c,$(wildcard $(1)/*.c)))

define folder_rules
$(OBJ)/$(1)/%.o: $(1)/%.c | deps-present
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_CFLAGS) $$(INC_$(1)) -c $$< -o $$@
$(BUILD)/lib/$(subst /,-,$(1)).a: $$(call objects,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rules,$(f))))

LIB_proto  := $(BUILD)/lib/proto.a
LIB_common := $(BUILD)/lib/common.a $(LIB_proto)
LIB_broker := $(BUILD)/lib/broker.a $(LIB_common)
LIB_core   := $(BUILD)/lib/gateways-core.a $(LIB_common)

BIN := $(BUILD)/bin
BINARIES := $(BIN)/sluice-broker $(BIN)/sluice-sse $(BIN)/sluice-ws $(BIN)/sluice-poll \
            $(BIN)/sluice-h2 $(BIN)/sluice-mqtt $(BIN)/sluice

all: $(BINARIES) ## build everything into build/bin (the default)

$(BIN)/sluice-broker: $(OBJ)/broker/main.o $(LIB_broker)
$(BIN)/sluice-sse: $(OBJ)/gateways/sse/main.o $(LIB_core)
$(BIN)/sluice-ws: $(OBJ)/gateways/ws/main.o $(LIB_core)
$(BIN)/sluice-poll: $(OBJ)/gateways/poll/main.o $(BUILD)/lib/gateways-poll.a $(LIB_core)
$(BIN)/sluice-h2: $(OBJ)/gateways/h2/main.o $(BUILD)/lib/gateways-h2.a $(LIB_core)
$(BIN)/sluice-mqtt: $(OBJ)/gateways/mqtt/main.o $(BUILD)/lib/gateways-mqtt.a $(LIB_core)
$(BIN)/sluice: $(OBJ)/gateways/cli/main.o $(BUILD)/lib/gateways-cli.a $(LIB_core)
$(BINARIES):
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS)

# Binaries with failpoints (common/failpoint.h): the files that have some are compiled once
# more; the archives give what is still missing.
FAIL := $(BUILD)/failpoints
FAIL_SOURCES := $(shell grep -l 'FAILPOINT' broker/*.c gateways/mqtt/*.c)
failing = $(patsubst %.c,$(FAIL)/obj/%.o,$(filter $(1)/%,$(FAIL_SOURCES)))
define fail_rules
$(FAIL)/obj/$(1)/%.o: $(1)/%.c | deps-present
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_CFLAGS) -DSLUICE_FAILPOINTS $$(INC_$(1)) -c $$< -o $$@
endef
$(foreach f,broker gateways/mqtt,$(eval $(call fail_rules,$(f))))
FAIL_BINARIES := $(FAIL)/bin/sluice-broker $(FAIL)/bin/sluice-mqtt
$(FAIL)/bin/sluice-broker: $(OBJ)/broker/main.o $(call failing,broker) $(LIB_broker)
$(FAIL)/bin/sluice-mqtt: $(OBJ)/gateways/mqtt/main.o $(call failing,gateways/mqtt) \
                         $(BUILD)/lib/gateways-mqtt.a $(LIB_core)
$(FAIL_BINARIES):
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(LIBS)
failpoints: $(FAIL_BINARIES)

# --- dependencies --------------------------------------------------------------
deps-present: ; @command -v pkg-config >/dev/null && pkg-config --exists libuv libzmq sqlite3 zlib libssl libnghttp2 \
	|| { echo 'libraries are missing: run deploy/install-deps.sh' >&2; exit 1; }
deps: ## install what building needs (Debian)
	@deploy/install-deps.sh build
deps-test:
	@deploy/install-deps.sh test

# --- run ---------------------------------------------------------------------
run: deps ## install what is needed, build, and run all processes in the foreground
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@exec $(BIN)/sluice up $(ARGS)

# --- tests -------------------------------------------------------------------
UNIT_SOURCES := $(wildcard tests/unit/*/test_*.c tests/unit/*/*/test_*.c)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SOURCES))
CHECK_LIBS := -lcheck -lsubunit -lrt
INC_tests := $(foreach f,$(FOLDERS),-I$(f)) -Igateways -Itests/unit

# A test links its own folder's library and what that one may use, no other.
define unit_rules
$(BUILD)/unit/$(1)/%: tests/unit/$(1)/%.c $(2)
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_CFLAGS) $$(INC_$(1)) -Itests/unit -o $$@ $$< $$(filter %.a,$$^) $$(CHECK_LIBS) $$(LIBS)
endef
$(eval $(call unit_rules,proto,$(LIB_proto)))
$(eval $(call unit_rules,common,$(LIB_common)))
$(eval $(call unit_rules,broker,$(LIB_broker)))
$(eval $(call unit_rules,gateways/core,$(LIB_core)))
$(foreach f,$(filter-out gateways/core,$(filter gateways/%,$(FOLDERS))),\
  $(eval $(call unit_rules,$(f),$(BUILD)/lib/$(subst /,-,$(f)).a $(LIB_core))))

test: deps deps-test ## units, end to end and faults (installs what it needs)
	@$(MAKE) --no-print-directory -j$(JOBS) everything
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory e2e
everything: all unit-binaries load failpoints # what the tests run
unit-binaries: $(UNIT_TESTS)
unit: unit-binaries ## unit tests only
	@tests/unit/run $(UNIT_TESTS)
e2e: all load failpoints ## end to end, browser and fault tests only
	@BIN=$(abspath $(BIN)) $(PYTHON) -m pytest -q -n 4 --dist load -p no:cacheprovider \
	  tests/e2e tests/browser tests/faults tests/deploy $(PYTEST_ARGS)

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
	@$(MAKE) --no-print-directory $(COVERAGE) e2e; failed=$$?; \
	tests/coverage.py build/coverage 'end to end'; exit $$failed

# --- fuzzing -----------------------------------------------------------------
FUZZ_SECONDS ?= 60
FUZZ_SOURCES := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SOURCES))
FUZZ_LIBS := $(foreach f,$(filter-out proto common gateways/core,$(FOLDERS)),\
  $(if $(call objects,$(f)),$(BUILD)/lib/$(subst /,-,$(f)).a)) $(LIB_core)
$(BUILD)/fuzz/%: tests/fuzz/%.c $(FUZZ_LIBS)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(INC_tests) -fsanitize=fuzzer -o $@ $< $(filter %.a,$^) $(LIBS)
fuzz-binaries: $(FUZZ_TARGETS)
fuzz: deps deps-test ## every parser, FUZZ_SECONDS each (60)
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=build/clang-fuzz CC=clang \
	  CFLAGS='-O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all' fuzz-binaries
	@tests/fuzz/run $(FUZZ_SECONDS) build/clang-fuzz/fuzz

# --- benchmarks ----------------------------------------------------------------
LOAD_SOURCES := $(wildcard tests/bench/*.c)
LOAD := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(LOAD_SOURCES))
$(BUILD)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -o $@ $< -lzmq -lz -lm
load: $(LOAD)
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
objects: $(foreach f,$(FOLDERS),$(patsubst %.c,$(OBJ)/%.o,$(wildcard $(f)/*.c)))
print-rooms: # a line a room: what it may include, besides itself (deploy/rooms.py)
	@printf '%s\n' $(foreach f,$(FOLDERS),'$(f): $(filter-out $(f),$(patsubst -I%,%,$(INC_$(f))))')
install: all ## install binaries, units and the example configuration under PREFIX
	@deploy/install.sh $(abspath $(BIN)) $(DESTDIR)$(PREFIX) $(DESTDIR)
clean: ## remove build/
	rm -rf build
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all everything failpoints deps deps-test deps-present run test unit unit-binaries e2e asan \
        tsan coverage fuzz fuzz-binaries load bench format lint objects print-rooms install clean help
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
.SECONDARY:
