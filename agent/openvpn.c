/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/openvpn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/alloc.h"

/* Capabilities are counted up to the kernel's last; asking for one more fails, which ends it. */
static bool drop_bounding_set(void)
{
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return false;
    return true;
}

static bool drop_everything(const struct settings *s)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

    return drop_bounding_set() && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
           setgroups(0, NULL) == 0 && setresgid(s->link_gid, s->link_gid, s->link_gid) == 0 &&
           setresuid(s->link_uid, s->link_uid, s->link_uid) == 0 &&
           syscall(SYS_capset, &header, none) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static void complain(const char *what)
{
    /* In the child, whose standard error is the link's log. */
    dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
    _exit(126);
}

/* Everything between fork and exec; never returns. */
static void become_openvpn(const struct settings *s, const char *const *argv, int go, int log)
{
    static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                              NULL};
    struct rlimit no_core = {0, 0};
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t nothing;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    char word;

    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0)
        _exit(126);
    for (int signal = 1; signal < NSIG; signal++)
        sigaction(signal, &plain, NULL);
    sigemptyset(&nothing);
    sigprocmask(SIG_SETMASK, &nothing, NULL);
    umask(0077);
    setsid();
    setrlimit(RLIMIT_CORE, &no_core);
    if (!drop_everything(s))
        complain("cannot give up root's rights");
    if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        complain("cannot close descriptors");
    /* The agent says go when it has written down who we are; its death says the opposite. */
    if (read(go, &word, 1) != 1)
        _exit(125);
    execve(OPENVPN_PROGRAM, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)environment);
    complain("cannot execute " OPENVPN_PROGRAM);
}

/* Opened by root and appended to by the process: the folder is root's, so no link is followed. */
static int open_log(const char *path, struct error_list *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);

    if (fd < 0)
        return error_sys(err, errno, path, "cannot open the log of the link");
    return fd;
}

static int start_with(const struct settings *s, const char *interface, const char *const *argv,
                      int log, struct identity *ret, struct error_list *err)
{
    _cleanup_free_ char *identity = settings_identity_path(s, interface);
    int go[2], r = 0;
    pid_t pid;

    if (pipe2(go, O_CLOEXEC) < 0)
        return error_sys(err, errno, NULL, "cannot start OpenVPN for %s", interface);
    pid = fork();
    if (pid == 0) {
        close(go[1]);
        become_openvpn(s, argv, go[0], log);
    }
    if (pid < 0)
        r = error_sys(err, errno, NULL, "cannot start OpenVPN for %s", interface);
    close(go[0]);
    if (r == 0) {
        ret->pid = pid;
        if (!process_start_time(pid, &ret->start))
            r = error_sys(err, ESRCH, NULL,
                          "cannot start OpenVPN for %s: the new process died at once; its log may "
                          "say why",
                          interface);
        else
            r = identity_write(identity, ret, err);
        if (r == 0 && write(go[1], "g", 1) != 1)
            r = error_sys(err, errno, NULL, "cannot start OpenVPN for %s", interface);
    }
    close(go[1]);
    if (r < 0 && pid > 0) {
        unlink(identity);
        waitpid(pid, NULL, 0); /* it leaves, never having heard the word */
    }
    return r;
}

int openvpn_start(const struct settings *s, const char *interface, const char *config,
                  struct identity *ret, struct error_list *err)
{
    _cleanup_free_ char *keys = settings_keys_dir(s);
    _cleanup_free_ char *management = settings_management_path(s, interface);
    _cleanup_free_ char *log_path = settings_log_path(s, interface);
    const char *argv[] = {OPENVPN_PROGRAM,
                          "--cd",
                          keys,
                          "--config",
                          config,
                          "--script-security",
                          "0",
                          "--management",
                          management,
                          "unix",
                          "--management-client-user",
                          "root",
                          "--management-log-cache",
                          "20",
                          NULL};
    int log, r;

    if (access(OPENVPN_PROGRAM, X_OK) < 0)
        return error_sys(err, errno, OPENVPN_PROGRAM,
                         "OpenVPN is not installed: install the package openvpn");
    if (strlen(management) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return error_add(err, NULL, 0, NULL,
                         "the path %s is too long for a socket: choose a shorter --run-dir",
                         management);
    openvpn_bound_log(s, interface);
    log = open_log(log_path, err);
    if (log < 0)
        return log;
    r = start_with(s, interface, argv, log, ret, err);
    close(log);
    return r;
}

void openvpn_bound_log(const struct settings *s, const char *interface)
{
    _cleanup_free_ char *path = settings_log_path(s, interface);
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > OPENVPN_LOG_MAX &&
        truncate(path, 0) < 0)
        return; /* tried again later; the log is nobody's reason to stop */
}

void openvpn_remove_log(const struct settings *s, const char *interface)
{
    _cleanup_free_ char *path = settings_log_path(s, interface);

    unlink(path);
}

/* The last line of the text, cut out of it; "" if there is none. */
static char *cut_last_line(char *text)
{
    size_t len = strlen(text);
    char *end;

    while (len > 0 && text[len - 1] == '\n')
        text[--len] = '\0';
    end = strrchr(text, '\n');
    if (!end)
        return text;
    *end = '\0';
    return end + 1;
}

char *openvpn_last_words(const struct settings *s, const char *interface)
{
    static const char hint[] = "Use --help for more information."; /* follows the reason */
    _cleanup_free_ char *path = settings_log_path(s, interface);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char text[1024], *last;
    off_t end;
    ssize_t n;

    if (fd < 0)
        return xstrdup("");
    end = lseek(fd, 0, SEEK_END);
    n = pread(fd, text, sizeof(text) - 1,
              end > (off_t)sizeof(text) - 1 ? end - (off_t)sizeof(text) + 1 : 0);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    last = cut_last_line(text);
    if (strcmp(last, hint) == 0)
        last = cut_last_line(text);
    return xstrdup(last);
}
