/* Unit tests of pins. */
#include "pin.h"

#include "run_suite.h"

static struct pin *told;
static void note_evicted(struct pin *p)
{
    ck_assert_ptr_null(p->of);
    told = p;
}

START_TEST(test_a_pin_is_told_once_and_is_clear_when_its_owner_lets_go)
{
    struct pins pins = {0};
    struct pin first = {.evicted = note_evicted}, second = {.evicted = note_evicted};

    told = NULL;
    pin_set(&first, &pins);
    pin_set(&second, &pins);
    pin_clear(&second);
    pins_evict(&pins);
    ck_assert_ptr_eq(told, &first);
    ck_assert(pins.evicted);
    pin_clear(&first);
}
END_TEST

static struct pin *neighbour;
static void clear_neighbour(struct pin *p)
{
    note_evicted(p);
    pin_clear(neighbour);
}

START_TEST(test_a_pin_that_is_told_may_clear_another)
{
    struct pins pins = {0};
    struct pin first = {.evicted = note_evicted}, second = {.evicted = clear_neighbour};

    neighbour = &first;
    pin_set(&first, &pins);
    pin_set(&second, &pins);
    pins_evict(&pins);
    ck_assert_ptr_eq(told, &second);
    ck_assert_ptr_null(pins.first);
}
END_TEST

int main(void)
{
    return RUN_TESTS("pin", NULL, NULL, test_a_pin_is_told_once_and_is_clear_when_its_owner_lets_go,
                     test_a_pin_that_is_told_may_clear_another);
}
