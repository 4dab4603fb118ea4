/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundle: what one gateway receives (yang/p2pvpn-bundle.yang, bundle.json).
 *
 * The controller fills a struct bundle and formats it; the agent parses and verifies it.  Both ends
 * must agree to the byte, so the format lives here.  A bundle holds no secret.
 */
#ifndef P2PVPN_COMMON_BUNDLE_H
#define P2PVPN_COMMON_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/prefix.h"

#define BUNDLE_FILE "bundle.json"
#define BUNDLE_FORMAT 3     /* of those that say anything of link keys or further generations */
#define BUNDLE_FORMAT_OLD 2 /* of all others: what there was before there were such */
#define BUNDLE_MAX_BYTES (16u << 20)      /* of bundle.json: 5,000 links are 3 MB */
#define BUNDLE_FILE_MAX_BYTES (64u << 20) /* of a file */
#define BUNDLE_MAX_FILES 70000u           /* one a link, and a few */
#define BUNDLE_ARCHIVE_ENDING ".tar"
#define BUNDLE_ARCHIVE_MAX_BYTES (512u << 20)
#define BUNDLE_MAX_TUNNELS 8u    /* between one pair */
#define BUNDLE_INTERFACE_SIZE 16 /* "pv65535-8"; IFNAMSIZ */

/* How bgpd knows which AS may announce which prefix: by lists in the bundle's FRR configuration, or
 * by the mesh's table of origins (common/origins.h), which the agent serves it. */
#define BUNDLE_ORIGIN_CHECK_CACHE "cache" /* in bundle.json; absent: lists */
enum bundle_origin_check { BUNDLE_ORIGINS_BY_LISTS, BUNDLE_ORIGINS_BY_CACHE };

enum link_role { LINK_ROLE_SERVER, LINK_ROLE_CLIENT }; /* in the TLS handshake */

struct bundle_file {
    const char *path; /* relative_path_valid() */
    char sha256[DIGEST_TEXT_LEN + 1];
    uint32_t size; /* bytes */
};

struct bundle_link {
    const char *interface; /* "pv7", and "pv7-2" for the second of parallel tunnels */
    const char *alias;     /* altname "pv-SHORTNAME" of the peer, or "pv-SHORTNAME-2" */
    const char *peer;      /* gateway name */
    unsigned tunnel;       /* of the parallel ones to this peer, from 1; 0 means 1 */
    uint32_t peer_number, peer_asn;
    uint32_t peer_generation;  /* of its certificate name */
    const char *peer_link_key; /* link_key.h; NULL: no tls-crypt.  Never without an own one */
    bool transit;              /* the peer carries other LANs' traffic as well */
    const struct prefix *peer_prefixes; /* of the peer's LAN, sorted; at least one */
    size_t n_peer_prefixes;
    const char *peer_prefix_text; /* bundle_prefix_text() of them, where there are a million links
                                     to write; else NULL */
    enum link_role role;
    struct prefix *addresses;      /* ours, /31 and /127; at least one.  A /32 (an imported link): a
                                      point-to-point address, configured with its peer address */
    struct prefix *peer_addresses; /* same count and order, host length */
    size_t n_addresses;
    uint16_t local_port;
    const char *remote_host; /* NULL: the peer calls us */
    uint16_t remote_port;    /* 0 with remote_host NULL */
    uint16_t mtu;            /* of the tun, bytes */
    uint32_t queue_length;   /* of the tun, packets */
    const char *config;      /* path of its OpenVPN configuration, one of files[] */
};

struct bundle {
    const char *mesh, *gateway;
    uint32_t number, asn;
    uint32_t router_id;   /* host order */
    uint32_t generation;  /* of the gateway's certificate name, NAME.gN */
    const char *link_key; /* the public half of its key for links (link_key.h); NULL: none */
    char revision[DIGEST_TEXT_LEN + 1]; /* of the text with an empty revision (bundle_format()) */
    enum bundle_origin_check origin_check;
    bool manage_wan_firewall; /* the links' UDP ports are closed to all but the peers */
    const char *lan;
    bool lan_shared; /* other gateways serve it as well */
    struct prefix *lan_prefixes;
    size_t n_lan_prefixes;
    struct prefix *mesh_prefixes; /* every other LAN's: what BGP should bring, sorted.  None with a
                                     cache: the table has them */
    size_t n_mesh_prefixes;
    struct prefix *link_prefixes; /* the pools of link addresses, sorted; an imported link's
                                     addresses may lie outside of them */
    size_t n_link_prefixes;
    struct bundle_link *links; /* by peer number, then tunnel */
    size_t n_links;
    struct bundle_file *files; /* by path; bundle.json itself is not among them */
    size_t n_files;
    struct arena arena; /* owns everything a parsed bundle points to */
};

/* Writes bundle.json, computing `revision` on the way: the SHA-256 of the very text that is
 * written, with an empty revision member.  Deterministic; the lists are written in the order they
 * have. */
void bundle_format(struct bundle *b, struct buf *ret);

/* The number of the format that it has: a mesh without link keys, and in which no key was ever
 * replaced, has the bundles that it always had. */
uint32_t bundle_format_of(const struct bundle *b);

/* A list of prefixes as bundle_format() writes it. */
void bundle_prefix_text(const struct prefix *prefixes, size_t n, struct buf *ret);

/* The name of the interface of a tunnel, counted from 1, to the peer with this number. */
void bundle_interface(uint32_t peer_number, unsigned tunnel,
                      char ret[static BUNDLE_INTERFACE_SIZE]);

/* The file of this path; NULL: there is none. */
const struct bundle_file *bundle_find_file(const struct bundle *b, const char *path);

/* The SHA-256 of the OpenVPN configuration of one of its links, of all that a process depends on
 * the only thing that a bundle changes: it must restart when this differs. */
const char *bundle_link_sha256(const struct bundle *b, const struct bundle_link *link);

/* True: this is, to the byte, a text that bundle_format() wrote, going by its revision; much faster
 * than reading it. */
bool bundle_text_intact(const char *data, size_t len);
/* The same, and of this revision. */
bool bundle_text_is(const char *data, size_t len, const char *revision);

/* What parsing needs of the machine (random numbers, OpenSSL's tables) is fetched now: for a
 * process that will not be able to ask for it later. */
void bundle_prepare(void);

/* 0 and *ret set, or -EINVAL with *err filled and *ret untouched.  Everything is checked: names,
 * addresses, ranges, order, duplicates, the revision itself.  A member that the format does not
 * have is an error too: the revision could not cover it, and a newer format says so by its number.
 * Layout and order of members do not matter.  Free with bundle_free(). */
int bundle_parse(const char *data, size_t len, const char *file, struct bundle **ret,
                 struct error_list *err);
struct bundle *bundle_free(struct bundle *b); /* NULL ok; returns NULL */

/*
 * A bundle on disk: a folder, or an archive (common/tar.h) with bundle.json first and then the
 * files in its order, and nothing else.  What is at the path decides.
 *
 * bundle_open() checks everything: bundle_parse() of bundle.json, then every file against its size
 * and SHA-256.  Inside a folder no symbolic link is followed; an archive is read whole.  -EINVAL:
 * there is no intact bundle.
 */
struct bundle_source;
int bundle_open(const char *path, struct bundle_source **ret, struct error_list *err);
const struct bundle *bundle_opened(const struct bundle_source *s);
const struct buf *bundle_opened_text(const struct bundle_source *s); /* of bundle.json */

/* One file, which is one of bundle_opened()'s, verified as it is read: what is appended to *ret is
 * what the bundle means, even if somebody changes the folder at the same time.  -EINVAL: it is not
 * that file. */
int bundle_read_file(const struct bundle_source *s, const struct bundle_file *file, struct buf *ret,
                     struct error_list *err);
struct bundle_source *bundle_close(struct bundle_source *s); /* NULL ok; returns NULL */
struct bundle *bundle_take(struct bundle_source *s);         /* closes it and keeps the bundle */

/*
 * The same in two parts, for those who have somebody else parse: open what is at the path, and the
 * file to be parsed (the archive, or bundle.json of the folder); then adopt what was made of it,
 * which verifies every file as bundle_open() does.  `places` says where each of them begins in the
 * archive; NULL for a folder.  It takes fd, b and places, whatever it returns.  Of an archive no
 * more than one file is in memory at a time.
 */
int bundle_open_path(const char *path, bool *folder, int *ret, struct error_list *err);
int bundle_open_text(int folder, const char *path, int *ret, struct error_list *err);
int bundle_adopt(const char *path, int fd, struct bundle *b, uint64_t *places,
                 struct bundle_source **ret, struct error_list *err);

/* An archive in memory.  bundle_archive_text(): bundle.json in it, not looked at; the reader goes
 * on behind it.  bundle_parse_archive(): all of it, with every file against its size and SHA-256,
 * and where each begins; the caller frees both. */
struct tar_reader;
struct tar_entry;
int bundle_archive_text(const char *data, size_t len, const char *path, struct tar_reader *reader,
                        struct tar_entry *ret, struct error_list *err);
int bundle_parse_archive(const char *data, size_t len, const char *path, struct bundle **ret,
                         uint64_t **places, struct error_list *err);

/* bundle_open() for those who only want to know what it says. */
int bundle_load(const char *path, struct bundle **ret, struct error_list *err);

#endif
