/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* --- system calls --------------------------------------------------------------------------- */

/* Numbers mean something else on each of them; the filter begins by asking which it is. */
#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define ARCHITECTURE AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define ARCHITECTURE AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCHITECTURE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define ARCHITECTURE AUDIT_ARCH_S390X
#else
#error "name this processor's AUDIT_ARCH_... of linux/audit.h here"
#endif

static const int allowed[] = {
    __NR_read,
    __NR_write,
    __NR_munmap,
    __NR_mremap,
    __NR_madvise,
    __NR_brk,
    __NR_futex,
    __NR_exit,
    __NR_exit_group,
    __NR_rt_sigreturn,
    __NR_restart_syscall,
    __NR_clock_gettime, /* where the kernel's page for it is not used */
#if SANITIZED
    __NR_sigaltstack,
    __NR_rt_sigaction,
    __NR_rt_sigprocmask,
    __NR_getpid,
    __NR_gettid,
    __NR_sched_yield,
#endif
};

/* With any protection but that of code. */
static const int allowed_for_data[] = {
#ifdef __NR_mmap2
    __NR_mmap2,
#endif
#ifdef __NR_mmap
    __NR_mmap,
#endif
    __NR_mprotect,
};

#define N(list) (sizeof(list) / sizeof((list)[0]))
#define FIELD(name) ((uint32_t)offsetof(struct seccomp_data, name))
/* The lower half of an argument: what PROT_EXEC is in. */
#define LOW(n) (FIELD(args) + 8 * (n) + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0))
#define KILL (SANITIZED ? SECCOMP_RET_TRAP : SECCOMP_RET_KILL_PROCESS)

struct program {
    struct sock_filter code[8 + 2 * N(allowed) + 5 * N(allowed_for_data)];
    unsigned short n;
};

static void add(struct program *p, struct sock_filter one)
{
    p->code[p->n++] = one;
}

/* One line after the other, each with its own answer: a short list that is easily read. */
static void compile(struct program *p)
{
    const struct sock_filter load_number = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(nr));
    const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_filter kill = BPF_STMT(BPF_RET | BPF_K, KILL);

    add(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(arch)));
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
    add(p, kill);
    add(p, load_number);
    for (size_t i = 0; i < N(allowed); i++) {
        add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed[i], 0, 1));
        add(p, allow);
    }
    for (size_t i = 0; i < N(allowed_for_data); i++) {
        add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                            (uint32_t)allowed_for_data[i], 0, 4));
        add(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, LOW(2)));
        add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0));
        add(p, allow);
        add(p, kill);
    }
    add(p, kill);
}

static int filter_calls(void)
{
    struct program p = {.n = 0};
    struct sock_fprog filter;

    compile(&p);
    filter = (struct sock_fprog){p.n, p.code};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0 ? -errno : 0;
}

/* --- rights --------------------------------------------------------------------------------- */

static int limit(int what, rlim_t most)
{
    struct rlimit l = {most, most}, now;

    if (getrlimit(what, &now) == 0 && now.rlim_max < most)
        l.rlim_cur = l.rlim_max = now.rlim_max;
    return setrlimit(what, &l) < 0 ? -errno : 0;
}

static int limit_all(const struct sandbox *s)
{
    const struct {
        int what;
        rlim_t most;
    } limits[] = {
        {RLIMIT_CORE, 0},         {RLIMIT_FSIZE, 0},      {RLIMIT_NOFILE, 0},
        {RLIMIT_NPROC, 0},        {RLIMIT_MEMLOCK, 0},    {RLIMIT_MSGQUEUE, 0},
        {RLIMIT_CPU, s->seconds}, {RLIMIT_DATA, s->data}, {RLIMIT_AS, s->mapped},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < N(limits); i++)
        if (!SANITIZED || (limits[i].what != RLIMIT_DATA && limits[i].what != RLIMIT_AS))
            r = limit(limits[i].what, limits[i].most);
    return r;
}

static void drop_bounding_set(void)
{
    for (unsigned long c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
        prctl(PR_CAPBSET_DROP, c, 0, 0, 0); /* refused: without no_new_privs it would matter */
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static bool has_capabilities(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &head, data) < 0)
        return true;
    return data[0].effective || data[0].permitted || data[0].inheritable || data[1].effective ||
           data[1].permitted || data[1].inheritable;
}

static int drop_inheritable(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};

    return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

/* Whether somebody else, such as systemd, has made it this user's and nobody's besides. */
static bool is_already(uid_t uid, gid_t gid)
{
    gid_t r, e, v, groups[2];
    int n = getgroups(2, groups);

    return getuid() == uid && geteuid() == uid && getresgid(&r, &e, &v) == 0 && r == gid &&
           e == gid && v == gid && (n == 0 || (n == 1 && groups[0] == gid));
}

/* For good: real, effective and saved. */
static int become(uid_t uid, gid_t gid)
{
    uid_t r, e, v;

    if (!is_already(uid, gid) && ((geteuid() == 0 && setgroups(0, NULL) < 0) ||
                                  setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0))
        return -errno;
    if (getresuid(&r, &e, &v) < 0 || r != uid || e != uid || v != uid || uid == 0 ||
        setresuid(0, 0, 0) == 0)
        return -EPERM;
    return 0;
}

int sandbox_enter(const struct sandbox *s, struct error_list *err)
{
    const char *what = "give up its user";
    int r;

    /* Errors do not matter, see sandbox.h. */
    unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS);
    drop_bounding_set();
    r = become(s->uid, s->gid);
    if (r == 0) {
        what = "give up its capabilities";
        r = has_capabilities() ? drop_inheritable() : 0; /* a unit's filter may forbid the call */
    }
    if (r == 0 && has_capabilities())
        r = -EPERM;
    if (r == 0) {
        what = "limit itself";
        r = limit_all(s);
    }
    if (r == 0) {
        what = "give up system calls";
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* forgotten when the user changed */
        r = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
                ? -errno
                : filter_calls();
    }
    if (r < 0)
        return error_sys(
            err, -r, NULL,
            "the process that reads bundles could not %s, so nothing was read (does the "
            "service's unit forbid it?)",
            what);
    return 0;
}
