/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reader: a short-lived process, with no rights at all (sandbox.h), that unpacks and parses what
 * comes from outside: bundles and tables of origins.
 *
 * The root side opens the file, so a source that only root may read works, and hands over nothing
 * but its descriptor; it parses nothing of it.  The reader answers with one message (wire.h), which
 * is read with its size and its time limited: a reader that was taken over can make us refuse, and
 * that is all.  Then the root side reads the bundle's files itself, as bytes, from where the
 * message says they are, and compares their SHA-256.
 *
 * Where the agent may change its user, the reader is a fork of it: it has what is in its memory,
 * and no secret is in there.  As a service without that right it asks a unit (reader_unit.h).
 */
#ifndef P2PVPN_AGENT_READER_H
#define P2PVPN_AGENT_READER_H

#include <stdint.h>

#include "agent/settings.h"
#include "agent/wire.h"
#include "common/bundle.h"
#include "common/error.h"
#include "common/origins.h"

#define READER_MS 10000 /* for all of it */

/* Reads the bundle at `path`, a folder or an archive.  0 and *ret, with every file verified.
 * -EINVAL: there is no intact bundle; -EPROTO, -ETIMEDOUT, ...: the reader failed. */
int reader_bundle(const struct settings *s, const char *path, struct bundle_source **ret,
                  struct error_list *err);

/* reader_bundle() for those who only want to know what it says. */
int reader_load(const struct settings *s, const char *path, struct bundle **ret,
                struct error_list *err);

/* Reads a table of origins. */
int reader_origins(const struct settings *s, const char *path, struct origins **ret,
                   struct error_list *err);

/* The whole life of a reader that systemd has started: one request, one answer.  0 if it came to an
 * answer. */
int reader_serve(int connection);

/*
 * One level below, for tests: starts child(arg, in, out) in a process of its own, with no other
 * descriptors, and reads its answer about `name`.  The child is root still.
 */
int reader_run(void (*child)(const void *arg, int in, int out), const void *arg, int in,
               unsigned timeout_ms, const char *name, struct wire_answer *ret,
               struct error_list *err);

#endif
