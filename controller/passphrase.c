/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"

#define FILE_MAX 4096

/* The first line of what is there. */
static int take_line(struct passphrase *p, const char *text, size_t n, struct error_list *err)
{
    size_t len = strcspn(text, "\n");

    if (len > 0 && text[len - 1] == '\r')
        len--;
    if (len == 0 || len > PASSPHRASE_MAX || strlen(text) < n)
        return error_add(err, p->file, 0, NULL,
                         "the first line must be a passphrase of 1 to %d bytes", PASSPHRASE_MAX);
    memcpy(p->text, text, len);
    p->text[len] = '\0';
    return 0;
}

/* Its group may read it: that of the service, or the mask of a credential's access list. */
static int check_kept(const struct passphrase *p, int fd, struct error_list *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return error_sys(err, errno, p->file, "cannot look at it");
    if (S_ISREG(st.st_mode) && !(st.st_mode & (S_IRWXO | S_IWGRP)))
        return 0;
    return error_add(err, p->file, 0, NULL,
                     "others may read or change this passphrase: make it a file of mode 0600, or "
                     "0640 for a group that nobody else is in");
}

static int from_file(struct passphrase *p, struct error_list *err)
{
    struct buf text = BUF_INIT;
    int fd = open(p->file, O_RDONLY | O_CLOEXEC), r;

    if (fd < 0)
        return error_sys(err, errno, p->file, "cannot read the passphrase");
    r = p->kept ? check_kept(p, fd, err) : 0;
    if (r == 0 && (r = fs_read_fd(fd, FILE_MAX, &text)) < 0)
        r = error_sys(err, -r, p->file, "cannot read the passphrase");
    close(fd);
    if (r == 0)
        r = take_line(p, buf_cstr(&text), text.len, err);
    if (text.data)
        explicit_bzero(text.data, text.cap);
    buf_free(&text);
    return r;
}

/* One line from the terminal, which does not show it. */
static int ask(struct passphrase *p, int terminal, const char *question, struct error_list *err)
{
    struct termios was, quiet;
    char line[PASSPHRASE_MAX + 2];
    ssize_t n = -1;
    int r;

    if (tcgetattr(terminal, &was) < 0)
        return error_sys(err, errno, NULL, "cannot ask for a passphrase");
    quiet = was;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    dprintf(terminal, "Passphrase %s%s: ", p->what, question);
    if (tcsetattr(terminal, TCSAFLUSH, &quiet) == 0) {
        n = read(terminal, line, sizeof(line) - 1);
        tcsetattr(terminal, TCSAFLUSH, &was);
    }
    dprintf(terminal, "\n");
    line[n > 0 ? n : 0] = '\0';
    r = n > 0 ? take_line(p, line, (size_t)n, err)
              : error_add(err, NULL, 0, NULL, "no passphrase was given");
    explicit_bzero(line, sizeof(line));
    return r;
}

static int from_terminal(struct passphrase *p, bool make, struct error_list *err)
{
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC), r;

    if (terminal < 0)
        return error_add(err, NULL, 0, NULL,
                         "a passphrase is needed and there is no terminal to ask for it; use "
                         "--passphrase-file");
    r = ask(p, terminal, "", err);
    if (r == 0 && make) {
        struct passphrase again = {.what = p->what};

        r = ask(&again, terminal, " once more", err);
        if (r == 0 && strcmp(again.text, p->text) != 0)
            r = error_add(err, NULL, 0, NULL, "the two passphrases are not the same");
        passphrase_clear(&again);
    }
    close(terminal);
    return r;
}

int passphrase_get(struct passphrase *p, bool make, struct error_list *err)
{
    int r = 0;

    if (!p->known)
        r = p->file ? from_file(p, err) : from_terminal(p, make, err);
    if (r == 0 && make && strlen(p->text) < PASSPHRASE_MIN)
        r = error_add(err, p->file, 0, NULL, "a passphrase has at least %d bytes", PASSPHRASE_MIN);
    p->known = r == 0;
    if (r < 0)
        explicit_bzero(p->text, sizeof(p->text));
    return r;
}

void passphrase_clear(struct passphrase *p)
{
    explicit_bzero(p->text, sizeof(p->text));
    p->known = false;
}
