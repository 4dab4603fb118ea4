/* SPDX-License-Identifier: Apache-2.0 */
/* TUF's client against a mirror in the attacker's hands: each attack has its code, and what was
 * trusted before stays. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "tests/unit/tuf_world.h"

/* The gateway has seen version 1 of all. */
static void started(void)
{
    world_setup();
    world_publish();
    world_init();
    ck_assert_int_eq(world_refresh(), TUF_OK);
}

static void refuses(enum tuf_code code)
{
    enum tuf_code r = world_refresh();

    ck_assert_msg(r == code, "%s, not %s: %s", tuf_code_name(r), tuf_code_name(code),
                  world.err.text);
}

static void stored_are(int64_t root, int64_t timestamp, int64_t snapshot, int64_t targets)
{
    ck_assert_int_eq(world_stored("root"), root);
    ck_assert_int_eq(world_stored("timestamp"), timestamp);
    ck_assert_int_eq(world_stored("snapshot"), snapshot);
    ck_assert_int_eq(world_stored("targets"), targets);
}

static void next_versions(void)
{
    for (int t = TUF_TIMESTAMP; t < TUF_TYPES; t++)
        world.version[t]++;
}

/* --- what works
 * ----------------------------------------------------------------------------------- */

START_TEST(test_first_and_next)
{
    stored_are(1, 1, 1, 1);
    ck_assert_str_eq(world.asked, "2.root.json timestamp.json 1.snapshot.json 1.targets.json ");
    ck_assert_int_eq(world_refresh(), TUF_OK); /* nothing new: two questions */
    ck_assert_str_eq(world.asked, "2.root.json timestamp.json ");
    next_versions();
    world_publish();
    ck_assert_int_eq(world_download("dir/a"), TUF_OK);
    ck_assert(world_has_target("dir/a", world.content));
    stored_are(1, 2, 2, 2);
    ck_assert_int_eq(world_download("dir/a"), TUF_OK); /* has it already */
    ck_assert_uint_eq(world.requests, 2);
    world.content = "something else";
    next_versions();
    world_publish();
    ck_assert_int_eq(world_download("dir/a"), TUF_OK);
    ck_assert(world_has_target("dir/a", "something else"));
}
END_TEST

/* Whatever request fails, the next refresh works. */
START_TEST(test_mirror_goes_away)
{
    for (unsigned k = 1; k <= 6; k++) {
        next_versions();
        world.version[TUF_ROOT]++;
        world_publish();
        world.fail_at = k;
        ck_assert_int_eq(world_refresh(), k <= 5 ? TUF_NETWORK : TUF_OK);
        world.fail_at = 0;
        ck_assert_int_eq(world_refresh(), TUF_OK);
        stored_are(world.version[TUF_ROOT], world.version[1], world.version[2], world.version[3]);
    }
}
END_TEST

START_TEST(test_local_files_damaged)
{
    static const char *const names[] = {"timestamp", "snapshot", "targets"};
    static const char *const contents[] = {"", "{", "garbage", "[]", "{\"signed\":{}}"};

    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 5; k++) {
            _cleanup_free_ char *path = xasprintf("%s/%s.json", world.folder, names[i]);
            struct error_list err = ERROR_LIST_INIT;

            ck_assert_int_eq(fs_write(path, contents[k], strlen(contents[k]), 0600, &err), 0);
            ck_assert_int_eq(world_refresh(), TUF_OK);
            stored_are(1, 1, 1, 1);
        }
}
END_TEST

START_TEST(test_without_root)
{
    _cleanup_free_ char *path = xasprintf("%s/root.json", world.folder);

    ck_assert_int_eq(unlink(path), 0);
    refuses(TUF_STORAGE);
    ck_assert_uint_eq(world.requests, 0);
}
END_TEST

/* --- the attacks
 * ---------------------------------------------------------------------------------- */

START_TEST(test_arbitrary_software)
{
    for (enum tuf_type t = 0; t < TUF_TYPES; t++) {
        world_teardown();
        started();
        next_versions();
        world.version[TUF_ROOT] = 2;
        world.signer[t] = 99; /* a key that nobody names */
        world_publish();
        refuses(TUF_THRESHOLD);
        ck_assert_int_eq(world_stored(tuf_type_name(t)), 1);
    }
}
END_TEST

START_TEST(test_signature_that_does_not_hold)
{
    struct buf *file;

    next_versions();
    world_publish();
    file = world_file("timestamp.json");
    memcpy(strstr(file->data, "\"sig\":\"") + 7, "0123456789", 10);
    refuses(TUF_SIGNATURE);
    stored_are(1, 1, 1, 1);
}
END_TEST

START_TEST(test_endless_data)
{
    static const struct {
        const char *name;
        size_t size;
    } files[] = {
        {"2.root.json", TUF_ROOT_MAX},
        {"timestamp.json", TUF_TIMESTAMP_MAX},
        {"2.snapshot.json", 0}, /* whose lengths are signed */
        {"2.targets.json", 0},
    };

    next_versions();
    for (size_t i = 0; i < 4; i++) {
        struct buf *file;

        world_publish();
        file = world_file(files[i].name);
        if (!file) {
            world_put(files[i].name, "", 0);
            file = world_file(files[i].name);
        }
        while (file->len <= files[i].size || file->len < 2000)
            buf_char(file, ' ');
        refuses(TUF_TOO_LARGE);
        world_put("2.root.json", NULL, 0);
    }
}
END_TEST

START_TEST(test_rollback)
{
    for (int i = 0; i < 4; i++)
        next_versions();
    world_publish();
    ck_assert_int_eq(world_refresh(), TUF_OK);
    stored_are(1, 5, 5, 5);

    world.version[TUF_TIMESTAMP] = 4; /* an old timestamp */
    world_publish();
    refuses(TUF_ROLLBACK);
    world.version[TUF_TIMESTAMP] = 6; /* a new one of an old snapshot */
    world.version[TUF_SNAPSHOT] = 4;
    world_publish();
    refuses(TUF_ROLLBACK);
    stored_are(1, 5, 5, 5);
    world.version[TUF_SNAPSHOT] = 6; /* a new one of old targets */
    world.version[TUF_TARGETS] = 4;
    world_publish();
    refuses(TUF_ROLLBACK);
    stored_are(1, 6, 5, 5);
}
END_TEST

START_TEST(test_root_rollback)
{
    struct buf *one = world_file("1.root.json");

    world_put("2.root.json", one->data, one->len);
    refuses(TUF_ROLLBACK);
    world.version[TUF_ROOT] = 3;
    world_publish();
    world_put("2.root.json", world_file("3.root.json")->data, world_file("3.root.json")->len);
    refuses(TUF_VERSION);
    stored_are(1, 1, 1, 1);
}
END_TEST

START_TEST(test_role_vanishes)
{
    world.bins = 4;
    next_versions();
    world_publish();
    ck_assert_int_eq(world_download("dir/a"), TUF_OK);
    world_teardown();
    started();
    world.bins = 4;
    next_versions();
    world_publish();
    ck_assert_int_eq(world_refresh(), TUF_OK);
    {
        json_t *body = tuf_repo_body(TUF_SNAPSHOT, 3, WORLD_LATER);
        json_t *stamp = tuf_repo_body(TUF_TIMESTAMP, 3, WORLD_LATER);
        const struct tuf_seed seeds[] = {{{TUF_SNAPSHOT + 1}}, {{TUF_TIMESTAMP + 1}}};
        const struct buf *targets = world_file("2.targets.json");
        _cleanup_buf_ struct buf snapshot = BUF_INIT, timestamp = BUF_INIT;

        tuf_repo_add_meta(body, "targets", 2, targets->data, targets->len);
        tuf_repo_sign(body, &seeds[0], 1, &snapshot);
        tuf_repo_add_meta(stamp, "snapshot", 3, snapshot.data, snapshot.len);
        tuf_repo_sign(stamp, &seeds[1], 1, &timestamp);
        world_put("3.snapshot.json", snapshot.data, snapshot.len);
        world_put("timestamp.json", timestamp.data, timestamp.len);
    }
    refuses(TUF_VANISHED);
    stored_are(1, 3, 2, 2);
}
END_TEST

START_TEST(test_freeze)
{
    for (int t = TUF_TIMESTAMP; t < TUF_TYPES; t++) {
        next_versions();
        world.expires[t] = WORLD_NOW; /* not after the start of the update */
        world_publish();
        refuses(TUF_EXPIRED);
        ck_assert_int_lt(world_stored(tuf_type_name((enum tuf_type)t)), world.version[t]);
        world.expires[t] = WORLD_NOW + 1;
        next_versions();
        world_publish();
        ck_assert_int_eq(world_refresh(), TUF_OK);
    }
}
END_TEST

/* The same version again, long after: what is stored has expired, too. */
START_TEST(test_freeze_of_what_is_known)
{
    world_teardown();
    world_setup();
    world.expires[TUF_TIMESTAMP] = WORLD_NOW;
    world_publish();
    world_init();
    {
        _cleanup_free_ char *path = xasprintf("%s/timestamp.json", world.folder);
        struct error_list err = ERROR_LIST_INIT;
        const struct buf *file = world_file("timestamp.json");

        ck_assert_int_eq(fs_write(path, file->data, file->len, 0600, &err), 0);
    }
    refuses(TUF_EXPIRED);
    ck_assert_str_eq(world.asked, "2.root.json timestamp.json ");
}
END_TEST

START_TEST(test_root_expiry)
{
    world.version[TUF_ROOT] = 2; /* one on the way that has expired does not matter */
    world.expires[TUF_ROOT] = WORLD_NOW - 1;
    world_publish();
    world.version[TUF_ROOT] = 3;
    world.expires[TUF_ROOT] = WORLD_LATER;
    world_publish();
    ck_assert_int_eq(world_refresh(), TUF_OK);
    stored_are(3, 1, 1, 1);
    world.version[TUF_ROOT] = 4; /* the last one does, and is stored all the same */
    world.expires[TUF_ROOT] = WORLD_NOW;
    world_publish();
    refuses(TUF_EXPIRED);
    stored_are(4, 1, 1, 1);
}
END_TEST

START_TEST(test_mix_and_match)
{
    next_versions();
    world_publish();
    world_put("2.targets.json", world_file("1.targets.json")->data,
              world_file("1.targets.json")->len);
    refuses(TUF_MIXED);
    world_put("2.targets.json", "{}", 2);
    refuses(TUF_MIXED);
    stored_are(1, 2, 2, 1);
    next_versions();
    world_publish();
    world_put("3.snapshot.json", world_file("2.snapshot.json")->data,
              world_file("2.snapshot.json")->len);
    refuses(TUF_MIXED);
    stored_are(1, 3, 2, 1);
}
END_TEST

START_TEST(test_wrong_software)
{
    char name[200], hash[TUF_HASH_TEXT_MAX + 1];
    struct buf *file;

    tuf_hash("sha256", world.content, strlen(world.content), hash);
    snprintf(name, sizeof(name), "dir/%s.a", hash);
    file = world_file(name);
    file->data[0] ^= 1;
    ck_assert_int_eq(world_download("dir/a"), TUF_HASH);
    file->data[0] ^= 1;
    buf_char(file, '!');
    ck_assert_int_eq(world_download("dir/a"), TUF_TOO_LARGE);
    file->len -= 2;
    ck_assert_int_eq(world_download("dir/a"), TUF_LENGTH);
    world_put(name, NULL, 0);
    ck_assert_int_eq(world_download("dir/a"), TUF_NOT_FOUND);
    ck_assert(!world_has_target("dir/a", world.content));
    ck_assert_int_eq(world_download("dir/b"), TUF_NO_TARGET);
    ck_assert_int_eq(world_download("../dir/a"), TUF_NO_TARGET);
    ck_assert_int_eq(world_download(""), TUF_NO_TARGET);
}
END_TEST

/* A path that leaves its folder is no target, even if the right key says that it is. */
START_TEST(test_unsafe_target)
{
    static const char *const paths[] = {"../a", "/a", "dir//a", "dir/.", "dir/"};

    for (size_t i = 0; i < 5; i++) {
        world.path = paths[i];
        next_versions();
        world_publish();
        ck_assert_int_eq(world_download(paths[i]), TUF_NO_TARGET);
        ck_assert_ptr_null(strstr(world.asked, ".a "));
    }
}
END_TEST

/* The bytes are those that the timestamp means, but they are another version than it says. */
START_TEST(test_snapshot_of_another_version)
{
    struct buf *file;

    next_versions();
    world.listed_as = 3;
    world_publish();
    file = world_file("2.snapshot.json");
    world_put("3.snapshot.json", file->data, file->len);
    refuses(TUF_VERSION);
    stored_are(1, 2, 1, 1);
}
END_TEST

START_TEST(test_target_too_large)
{
    static const char content[] =
        "more than the hundred bytes which this gateway reads, so that it "
        "does not even ask the mirror for it at all";

    ck_assert_uint_gt(strlen(content), 100);
    world.content = content;
    next_versions();
    world_publish();
    ck_assert_int_eq(world_download("dir/a"), TUF_TOO_LARGE);
    ck_assert_uint_eq(world.requests, 4);
}
END_TEST

/* Whoever had a key for a while made the version so high that nothing is newer. */
START_TEST(test_fast_forward)
{
    world.version[TUF_TIMESTAMP] = world.version[TUF_SNAPSHOT] = world.version[TUF_TARGETS] =
        INT64_MAX - 1;
    world_publish();
    ck_assert_int_eq(world_refresh(), TUF_OK);
    for (int t = TUF_TIMESTAMP; t < TUF_TYPES; t++)
        world.version[t] = 2;
    world_publish();
    refuses(TUF_ROLLBACK);
    world.version[TUF_ROOT] = 2;
    world.key[TUF_SNAPSHOT] = world.signer[TUF_SNAPSHOT] = 60;
    world_publish();
    ck_assert_int_eq(world_refresh(), TUF_OK);
    stored_are(2, 2, 2, 2);
}
END_TEST

START_TEST(test_root_rotation)
{
    world.version[TUF_ROOT] = 2;
    world.key[TUF_ROOT] = world.signer[TUF_ROOT] = 70;
    world_publish();
    refuses(TUF_THRESHOLD); /* signed by the new key alone */
    world.signer[TUF_ROOT] = TUF_ROOT + 1;
    world_publish();
    refuses(TUF_THRESHOLD); /* by the old one alone */
    world.old_root_key = 70;
    world_publish();
    ck_assert_int_eq(world_refresh(), TUF_OK);
    world.version[TUF_ROOT] = 3;
    world.old_root_key = 0;
    world_publish();
    refuses(TUF_THRESHOLD); /* the old key is worth nothing now */
    stored_are(2, 1, 1, 1);
    world.signer[TUF_ROOT] = 70;
    world_publish();
    ck_assert_int_eq(world_refresh(), TUF_OK);
    stored_are(3, 1, 1, 1);
}
END_TEST

/* --- delegations
 * ---------------------------------------------------------------------------------- */

START_TEST(test_hashed_bins)
{
    world.bins = 8;
    next_versions();
    world_publish();
    ck_assert_int_eq(world_download("dir/a"), TUF_OK);
    ck_assert_uint_eq(world.requests, 6); /* four, one bin, one target */
    ck_assert(world_has_target("dir/a", world.content));
    ck_assert_int_eq(world_download("dir/b"), TUF_NOT_LISTED); /* in a bin that is not there */
}
END_TEST

/* "name": a role that may speak of all paths of a pattern, signed by seed 80. */
static json_t *delegation(const char *name, const char *pattern, bool terminating)
{
    char keyid[TUF_KEYID_LEN + 1];

    json_decref(tuf_seed_public((const uint8_t[TUF_SEED_LEN]){80}, keyid));
    return json_pack("{s:s, s:[s], s:i, s:b, s:[s]}", "name", name, "keyids", keyid, "threshold", 1,
                     "terminating", terminating, "paths", pattern);
}

/* Takes the roles, a list. */
static json_t *delegations(json_t *roles)
{
    char keyid[TUF_KEYID_LEN + 1];
    json_t *key = tuf_seed_public((const uint8_t[TUF_SEED_LEN]){80}, keyid);

    return json_pack("{s:{s:o}, s:o}", "keys", keyid, key, "roles", roles);
}

static void put_role(const char *name, json_t *roles, const char *target)
{
    json_t *body = tuf_repo_body(TUF_TARGETS, 1, WORLD_LATER);

    if (roles)
        json_object_set_new(body, "delegations", delegations(roles));
    if (target)
        tuf_repo_add_target(body, target, name, strlen(name));
    world_put_role(name, 1, body, 80);
}

static const char *roles_asked(void)
{
    const char *behind = strstr(world.asked, "targets.json ");

    return behind ? behind + strlen("targets.json ") : "";
}

/* targets -> one (of d/ only), two -> three, four (the end of it), five; six is never asked. */
START_TEST(test_search_order)
{
    world.delegations = delegations(json_pack("[o, o, o]", delegation("one", "d/*", false),
                                              delegation("two", "dir/*", false),
                                              delegation("six", "dir/*", false)));
    put_role("one", NULL, "dir/b");
    put_role("two",
             json_pack("[o, o, o]", delegation("three", "*/?", false),
                       delegation("four", "dir/b", true), delegation("five", "*/*", false)),
             NULL);
    put_role("three", json_pack("[o]", delegation("two", "*/*", false)), NULL);
    put_role("four", NULL, NULL);
    put_role("five", NULL, "dir/b");
    put_role("six", NULL, "dir/b");
    next_versions();
    world_publish();
    ck_assert_int_eq(world_download("dir/b"), TUF_NO_TARGET);
    ck_assert_str_eq(roles_asked(), "1.two.json 1.three.json 1.four.json ");
    ck_assert_int_eq(world_download("dir/c"), TUF_NO_TARGET); /* what is stored is not asked for */
    ck_assert_str_eq(roles_asked(), "");
    ck_assert_str_eq(world.asked, "2.root.json timestamp.json 1.five.json 1.six.json ");
}
END_TEST

START_TEST(test_search_is_bounded)
{
    char name[32], next[32];

    world.delegations = delegations(json_pack("[o]", delegation("r0", "*/*", false)));
    for (int i = 0; i < TUF_SEARCH_ROLES_MAX + 5; i++) {
        snprintf(name, sizeof(name), "r%d", i);
        snprintf(next, sizeof(next), "r%d", i + 1);
        put_role(name, json_pack("[o]", delegation(next, "*/*", false)), NULL);
    }
    next_versions();
    world_publish();
    ck_assert_int_eq(world_download("dir/b"), TUF_NO_TARGET);
    ck_assert_uint_eq(world.requests, 4 + TUF_SEARCH_ROLES_MAX);
}
END_TEST

START_TEST(test_delegated_role_is_checked)
{
    world.delegations = delegations(json_pack("[o]", delegation("../one", "*/*", false)));
    world_put_role("../one", 1, tuf_repo_body(TUF_TARGETS, 1, WORLD_LATER), 81);
    next_versions();
    world_publish();
    world_put("1...%2Fone.json", world_file("1.../one.json")->data,
              world_file("1.../one.json")->len);
    ck_assert_int_eq(world_download("dir/a"), TUF_THRESHOLD); /* by a key that is not its own */
    ck_assert_int_eq(world_stored("..%2Fone"), 0);
    world_put_role("../one", 2, tuf_repo_body(TUF_TARGETS, 2, WORLD_NOW), 80);
    next_versions();
    world_publish();
    world_put("2...%2Fone.json", world_file("2.../one.json")->data,
              world_file("2.../one.json")->len);
    ck_assert_int_eq(world_download("dir/a"), TUF_EXPIRED);
    world_put_role("../one", 3, tuf_repo_body(TUF_TARGETS, 4, WORLD_LATER), 80);
    next_versions();
    world_publish();
    world_put("3...%2Fone.json", world_file("3.../one.json")->data,
              world_file("3.../one.json")->len);
    ck_assert_int_eq(world_download("dir/a"), TUF_VERSION);
    ck_assert_int_eq(world_stored("..%2Fone"), 0);
}
END_TEST

/* --- every byte and every bit
 * --------------------------------------------------------------------- */

static enum tuf_code step(struct tuf_trusted *t, enum tuf_type type, const char *data, size_t len)
{
    struct tuf_error err;
    bool newer;

    switch (type) {
    case TUF_ROOT:
        return tuf_trusted_first_root(t, data, len, &err);
    case TUF_TIMESTAMP:
        return tuf_trusted_timestamp(t, data, len, &newer, &err);
    case TUF_SNAPSHOT:
        return tuf_trusted_snapshot(t, data, len, &err);
    default:
        return tuf_trusted_targets(t, data, len, &err);
    }
}

/* What is refused changes nothing: the good bytes are then taken as if nothing had been. */
START_TEST(test_truncated_or_flipped)
{
    static const char *const names[] = {"1.root.json", "timestamp.json", "1.snapshot.json",
                                        "1.targets.json"};
    struct tuf_trusted t = {.now = WORLD_NOW};
    struct tuf_error err;

    for (enum tuf_type type = 0; type < TUF_TYPES; type++) {
        const struct buf *file = world_file(names[type]);
        _cleanup_free_ char *copy = xstrndup(file->data, file->len);

        for (size_t len = 0; len < file->len; len++)
            ck_assert_int_ne(step(&t, type, copy, len), TUF_OK);
        for (size_t bit = 0; bit < 8 * file->len; bit++) {
            copy[bit / 8] ^= (char)(1 << bit % 8);
            ck_assert_msg(step(&t, type, copy, file->len) != TUF_OK, "%s: bit %zu", names[type],
                          bit);
            copy[bit / 8] ^= (char)(1 << bit % 8);
        }
        ck_assert_int_eq(step(&t, type, copy, file->len), TUF_OK);
        if (type == TUF_ROOT)
            ck_assert_int_eq(tuf_trusted_root_done(&t, &err), TUF_OK);
    }
    tuf_trusted_free(&t);
}
END_TEST

START_TEST(test_out_of_order)
{
    struct tuf_trusted t = {.now = WORLD_NOW};
    struct tuf_error err;
    const struct buf *root = world_file("1.root.json"), *stamp = world_file("timestamp.json");
    bool flag;

    ck_assert_int_eq(tuf_trusted_root_done(&t, &err), TUF_STATE);
    ck_assert_int_eq(tuf_trusted_next_root(&t, root->data, root->len, &flag, &err), TUF_STATE);
    ck_assert_int_eq(tuf_trusted_timestamp(&t, stamp->data, stamp->len, &flag, &err), TUF_STATE);
    ck_assert_int_eq(tuf_trusted_snapshot(&t, stamp->data, stamp->len, &err), TUF_STATE);
    ck_assert_int_eq(tuf_trusted_targets(&t, stamp->data, stamp->len, &err), TUF_STATE);
    ck_assert_int_eq(tuf_trusted_first_root(&t, root->data, root->len, &err), TUF_OK);
    ck_assert_int_eq(tuf_trusted_first_root(&t, root->data, root->len, &err), TUF_STATE);
    ck_assert_int_eq(tuf_trusted_timestamp(&t, stamp->data, stamp->len, &flag, &err), TUF_STATE);
    ck_assert_int_eq(tuf_trusted_root_done(&t, &err), TUF_OK);
    ck_assert_int_eq(tuf_trusted_next_root(&t, root->data, root->len, &flag, &err), TUF_STATE);
    ck_assert_int_eq(tuf_trusted_timestamp(&t, root->data, root->len, &flag, &err), TUF_TYPE);
    tuf_trusted_free(&t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tuf_updater");
    TCase *t = unit_case(s, "tuf_updater", started, world_teardown);

    tcase_add_test(t, test_first_and_next);
    tcase_add_test(t, test_mirror_goes_away);
    tcase_add_test(t, test_local_files_damaged);
    tcase_add_test(t, test_without_root);
    tcase_add_test(t, test_arbitrary_software);
    tcase_add_test(t, test_signature_that_does_not_hold);
    tcase_add_test(t, test_endless_data);
    tcase_add_test(t, test_rollback);
    tcase_add_test(t, test_root_rollback);
    tcase_add_test(t, test_role_vanishes);
    tcase_add_test(t, test_freeze);
    tcase_add_test(t, test_freeze_of_what_is_known);
    tcase_add_test(t, test_root_expiry);
    tcase_add_test(t, test_mix_and_match);
    tcase_add_test(t, test_wrong_software);
    tcase_add_test(t, test_unsafe_target);
    tcase_add_test(t, test_snapshot_of_another_version);
    tcase_add_test(t, test_target_too_large);
    tcase_add_test(t, test_fast_forward);
    tcase_add_test(t, test_root_rotation);
    tcase_add_test(t, test_hashed_bins);
    tcase_add_test(t, test_search_order);
    tcase_add_test(t, test_search_is_bounded);
    tcase_add_test(t, test_delegated_role_is_checked);
    tcase_add_test(t, test_truncated_or_flipped);
    tcase_add_test(t, test_out_of_order);
    return unit_run(s);
}
