/* gpgv says what it found on a channel that nothing else is written to (--status-fd), and writes what is
 * signed into a file of a bounded size: a message may be compressed. What it says must be of exactly one
 * signature and one text, and no line may speak of anything that is wrong. Its keyrings are binary; keys in
 * armor are taken out of it here. */
#include "oci/openpgp.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/process.h"
#include "format/data_url.h"

enum { GPGV_SECONDS = 60, STATUS_MAX = 64 << 10, KEYRINGS_MAX = 64 };

void openpgp_signed_done(OpenpgpSigned *s)
{
    buf_done(&s->text);
}

/* ---- keys ---- */

static const char *line_end(const char *p, const char *end)
{
    const char *newline = memchr(p, '\n', (size_t)(end - p));
    return newline ? newline + 1 : end;
}

static bool starts(const char *p, const char *end, const char *with)
{
    size_t n = strlen(with);
    return (size_t)(end - p) >= n && !memcmp(p, with, n);
}

static bool is_blank(const char *p, const char *end)
{
    for (; p < end; p++)
        if (!strchr(" \t\r\n", *p))
            return false;
    return true;
}

/* One block behind its first line: headers up to a blank line, base64, "=" and a check sum, the last line.
 * Returns where it ends; NULL: it is broken. */
static const char *dearmor_block(const char *p, const char *end, Buf *ret)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    while (p < end && !is_blank(p, line_end(p, end)))
        p = line_end(p, end);
    for (p = line_end(p, end); p < end && *p != '=' && *p != '-'; p = line_end(p, end))
        for (const char *c = p; c < line_end(p, end); c++)
            if (!strchr(" \t\r\n", *c))
                buf_add_char(&text, *c);
    if (p < end && *p == '=')
        p = line_end(p, end);
    if (!starts(p, end, "-----END PGP PUBLIC KEY BLOCK-----") || !text.len ||
        base64_decode(text.data, text.len, ret) < 0)
        return NULL;
    return line_end(p, end);
}

int openpgp_dearmor(const void *data, size_t n, Buf *ret, Error *e)
{
    const char *p = data, *end = p + n;
    if (n > OPENPGP_KEYS_MAX)
        return error_set(e, EINVAL, "the keys have more than %d bytes", OPENPGP_KEYS_MAX);
    if (n && (*p & 0x80)) {
        buf_add(ret, data, n);
        return 0;
    }
    size_t before = ret->len;
    while (p && p < end) {
        const char *next = line_end(p, end);
        if (starts(p, end, "-----BEGIN PGP PUBLIC KEY BLOCK-----"))
            p = dearmor_block(next, end, ret);
        else if (starts(p, end, "-----BEGIN"))
            p = NULL;
        else
            p = next;
    }
    if (p && ret->len > before)
        return 0;
    ret->len = before;
    return error_set(e, EINVAL, "it holds no public keys of OpenPGP");
}

/* ---- what gpgv says ---- */

typedef struct Status {
    unsigned signatures, good, valid, texts;
    const char *wrong; /* the word of the first line that says so */
    char fingerprint[OPENPGP_FINGERPRINT_MAX + 1];
    bool weak;
} Status;

/* VALIDSIG fingerprint date time expires version reserved algorithm digest class primary-fingerprint */
static void read_valid(char *rest, Status *s)
{
    const char *fields[10] = {0};
    size_t n = 0;
    char *save = NULL;
    for (char *f = strtok_r(rest, " ", &save); f && n < ELEMENTS(fields); f = strtok_r(NULL, " ", &save))
        fields[n++] = f;
    s->valid++;
    s->weak = n < 8 || !strcmp(fields[7], "1") || !strcmp(fields[7], "2") || !strcmp(fields[7], "3");
    const char *primary = n == 10 ? fields[9] : n ? fields[0] : "";
    size_t len = strlen(primary);
    if (len && len <= OPENPGP_FINGERPRINT_MAX && strspn(primary, "0123456789ABCDEF") == len)
        memcpy(s->fingerprint, primary, len + 1);
    else
        s->weak = true;
}

static void read_line(char *line, Status *s)
{
    static const char prefix[] = "[GNUPG:] ";
    static const char *const wrong[] = {"BADSIG", "ERRSIG",    "EXPSIG",     "EXPKEYSIG",
                                        "NODATA", "REVKEYSIG", "UNEXPECTED", "FAILURE",
                                        "ERROR",  "BADARMOR",  "NO_PUBKEY",  "DECRYPTION_FAILED"};
    if (strncmp(line, prefix, sizeof(prefix) - 1))
        return;
    char *word = line + sizeof(prefix) - 1, *rest = word + strcspn(word, " ");
    if (*rest)
        *rest++ = '\0';
    s->signatures += !strcmp(word, "NEWSIG");
    s->good += !strcmp(word, "GOODSIG");
    s->texts += !strcmp(word, "PLAINTEXT");
    if (!strcmp(word, "VALIDSIG"))
        read_valid(rest, s);
    for (size_t i = 0; i < ELEMENTS(wrong); i++)
        if (!s->wrong && !strcmp(word, wrong[i]))
            s->wrong = wrong[i];
}

static const char *reason(const Status *s)
{
    static const struct {
        const char *word, *text;
    } words[] = {{"BADSIG", "the signature is not of this text"},
                 {"ERRSIG", "the signature is by a key that is not named, or of a kind that is not known"},
                 {"NO_PUBKEY", "the signature is by a key that is not named"},
                 {"EXPSIG", "the signature has expired"},
                 {"EXPKEYSIG", "the key has expired"},
                 {"REVKEYSIG", "the key is revoked"}};
    for (size_t i = 0; s->wrong && i < ELEMENTS(words); i++)
        if (!strcmp(words[i].word, s->wrong))
            return words[i].text;
    if (s->weak)
        return "the signature is made with a digest that is broken";
    return s->good > 1 || s->valid > 1 || s->signatures > 1 || s->texts > 1
               ? "the message has more than one signature or text"
               : "it is no signed message";
}

static int judge(Buf *said, int status, OpenpgpSigned *ret, Error *e)
{
    Status s = {0};
    char *save = NULL;
    for (char *line = said->len ? strtok_r(said->data, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save))
        read_line(line, &s);
    if (status == 0 && s.good == 1 && s.valid == 1 && s.signatures == 1 && s.texts == 1 && !s.wrong &&
        !s.weak) {
        memcpy(ret->fingerprint, s.fingerprint, sizeof(ret->fingerprint));
        return 0;
    }
    return error_set(e, EKEYREJECTED, "%s", reason(&s));
}

/* ---- running it ---- */

typedef struct Work {
    char path[64];
    int fd;
} Work;

static int make_work(Work *w, Error *e)
{
    snprintf(w->path, sizeof(w->path), "/tmp/basalt-gpgv-XXXXXX");
    if (!mkdtemp(w->path))
        return error_errno(e, -errno, "making a directory in /tmp");
    w->fd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return w->fd < 0 ? error_errno(e, -errno, "opening %s", w->path) : 0;
}

static void remove_work(Work *w)
{
    if (w->fd < 0)
        return;
    close(w->fd);
    (void)tree_remove_at(AT_FDCWD, w->path);
}

static int write_keys(const Work *w, const OpenpgpKeys *keys, size_t n, Error *e)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_buf_ Buf binary = BUF_INIT;
        char name[32];
        int r = openpgp_dearmor(keys[i].data, keys[i].n, &binary, e);
        snprintf(name, sizeof(name), "keys-%zu.gpg", i);
        if (r >= 0 && (r = file_write_at(w->fd, name, binary.data, binary.len, FILE_WRITE(.mode = 0600))) < 0)
            return error_errno(e, r, "writing %s/%s", w->path, name);
        if (r < 0)
            return r;
    }
    return 0;
}

static int run_gpgv(const Work *w, size_t n_keys, size_t max, Buf *said, Error *e)
{
    char paths[KEYRINGS_MAX][96], message[96], text[96];
    const char *argv[2 * KEYRINGS_MAX + 12], **next = argv;
    static const char *const env[] = {"LC_ALL=C", NULL};
    snprintf(message, sizeof(message), "%s/message", w->path);
    snprintf(text, sizeof(text), "%s/text", w->path);
    *next++ = "gpgv";
    *next++ = "--homedir";
    *next++ = w->path;
    for (size_t i = 0; i < n_keys; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s/keys-%zu.gpg", w->path, i);
        *next++ = "--keyring";
        *next++ = paths[i];
    }
    *next++ = "--status-fd";
    *next++ = "1";
    *next++ = "--output";
    *next++ = text;
    *next++ = message;
    *next = NULL;
    const ProcessRun run = {.argv = argv,
                            .env = env,
                            .env_only = true,
                            .output = said,
                            .output_max = STATUS_MAX,
                            .file_max = max,
                            .timeout_sec = GPGV_SECONDS};
    return process_run(&run, e);
}

int openpgp_verify(const OpenpgpKeys *keys, size_t n_keys, const void *message, size_t n, size_t max,
                   OpenpgpSigned *ret, Error *e)
{
    _cleanup_(remove_work)
    Work w = {.fd = -EBADF};
    _cleanup_buf_ Buf said = BUF_INIT;
    OpenpgpSigned is = {0};
    Error why = ERROR_INIT;
    if (!n_keys || n_keys > KEYRINGS_MAX)
        return error_set(e, EINVAL, "%zu files of keys; from 1 to %d are taken", n_keys, KEYRINGS_MAX);
    int r = make_work(&w, e);
    if (r < 0 || (r = write_keys(&w, keys, n_keys, e)) < 0)
        return r;
    if ((r = file_write_at(w.fd, "message", message, n, FILE_WRITE(.mode = 0600))) < 0)
        return error_errno(e, r, "writing %s/message", w.path);
    r = run_gpgv(&w, n_keys, max, &said, &why);
    if (r == -ENOENT)
        return error_set(e, ENOPKG,
                         "there is no gpgv to verify signatures of OpenPGP; install the package gpgv");
    if (r < 0)
        return error_set(e, -r, "%s", why.text);
    if ((r = judge(&said, r, &is, e)) < 0)
        return r;
    if ((r = file_read_at(w.fd, "text", max, &is.text, e)) < 0)
        return r;
    *ret = is;
    return 0;
}
