/* SPDX-License-Identifier: Apache-2.0 */
#include "service/offer.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "common/alloc.h"
#include "common/answer_block.h"
#include "common/fs.h"
#include "controller/ca_repository.h"

void offer_pin_text(const unsigned char pin[static TLS_PIN_LEN], char ret[static OFFER_PIN_SIZE])
{
    unsigned char text[OFFER_PIN_SIZE];

    EVP_EncodeBlock(text, pin, TLS_PIN_LEN);
    snprintf(ret, OFFER_PIN_SIZE, "sha256//%.44s", (const char *)text);
}

static int read_root(const struct controller_settings *s, json_t **ret, struct error_list *err)
{
    _cleanup_free_ char *file = xasprintf("%s/metadata/1.root.json", s->repository);
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r = fs_read(file, ANSWER_BLOCK_MAX / 2, &text, err);

    if (r < 0)
        return r;
    *ret = json_loadb(buf_cstr(&text), text.len, JSON_REJECT_DUPLICATES, NULL);
    return json_is_object(*ret) ? 0
                                : error_add(err, file, 0, NULL,
                                            "this is no root of a repository; make it with "
                                            "'p2pvpn-ctl repo init'");
}

/* This controller. */
static int add_own(const struct controller_settings *s, const unsigned char *pin,
                   struct buf *answer, struct error_list *err)
{
    char pin_text[OFFER_PIN_SIZE], *dump = NULL;
    json_t *root = NULL, *doc = NULL;
    int r = read_root(s, &root, err);

    if (r == 0) {
        offer_pin_text(pin, pin_text);
        doc = json_pack("{s:O, s:[s], s:s, s:s}", "root", root, "urls", s->url, "controller",
                        s->url, "pin", pin_text);
        dump = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
        if (!dump || !answer_block_add(answer, dump, strlen(dump)))
            r = error_add(err, s->repository, 0, NULL,
                          "the root of the repository cannot be put into an answer");
    }
    free(dump);
    json_decref(doc);
    json_decref(root);
    return r;
}

int offer_add(const struct controller_settings *s, const unsigned char pin[static TLS_PIN_LEN],
              struct buf *answer, struct error_list *err)
{
    _cleanup_free_ char *file = xasprintf("%s/repository.json", s->ca);

    return s->url && access(file, F_OK) < 0 && errno == ENOENT
               ? add_own(s, pin, answer, err)
               : ca_add_repository(s->ca, answer, err);
}
