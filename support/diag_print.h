/* Inside of support/diag: the table of codes and the two printers. */
#ifndef LOONG_DIAG_PRINT_H
#define LOONG_DIAG_PRINT_H

#include "support/diag.h"

enum severity { SEVERITY_ERROR, SEVERITY_WARNING };

struct diag_info {
	const char *code;
	uint8_t severity;      /* enum severity */
	const char *rule;      /* one line */
	const char *why, *fix; /* of --explain */
};
extern const struct diag_info diag_info[DIAG_COUNT];

void diag_print_human(const struct report *r);
void diag_print_json(const struct report *r);

#endif
