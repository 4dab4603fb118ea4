/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit: how every unit test is run, by libcheck, and the few helpers that several of them need.
 *
 *   Suite *s = suite_create("name");
 *   TCase *t = unit_case(s, "name", setup, teardown);
 *
 *   tcase_add_test(t, what_is_tested);
 *   return unit_run(s);
 */
#ifndef P2PVPN_TESTS_UNIT_H
#define P2PVPN_TESTS_UNIT_H

#include <check.h>
#include <stdbool.h>

#include "common/error.h"
#include "common/prefix.h"

/* A new case of s; setup and teardown, around each of its tests, may be NULL. */
TCase *unit_case(Suite *s, const char *name, void (*setup)(void), void (*teardown)(void));

/* Runs s as the environment says (tests/meson.build) and frees it.  What main() returns. */
int unit_run(Suite *s);

/* Whether one of the messages holds `part`; if not, prints them all. */
bool unit_says(const struct error_list *err, const char *part);

/* Makes a folder, which the test removes with fs_remove_tree(). */
#define UNIT_FOLDER_SIZE sizeof("/tmp/p2pvpn-unit-XXXXXX")
void unit_folder(char ret[static UNIT_FOLDER_SIZE]);

/* The test fails when text is no prefix. */
struct prefix unit_prefix(const char *text);

/* For tests that count what is allocated, first in main(): chunks that wait in a thread's cache
 * would count as used.  Starts the program again. */
void unit_without_heap_cache(char **argv);

#endif
