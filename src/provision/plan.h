#pragma once
/* What each stage would do, as lines: for `plan`. Made by plan_make.h, shown as text or JSON. */
#include "base/command.h"
#include "format/report.h"

typedef enum PlanStageId {
    PLAN_FETCH,
    PLAN_KARGS,
    PLAN_DISKS,
    PLAN_MOUNT,
    PLAN_FILES,
    PLAN_UMOUNT,
    PLAN_STAGES,
} PlanStageId;

typedef struct PlanLine {
    const char *verb, *object; /* "create", "partition 3 of /dev/vda" */
    const char *detail;        /* NULL: nothing; never a secret */
    const char *noun;          /* what the summary counts: "partition"; NULL: it is not counted */
    bool destroys;             /* what is there goes */
} PlanLine;

typedef struct PlanLines {
    PlanLine *lines;
    size_t n, size;
} PlanLines;

typedef struct Plan {
    Arena *arena;
    const char *config; /* its name */
    PlanLines stages[PLAN_STAGES];
    Report report;    /* findings and refusals, in the order of the text */
    StringList notes; /* what the plan does not know */
    bool blank;       /* devices were not looked at */
    const char *next; /* what a person does then; NULL: nothing */
} Plan;
void plan_done(Plan *p);
#define _cleanup_plan_ _cleanup_(plan_done)

/* Strings live as long as the plan's arena. */
void plan_add(Plan *p, PlanStageId stage, PlanLine line);
void plan_write_text(const Plan *p, Buf *out);
void plan_write_json(const Plan *p, Buf *out);
