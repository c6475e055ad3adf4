#pragma once
/* The installer's messages: "INFO text" and so on at stderr from the chosen level up, without times, and
 * every line, with its time, appended to .openshift_install.log in the asset directory. Scripts read these
 * lines. Nothing secret is ever passed here. */
#include "base/cleanup.h"

typedef enum InstallLogLevel {
    INSTALL_LOG_FATAL,
    INSTALL_LOG_ERROR,
    INSTALL_LOG_WARNING,
    INSTALL_LOG_INFO,
    INSTALL_LOG_DEBUG,
} InstallLogLevel;

int install_log_level_parse(const char *word, InstallLogLevel *ret); /* debug, info, warn, error */
void install_log_set_level(InstallLogLevel level);
/* Opens the log below the directory, 0600; without it messages go to stderr only. */
void install_log_open(int dirfd);
void install_log_close(void);
void install_log(InstallLogLevel level, const char *format, ...) _printf_(2, 3);
/* Lines that are no message of their own, such as findings: one text for stderr and one for the log, which
 * may show less. */
void install_log_text(const char *shown, const char *logged);
