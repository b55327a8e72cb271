/* Unit tests of the rights that files and folders of a process have. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process.h"
#include "run_suite.h"

static char folder[] = "/tmp/sluice-files-XXXXXX";
static char path[64];

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/file", folder);
}

static void teardown(void)
{
    (void)unlink(path);
    (void)rmdir(folder);
    (void)memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
}

static unsigned mode_of(const char *p)
{
    struct stat st;

    ck_assert_int_eq(stat(p, &st), 0);
    return st.st_mode & 0777;
}

START_TEST(test_a_file_becomes_its_owners_alone)
{
    int fd = open(path, O_CREAT | O_RDWR, 0644);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fchmod(fd, 0664), 0);
    ck_assert_int_eq(process_own_file(path), 0);
    ck_assert_uint_eq(mode_of(path), 0600);
    (void)close(fd);
}
END_TEST

START_TEST(test_a_file_that_is_not_there_needs_no_rights)
{
    ck_assert_int_eq(process_own_file(path), 0);
}
END_TEST

START_TEST(test_a_folder_that_others_may_look_into_is_open)
{
    static const struct {
        mode_t mode;
        bool is_open;
    } cases[] = {{0700, false}, {0750, false}, {0755, true}, {0770, true}, {0701, true}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_eq(chmod(folder, cases[i].mode), 0);
        ck_assert_int_eq(process_folder_is_open(folder), cases[i].is_open);
    }
    ck_assert_int_eq(chmod(folder, 0700), 0);
}
END_TEST

int main(void)
{
    return RUN_TESTS("process_files", setup, teardown, test_a_file_becomes_its_owners_alone,
                     test_a_file_that_is_not_there_needs_no_rights,
                     test_a_folder_that_others_may_look_into_is_open);
}
